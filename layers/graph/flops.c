#include "layers/graph/graph.h"

/* A convolution, forward or one of its gradients: every element of the result of the forward pass takes a
 * whole window. */
static double conv_flops(const kd_shape *result, const kd_shape *kernel) {
  return 2.0 * (double)kd_shape_count(result) * (double)kd_shape_span(kernel, 0, kernel->rank - 1);
}

/* Two products of all queries with all keys; backward has five, one of them for the scores again. */
static double attention_flops(const kd_graph *g, const kd_node *node) {
  const kd_shape *q = kd_sym_shape(g, node->input[0]), *k = kd_sym_shape(g, node->input[1]);
  double pairs = (double)kd_shape_span(q, 0, 3) * (double)k->dim[1];
  double features = (double)q->dim[3], width = (double)kd_sym_shape(g, node->input[2])->dim[3];
  return node->op == KD_OP_ATTENTION ? 2 * pairs * (features + width)
                                     : 2 * pairs * (3 * features + 2 * width);
}

double kd_node_flops(const kd_graph *g, const kd_node *node) {
  const kd_shape *in = node->n_inputs > 0 ? kd_sym_shape(g, node->input[0]) : NULL;
  const kd_shape *out = kd_sym_shape(g, node->output[0]);
  switch (node->op) {
  case KD_OP_MATMUL: {
    const kd_matmul_attr *attr = node->attr;
    return 2.0 * (double)kd_shape_count(out) * (double)in->dim[in->rank - (attr->transpose_a ? 2 : 1)];
  }
  case KD_OP_CONV:
    return conv_flops(out, kd_sym_shape(g, node->input[1]));
  case KD_OP_CONV_GRAD_DATA:
    return conv_flops(in, kd_sym_shape(g, node->input[1]));
  case KD_OP_CONV_GRAD_KERNEL:
    return conv_flops(kd_sym_shape(g, node->input[1]), out);
  case KD_OP_ATTENTION:
  case KD_OP_ATTENTION_GRAD:
    return attention_flops(g, node);
  case KD_OP_RECURRENT:
    return 2.0 * (double)kd_shape_count(in) * (double)kd_sym_shape(g, node->input[1])->dim[0];
  case KD_OP_RECURRENT_GRAD:
    return 4.0 * (double)kd_shape_count(out) * (double)in->dim[0];
  default:
    return 0;
  }
}
