/* A model as a list of ONNX's nodes: what ONNX files hold, and what SavedModels are translated from. */
#ifndef KD_ONNX_PROGRAM_H
#define KD_ONNX_PROGRAM_H

#include "io/onnx/form.h"

/* An input or output of the model. */
typedef struct kd_onnx_port {
  kd_onnx_value value;
  kd_onnx_type type;
  int rank;
  kd_onnx_size size[KD_MAX_RANK];
} kd_onnx_port;

typedef struct kd_onnx_program {
  kd_onnx *x;
  const kd_onnx_block *main;
  int n_inputs, n_outputs;
  const kd_onnx_port *inputs, *outputs;
  int64_t bytes; /* of the constants that are needed */
} kd_onnx_program;

typedef kd_status kd_onnx_sink(void *context, const kd_onnx_program *program);

/* Hands the program of a pass of prediction to the sink; it lives as long as the call. weight[i]: the values
 * of model->weights[i]. KD_ERR_USAGE: a layer that has no form there, with its name and primitive; else what
 * the sink gives. */
kd_status kd_onnx_make(kd_model *model, const float *const *weight, const kd_onnx_target *target,
                       kd_onnx_sink *sink, void *context);
/* The same before there are weights: the values of the constants mean nothing. */
kd_status kd_onnx_try(kd_model *model, const kd_onnx_target *target, kd_onnx_sink *sink, void *context);

#endif
