/* The two builds of a model that tell which sizes depend on what is fed. */
#ifndef KD_ONNX_BUILDS_H
#define KD_ONNX_BUILDS_H

#include "layers/model.h"

typedef struct kd_onnx_builds {
  kd_graph *graph[2];
  kd_built built[2];
} kd_onnx_builds;

/* Builds passes of prediction with equal nodes. Variable axes have sizes of their own, but those that the
 * model takes with equal sizes alone. KD_ERR_USAGE, with nothing to destroy, where what is computed depends
 * on sizes. target: as the message calls what is made. */
kd_status kd_onnx_builds_make(kd_model *model, const char *target, kd_onnx_builds *builds);
void kd_onnx_builds_destroy(kd_onnx_builds *builds);

#endif
