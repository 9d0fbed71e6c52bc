/* An ONNX graph as a file. */
#ifndef KD_ONNX_FILE_H
#define KD_ONNX_FILE_H

#include "io/onnx/form.h"

/* An input or output of the model. */
typedef struct kd_onnx_port {
  kd_onnx_value value;
  kd_onnx_type type;
  int rank;
  kd_onnx_size size[KD_MAX_RANK];
} kd_onnx_port;

typedef struct kd_onnx_file {
  const kd_onnx *x;
  const kd_onnx_block *main;
  int n_inputs, n_outputs;
  const kd_onnx_port *inputs, *outputs;
  int64_t one_file; /* see kd_onnx_options */
} kd_onnx_file;

/* Writes nodes and constants that are needed. KD_ERR_RUN: the file cannot be written; nothing half-written
 * stays. */
kd_status kd_onnx_file_write(const char *path, const kd_onnx_file *file);

#endif
