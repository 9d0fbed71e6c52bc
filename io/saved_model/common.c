/* Nodes that several operators are made of. */
#include "io/saved_model/tf.h"

#define INT32 TENSORFLOW__DATA_TYPE__DT_INT32
#define INT64 TENSORFLOW__DATA_TYPE__DT_INT64

kd_tf_edge kd_tf_sizes(kd_tf *t, kd_tf_edge v) {
  kd_tf_edge sizes = kd_tf_typed(t, "Shape", INT64, 1, &v);
  kd_tf_set_type(t, "out_type", INT64);
  return sizes;
}

kd_tf_edge kd_tf_slice(kd_tf *t, kd_tf_edge v, int count, const int64_t *begin, const int64_t *end,
                       const int64_t *step, int64_t whole) {
  kd_tf_edge from = kd_tf_ints(t, count, begin), to = kd_tf_ints(t, count, end);
  kd_tf_edge y = KD_TF_T(t, "StridedSlice", v, from, to, kd_tf_ints(t, count, step));
  kd_tf_set_type(t, "Index", INT64);
  kd_tf_set_int(t, "end_mask", whole);
  return y;
}

kd_tf_edge kd_tf_axis(kd_tf *t, kd_tf_edge sizes, int axis) {
  return kd_tf_slice(t, sizes, 1, (int64_t[]){axis}, (int64_t[]){axis + 1}, (int64_t[]){1}, 0);
}

kd_tf_edge kd_tf_concat(kd_tf *t, int count, const kd_tf_edge *parts, int axis) {
  if (count == 1) return parts[0];
  kd_tf_edge *inputs = kd_pool_alloc(t->pool, (size_t)count + 1, sizeof *inputs);
  for (int i = 0; i < count; i++) inputs[i] = parts[i];
  inputs[count] = kd_tf_int(t, axis);
  kd_tf_edge y = kd_tf_typed(t, "ConcatV2", 0, count + 1, inputs);
  kd_tf_set_int(t, "N", count);
  kd_tf_set_type(t, "Tidx", INT32);
  return y;
}

kd_tf_edge kd_tf_expand(kd_tf *t, kd_tf_edge v, int axis) {
  kd_tf_edge y = KD_TF_T(t, "ExpandDims", v, kd_tf_int(t, axis));
  kd_tf_set_type(t, "Tdim", INT32);
  return y;
}

kd_tf_edge kd_tf_squeeze(kd_tf *t, kd_tf_edge v, int count, const int64_t *axes) {
  kd_tf_edge y = KD_TF_T(t, "Squeeze", v);
  kd_tf_set_ints(t, "squeeze_dims", count, axes);
  return y;
}

kd_tf_edge kd_tf_reshape(kd_tf *t, kd_tf_edge v, kd_tf_edge shape) {
  kd_tf_edge y = KD_TF_T(t, "Reshape", v, shape);
  kd_tf_set_type(t, "Tshape", shape.type);
  return y;
}

kd_tf_edge kd_tf_transpose(kd_tf *t, kd_tf_edge v, int rank, const int64_t *perm) {
  kd_tf_edge y = KD_TF_T(t, "Transpose", v, kd_tf_ints(t, rank, perm));
  kd_tf_set_type(t, "Tperm", INT64);
  return y;
}

kd_tf_edge kd_tf_cast(kd_tf *t, kd_tf_edge v, kd_tf_type type) {
  kd_tf_edge y = kd_tf_call(t, "Cast", type, 1, &v);
  kd_tf_set_type(t, "SrcT", v.type);
  kd_tf_set_type(t, "DstT", type);
  return y;
}

kd_tf_edge kd_tf_reduce(kd_tf *t, const char *op, kd_tf_edge v, kd_tf_edge axes, bool keep) {
  kd_tf_edge y = KD_TF_T(t, op, v, axes);
  kd_tf_set_type(t, "Tidx", axes.type);
  kd_tf_set_bool(t, "keep_dims", keep);
  return y;
}

/* TensorFlow wants the cells before and behind each axis together. */
kd_tf_edge kd_tf_pad(kd_tf *t, kd_tf_edge v, int rank, const int64_t *pads, kd_tf_edge filling) {
  int64_t *pairs = kd_pool_alloc(t->pool, 2 * (size_t)rank + 1, sizeof *pairs);
  for (int i = 0; i < 2 * rank; i++) pairs[i] = pads[i % 2 * rank + i / 2];
  kd_shape shape = KD_SHAPE(rank, 2);
  kd_tf_edge paddings = kd_tf_constant(t, kd_pool_printf(t->pool, "%s/constant", t->base), INT64, &shape,
                                       pairs, 2 * (size_t)rank * sizeof *pairs);
  kd_tf_edge y = KD_TF_T(t, "PadV2", v, paddings, filling);
  kd_tf_set_type(t, "Tpaddings", INT64);
  return y;
}

void kd_tf_split(kd_tf *t, kd_tf_edge v, kd_tf_edge sizes, int axis, int count, kd_tf_edge *parts) {
  parts[0] = KD_TF_T(t, "SplitV", v, sizes, kd_tf_int(t, axis));
  kd_tf_set_int(t, "num_split", count);
  kd_tf_set_type(t, "Tlen", sizes.type);
  for (int i = 1; i < count; i++) parts[i] = kd_tf_output(t, parts[0], i);
}

kd_tf_edge kd_tf_gather(kd_tf *t, kd_tf_edge v, kd_tf_edge places, int axis) {
  kd_tf_edge y = KD_TF(t, "GatherV2", v.type, v, places, kd_tf_int(t, axis));
  kd_tf_set_type(t, "Tparams", v.type);
  kd_tf_set_type(t, "Tindices", places.type);
  kd_tf_set_type(t, "Taxis", INT32);
  return y;
}
