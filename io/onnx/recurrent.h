/* The two forms of recurrent sequences: operators, and a Scan. */
#ifndef KD_ONNX_RECURRENT_H
#define KD_ONNX_RECURRENT_H

#include "io/onnx/form.h"

/* The node as LSTM, GRU or RNN; false, and nothing is appended, where they have no form for it. */
bool kd_onnx_recurrent_op(kd_onnx *x, const kd_node *node);

/* The states of a cell stand side by side in the graph: (batch, states units). */
void kd_onnx_split_states(kd_onnx *x, kd_onnx_value joined, int count, int64_t units, kd_onnx_value *states);
kd_onnx_value kd_onnx_join_states(kd_onnx *x, int count, const kd_onnx_value *states);

#endif
