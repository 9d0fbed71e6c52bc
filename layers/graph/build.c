/* Builders of reductions, look-ups, linear operations, pooling, normalisation and softmax. */
#include "layers/graph/graph.h"

kd_sym kd_reduce(kd_graph *g, kd_reduce_kind kind, kd_sym x, int n_axes, const int *axes, bool keep) {
  const kd_shape *shape = kd_sym_shape(g, x);
  kd_reduce_attr attr = {.kind = kind, .keep = keep};
  char text[KD_SHAPE_TEXT];
  if (x == KD_NO_SYM) return KD_NO_SYM;
  for (int i = 0; n_axes == 0 && i < shape->rank; i++) attr.axis[i] = true;
  for (int i = 0; i < n_axes; i++) {
    int axis = axes[i] < 0 ? axes[i] + shape->rank : axes[i];
    if (axis < 0 || axis >= shape->rank)
      return kd_graph_fail(g, "reduction over axis %d of shape %s: there is no such axis", axes[i],
                           kd_shape_text(shape, text));
    attr.axis[axis] = true;
  }
  return kd_append(g, KD_OP_REDUCE, &attr, 1, &x, NULL);
}

kd_sym kd_reduce_last(kd_graph *g, kd_reduce_kind kind, kd_sym x, bool keep) {
  return kd_reduce(g, kind, x, 1, (int[]){-1}, keep);
}

kd_sym kd_reduce_all(kd_graph *g, kd_reduce_kind kind, kd_sym x) {
  return kd_reduce(g, kind, x, 0, NULL, false);
}

kd_sym kd_reduce_to(kd_graph *g, kd_sym x, const kd_shape *shape) {
  if (x == KD_NO_SYM) return KD_NO_SYM;
  kd_shape from = *kd_sym_shape(g, x), target = *shape, common;
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  if (kd_shape_equal(&from, &target)) return x;
  if (!kd_shape_broadcast(&from, &target, &common) || !kd_shape_equal(&common, &from))
    return kd_graph_fail(g, "shape %s cannot be summed down to %s", kd_shape_text(&from, a),
                         kd_shape_text(&target, b));
  int lead = from.rank - target.rank, axes[KD_MAX_RANK], n_axes = 0;
  for (int i = 0; i < from.rank; i++)
    if (from.dim[i] != 1 && (i < lead || target.dim[i - lead] == 1)) axes[n_axes++] = i;
  if (n_axes) x = kd_reduce(g, KD_REDUCE_SUM, x, n_axes, axes, false);
  return kd_reshape(g, x, target);
}

kd_sym kd_argmax(kd_graph *g, kd_sym x, int axis) {
  kd_axis_attr attr = {axis < 0 ? axis + kd_sym_shape(g, x)->rank : axis};
  return kd_append(g, KD_OP_ARGMAX, &attr, 1, &x, NULL);
}

kd_sym kd_in_top_k(kd_graph *g, kd_sym scores, kd_sym labels, int k) {
  return kd_append(g, KD_OP_IN_TOP_K, &(kd_axis_attr){k}, 2, (kd_sym[]){scores, labels}, NULL);
}

kd_sym kd_exchange(kd_graph *g, kd_sym x) {
  return kd_append(g, KD_OP_EXCHANGE, &(kd_none_attr){0}, 1, &x, NULL);
}

kd_sym kd_gather(kd_graph *g, kd_sym table, kd_sym ids) {
  return kd_append(g, KD_OP_GATHER, &(kd_none_attr){0}, 2, (kd_sym[]){table, ids}, NULL);
}

/* The graph's type of computation, or the half type of an operand where that is float32. */
static kd_product_types product_types(const kd_graph *g, kd_sym a, kd_sym b) {
  kd_dtype type = g->compute, of_a = kd_sym_get(g, a)->dtype, of_b = kd_sym_get(g, b)->dtype;
  if (type == KD_F32) type = kd_dtype_is_half(of_a) ? of_a : kd_dtype_is_half(of_b) ? of_b : type;
  return (kd_product_types){.factors = type, .result = type};
}

kd_sym kd_matmul(kd_graph *g, kd_sym a, kd_sym b, bool transpose_a, bool transpose_b) {
  kd_matmul_attr attr = {
      .transpose_a = transpose_a, .transpose_b = transpose_b, .types = product_types(g, a, b)};
  return kd_append(g, KD_OP_MATMUL, &attr, 2, (kd_sym[]){a, b}, NULL);
}

kd_sym kd_conv(kd_graph *g, kd_sym x, kd_sym kernel, const kd_conv_attr *attr_) {
  kd_conv_attr attr = *attr_;
  attr.types = product_types(g, x, kernel);
  return kd_append(g, KD_OP_CONV, &attr, 2, (kd_sym[]){x, kernel}, NULL);
}

kd_sym kd_conv_transpose(kd_graph *g, kd_sym y, kd_sym kernel, const kd_conv_attr *attr_) {
  kd_conv_attr attr = *attr_;
  attr.types = product_types(g, y, kernel);
  return kd_append(g, KD_OP_CONV_GRAD_DATA, &attr, 2, (kd_sym[]){y, kernel}, NULL);
}

kd_sym kd_pool_op(kd_graph *g, kd_sym x, const kd_pool_attr *attr) {
  return kd_append(g, KD_OP_POOL, attr, 1, &x, NULL);
}

kd_sym kd_batch_norm(kd_graph *g, kd_sym x, kd_sym gamma, kd_sym beta, double epsilon, kd_sym *mean,
                     kd_sym *variance) {
  kd_norm_attr attr = {.epsilon = (float)epsilon};
  kd_sym outputs[3];
  kd_append(g, KD_OP_BATCH_NORM, &attr, 3, (kd_sym[]){x, gamma, beta}, outputs);
  *mean = outputs[1];
  *variance = outputs[2];
  return outputs[0];
}

kd_sym kd_layer_norm(kd_graph *g, kd_sym x, kd_sym gamma, kd_sym beta, double epsilon) {
  kd_norm_attr attr = {.epsilon = (float)epsilon};
  return kd_append(g, KD_OP_LAYER_NORM, &attr, 3, (kd_sym[]){x, gamma, beta}, NULL);
}

kd_sym kd_softmax(kd_graph *g, kd_sym x, bool log) {
  return kd_append(g, KD_OP_SOFTMAX, &(kd_softmax_attr){log}, 1, &x, NULL);
}

kd_sym kd_attention(kd_graph *g, kd_sym q, kd_sym k, kd_sym v, const kd_sym *masks, kd_sym rng,
                    const kd_attention_attr *attr_) {
  kd_attention_attr attr = *attr_;
  kd_sym inputs[KD_ATTENTION_FIXED + KD_ATTENTION_MASKS + 1] = {q, k, v};
  int n = KD_ATTENTION_FIXED;
  for (int i = 0; i < attr.n_masks; i++) inputs[n++] = masks[i];
  if (g->rows_per_sample > 1) attr.rows_per_sample *= (int)g->rows_per_sample;
  if (attr.dropout > 0) {
    attr.node = g->next_random++;
    inputs[n++] = rng;
  }
  return kd_append(g, KD_OP_ATTENTION, &attr, n, inputs, NULL);
}

kd_sym kd_sparse_xent(kd_graph *g, kd_sym logits, kd_sym labels, int ignore) {
  return kd_append(g, KD_OP_SPARSE_XENT, &(kd_xent_attr){ignore}, 2, (kd_sym[]){logits, labels}, NULL);
}

kd_sym kd_ctc(kd_graph *g, kd_sym log_probabilities, kd_sym labels) {
  return kd_append(g, KD_OP_CTC, &(kd_none_attr){0}, 2, (kd_sym[]){log_probabilities, labels}, NULL);
}
