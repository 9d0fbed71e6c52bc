/* Views and moves. */
#include "io/saved_model/tf.h"

#define INT64 TENSORFLOW__DATA_TYPE__DT_INT64

/* 0 in ONNX: the size of the same axis. */
static kd_tf_edge without_zeros(kd_tf *t, kd_tf_edge v, int rank, const int64_t *target) {
  kd_tf_edge parts[KD_MAX_RANK], sizes = kd_tf_sizes(t, v);
  for (int i = 0; i < rank; i++)
    parts[i] = target[i] ? kd_tf_ints(t, 1, &target[i]) : kd_tf_axis(t, sizes, i);
  return kd_tf_concat(t, rank, parts, 0);
}

kd_status kd_tf_op_reshape(kd_tf *t, const kd_onnx_op *op) {
  int rank, zeros = 0, open = 0;
  kd_tf_edge v = kd_tf_in(t, op, 0), shape = kd_tf_in(t, op, 1);
  const int64_t *known = kd_tf_known(t, op, 1, &rank);
  int64_t target[KD_MAX_RANK];
  for (int i = 0; known && i < rank; i++) {
    zeros += known[i] == 0;
    open += known[i] == -1;
    target[i] = known[i] ? known[i] : -1;
  }
  if (zeros == 1 && !open)
    shape = kd_tf_ints(t, rank, target);
  else if (zeros)
    shape = without_zeros(t, v, rank, known);
  kd_tf_give(t, op, kd_tf_reshape(t, v, shape));
  return KD_OK;
}

/* Sizes of one in the shape leave those of the operand, in ONNX alone. */
kd_status kd_tf_op_expand(kd_tf *t, const kd_onnx_op *op) {
  kd_tf_edge v = kd_tf_in(t, op, 0);
  kd_tf_edge shape = KD_TF_T(t, "BroadcastArgs", kd_tf_sizes(t, v), kd_tf_in(t, op, 1));
  kd_tf_give(t, op, KD_TF_T(t, "BroadcastTo", v, shape));
  kd_tf_set_type(t, "Tidx", INT64);
  return KD_OK;
}

kd_status kd_tf_op_shape(kd_tf *t, const kd_onnx_op *op) {
  int64_t start = kd_tf_attribute_int(op, "start", 0);
  kd_tf_give(t, op, kd_tf_axis(t, kd_tf_sizes(t, kd_tf_in(t, op, 0)), (int)start));
  return KD_OK;
}

/* TensorFlow names all axes up to the last one that is cut. */
kd_status kd_tf_op_slice(kd_tf *t, const kd_onnx_op *op) {
  int n, count = 0;
  const int64_t *start = kd_tf_known(t, op, 1, &n), *end = kd_tf_known(t, op, 2, &n);
  const int64_t *axes = kd_tf_known(t, op, 3, &n), *steps = kd_tf_known(t, op, 4, &n);
  int64_t begin[KD_MAX_RANK] = {0}, stop[KD_MAX_RANK] = {0}, step[KD_MAX_RANK], whole = -1;
  for (int i = 0; i < KD_MAX_RANK; i++) step[i] = 1;
  for (int i = 0; i < n; i++) {
    int axis = (int)axes[i];
    begin[axis] = start[i];
    stop[axis] = end[i];
    step[axis] = steps[i];
    if (end[i] != INT64_MAX) whole &= ~(INT64_C(1) << axis);
    if (axis >= count) count = axis + 1;
  }
  whole &= (INT64_C(1) << count) - 1;
  for (int i = 0; i < count; i++)
    if (whole >> i & 1) stop[i] = 0;
  kd_tf_give(t, op, kd_tf_slice(t, kd_tf_in(t, op, 0), count, begin, stop, step, whole));
  return KD_OK;
}

kd_status kd_tf_op_pad(kd_tf *t, const kd_onnx_op *op) {
  int count;
  const int64_t *pads = kd_tf_known(t, op, 1, &count);
  kd_tf_give(t, op, kd_tf_pad(t, kd_tf_in(t, op, 0), count / 2, pads, kd_tf_in(t, op, 2)));
  return KD_OK;
}

kd_status kd_tf_op_transpose(kd_tf *t, const kd_onnx_op *op) {
  const kd_onnx_attribute *perm = kd_tf_attribute(op, "perm");
  kd_tf_give(t, op, kd_tf_transpose(t, kd_tf_in(t, op, 0), perm->count, perm->ints));
  return KD_OK;
}

kd_status kd_tf_op_unsqueeze(kd_tf *t, const kd_onnx_op *op) {
  int count;
  const int64_t *axes = kd_tf_known(t, op, 1, &count);
  kd_tf_edge v = kd_tf_in(t, op, 0);
  for (int i = 0; i < count; i++) v = kd_tf_expand(t, v, (int)axes[i]);
  kd_tf_give(t, op, v);
  return KD_OK;
}

kd_status kd_tf_op_squeeze(kd_tf *t, const kd_onnx_op *op) {
  kd_tf_give(t, op, kd_tf_squeeze(t, kd_tf_in(t, op, 0), 0, NULL));
  return KD_OK;
}

kd_status kd_tf_op_concat(kd_tf *t, const kd_onnx_op *op) {
  kd_tf_edge *parts = kd_pool_alloc(t->pool, (size_t)op->n_inputs, sizeof *parts);
  for (int i = 0; i < op->n_inputs; i++) parts[i] = kd_tf_in(t, op, i);
  kd_tf_give(t, op, kd_tf_concat(t, op->n_inputs, parts, (int)kd_tf_attribute_int(op, "axis", 0)));
  return KD_OK;
}

kd_status kd_tf_op_split(kd_tf *t, const kd_onnx_op *op) {
  kd_tf_edge *parts = kd_pool_alloc(t->pool, (size_t)op->n_outputs, sizeof *parts);
  int axis = (int)kd_tf_attribute_int(op, "axis", 0);
  kd_tf_split(t, kd_tf_in(t, op, 0), kd_tf_in(t, op, 1), axis, op->n_outputs, parts);
  for (int i = 0; i < op->n_outputs; i++) t->edge[op->outputs[i]] = parts[i];
  return KD_OK;
}

kd_status kd_tf_op_gather(kd_tf *t, const kd_onnx_op *op) {
  kd_tf_give(t, op, kd_tf_gather(t, kd_tf_in(t, op, 0), kd_tf_in(t, op, 1), 0));
  return KD_OK;
}

kd_status kd_tf_op_range(kd_tf *t, const kd_onnx_op *op) {
  kd_tf_edge start = kd_tf_in(t, op, 0);
  kd_tf_give(t, op, KD_TF(t, "Range", start.type, start, kd_tf_in(t, op, 1), kd_tf_in(t, op, 2)));
  kd_tf_set_type(t, "Tidx", start.type);
  return KD_OK;
}
