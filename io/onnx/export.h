/* Models as ONNX files, for onnxruntime and others: the graph of primitives of a pass of prediction, so that
 * every layer made of primitives can be exported. */
#ifndef KD_ONNX_EXPORT_H
#define KD_ONNX_EXPORT_H

#include "layers/model.h"

enum { KD_ONNX_OPSET = 17, KD_ONNX_LAST_OPSET = 23 }; /* the first, which is the default, and the last one */

/* Bytes of weights above which they go into a file of their own beside the model: messages of protobuf end at
 * 2 GiB. */
#define KD_ONNX_ONE_FILE ((int64_t)2000 << 20)

typedef struct kd_onnx_options {
  int opset;        /* version of the operators: KD_ONNX_OPSET to KD_ONNX_LAST_OPSET */
  int64_t one_file; /* weights of more bytes go to PATH.data; KD_ONNX_ONE_FILE, or less */
} kd_onnx_options;

/* Writes the model with its weights: weight[i] points to the values of model->weights[i], float32 in host
 * memory. Inputs, outputs and weights have Keras's names. The batch is a dimension named "batch", unless the
 * model fixes it; a variable axis is named after its input. All floats are float32, whatever the policy of
 * types. One rank calls it. The file has its name when it is complete. KD_ERR_USAGE: an unknown opset, or a
 * layer that has no form in ONNX, with its name and primitive; KD_ERR_RUN: the file cannot be written. */
kd_status kd_onnx_write(const char *path, kd_model *model, const float *const *weight,
                        const kd_onnx_options *options);

/* Whether that would be possible, before there are weights: the same errors, nothing is written. */
kd_status kd_onnx_check(kd_model *model, int opset);

#endif
