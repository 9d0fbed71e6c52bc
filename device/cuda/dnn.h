/* Plans of cuDNN's graph interface for convolutions, channels last.
 *
 * A plan is chosen for a device that cuDNN knows by description: the one of this process, or a JSON text, so
 * that a machine without a GPU can tell what another would run. The first configuration of the library's own
 * ranking is taken that keeps float32 (no tensor cores), has a fixed order of sums, and needs no more
 * workspace than MOST_WORKSPACE; configurations that compile at run time only when no other is left. */
#ifndef KD_CUDA_DNN_H
#define KD_CUDA_DNN_H

#include "device/cuda/cuda.h"
#include "device/cuda/launch.h"

typedef enum kd_dnn_pass { KD_DNN_FORWARD, KD_DNN_DATA, KD_DNN_KERNEL } kd_dnn_pass;

typedef struct kd_dnn_spec {
  kd_dnn_pass pass;
  kd_job_conv conv;
  int64_t after[3]; /* padding behind; before it is in conv */
  int spatial;
  bool bias, relu; /* FORWARD: fused behind the convolution */
  bool ordered;    /* a fixed order of sums */
} kd_dnn_spec;

typedef struct kd_dnn_plan kd_dnn_plan;

/* The device `ordinal`, or the one that `json` describes when it is not NULL. Released by kd_dnn_forget. */
kd_status kd_dnn_device(int ordinal, const char *json, cudnnBackendDescriptor_t *device);
void kd_dnn_forget(cudnnBackendDescriptor_t device);

/* KD_ERR_RUN when the library has no plan; the text says what it said. */
kd_status kd_dnn_make(cudnnBackendDescriptor_t device, const kd_dnn_spec *spec, kd_dnn_plan **plan);
void kd_dnn_free(kd_dnn_plan *plan); /* NULL is allowed */
size_t kd_dnn_workspace(const kd_dnn_plan *plan);
bool kd_dnn_compiles(const kd_dnn_plan *plan); /* made at run time rather than taken from the library */

/* Addresses of the operands: x or dx, the kernel or its gradient as (f, k.., c / groups), y or dy. Before
 * run, and again when they change. */
kd_status kd_dnn_bind(kd_dnn_plan *plan, const void *x, const void *kernel, const void *bias, const void *y,
                      void *workspace);
kd_status kd_dnn_run(const kd_dnn_plan *plan, cudnnHandle_t handle);

#endif
