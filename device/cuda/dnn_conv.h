/* Convolutions as graphs of cuDNN, channels last: forward with what stands behind it, and both gradients. */
#ifndef KD_CUDA_DNN_CONV_H
#define KD_CUDA_DNN_CONV_H

#include "device/cuda/dnn_plan.h"
#include "device/cuda/launch.h"

typedef enum kd_dnn_pass { KD_DNN_FORWARD, KD_DNN_DATA, KD_DNN_KERNEL } kd_dnn_pass;

typedef struct kd_dnn_conv {
  kd_dnn_pass pass;
  kd_job_conv conv;
  kd_product_types types; /* of the two operands, of the result; sums are float32 */
  int64_t after[3];       /* padding behind; before it is in conv */
  int spatial;
  bool bias, relu; /* FORWARD: fused behind the convolution; bias in the type of the factors */
  kd_dnn_wish wish;
} kd_dnn_conv;

/* KD_ERR_RUN when the library has no plan; the text says what it said. */
kd_status kd_dnn_conv_plan(cudnnBackendDescriptor_t device, const kd_dnn_conv *conv, kd_dnn_plan **plan);

/* Addresses of x or dx, the kernel or its gradient as (f, k.., c / groups), bias (NULL: none), y or dy. */
kd_status kd_dnn_conv_bind(kd_dnn_call *call, const void *x, const void *kernel, const void *bias,
                           const void *y, void *workspace);

#endif
