/* An ONNX graph as a file. */
#ifndef KD_ONNX_FILE_H
#define KD_ONNX_FILE_H

#include "io/onnx/program.h"

/* Writes nodes and constants that are needed; one_file: see kd_onnx_options. KD_ERR_RUN: the file cannot be
 * written; nothing half-written stays. */
kd_status kd_onnx_file_write(const char *path, const kd_onnx_program *program, int64_t one_file);

#endif
