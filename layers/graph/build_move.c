/* Builders of views, moves and concatenations. */
#include "layers/graph/graph.h"

kd_sym kd_reshape(kd_graph *g, kd_sym x, kd_shape shape) {
  float value;
  if (x == KD_NO_SYM) return KD_NO_SYM;
  if (kd_shape_equal(kd_sym_shape(g, x), &shape)) return x;
  if (kd_sym_constant(g, x, &value) && kd_shape_count(kd_sym_shape(g, x)) == kd_shape_count(&shape))
    return kd_full(g, shape, (double)value);
  const kd_node *producer = kd_producer(g, x, false);
  if (producer && producer->op == KD_OP_RESHAPE) return kd_reshape(g, producer->input[0], shape);
  return kd_append(g, KD_OP_RESHAPE, &(kd_shape_attr){shape}, 1, &x, NULL);
}

kd_sym kd_transpose(kd_graph *g, kd_sym x, const int *axes) {
  kd_axes_attr attr = {0};
  int rank = kd_sym_shape(g, x)->rank;
  bool same = true;
  for (int i = 0; i < rank; i++) {
    attr.axes[i] = axes[i];
    same = same && axes[i] == i;
  }
  return same ? x : kd_append(g, KD_OP_TRANSPOSE, &attr, 1, &x, NULL);
}

kd_sym kd_broadcast(kd_graph *g, kd_sym x, kd_shape shape) {
  float value;
  kd_shape common;
  const kd_shape *from = kd_sym_shape(g, x);
  if (x == KD_NO_SYM || kd_shape_equal(from, &shape)) return x;
  if (kd_sym_constant(g, x, &value) && kd_shape_broadcast(from, &shape, &common) &&
      kd_shape_equal(&common, &shape))
    return kd_full(g, shape, (double)value);
  return kd_append(g, KD_OP_BROADCAST, &(kd_shape_attr){shape}, 1, &x, NULL);
}

kd_sym kd_slice(kd_graph *g, kd_sym x, const kd_slice_attr *slice) {
  const kd_shape *shape = kd_sym_shape(g, x);
  bool whole = true;
  for (int i = 0; i < shape->rank; i++)
    whole = whole && slice->start[i] == 0 && slice->size[i] == shape->dim[i] && slice->step[i] == 1;
  return whole ? x : kd_append(g, KD_OP_SLICE, slice, 1, &x, NULL);
}

kd_sym kd_slice_axis(kd_graph *g, kd_sym x, int axis, int64_t start, int64_t size) {
  const kd_shape *shape = kd_sym_shape(g, x);
  char text[KD_SHAPE_TEXT];
  if (x == KD_NO_SYM) return x;
  if (axis < 0) axis += shape->rank;
  if (axis < 0 || axis >= shape->rank)
    return kd_graph_fail(g, "slice along axis %d of shape %s: there is no such axis", axis,
                         kd_shape_text(shape, text));
  kd_slice_attr slice = {0};
  for (int i = 0; i < shape->rank; i++) {
    slice.size[i] = shape->dim[i];
    slice.step[i] = 1;
  }
  slice.start[axis] = start;
  slice.size[axis] = size;
  return kd_slice(g, x, &slice);
}

kd_sym kd_pad(kd_graph *g, kd_sym x, const kd_pad_attr *pad) {
  bool any = false;
  for (int i = 0; i < kd_sym_shape(g, x)->rank; i++) any = any || pad->before[i] != 0 || pad->after[i] != 0;
  return any ? kd_append(g, KD_OP_PAD, pad, 1, &x, NULL) : x;
}

/* Floats of several types: they are joined as float32. */
static bool mixed_floats(const kd_graph *g, int count, const kd_sym *xs) {
  bool floats = true, equal = true;
  for (int i = 0; i < count; i++) {
    kd_dtype type = kd_sym_get(g, xs[i])->dtype;
    floats = floats && xs[i] != KD_NO_SYM && kd_dtype_is_float(type);
    equal = equal && type == kd_sym_get(g, xs[0])->dtype;
  }
  return floats && !equal;
}

/* More tensors than one node takes are joined in groups. */
kd_sym kd_concat(kd_graph *g, int count, const kd_sym *xs, int axis) {
  if (count < 1) return kd_graph_fail(g, "concatenation of no tensors");
  if (axis < 0) axis += kd_sym_shape(g, xs[0])->rank;
  kd_axis_attr attr = {axis};
  if (count == 1) return xs[0];
  if (mixed_floats(g, count, xs)) {
    kd_sym *wide = kd_pool_alloc(g->pool, (size_t)count, sizeof *wide);
    for (int i = 0; i < count; i++) wide[i] = kd_cast(g, xs[i], KD_F32);
    return kd_concat(g, count, wide, axis);
  }
  if (count <= KD_MAX_INPUTS) return kd_append(g, KD_OP_CONCAT, &attr, count, xs, NULL);
  int n_groups = (count + KD_MAX_INPUTS - 1) / KD_MAX_INPUTS;
  kd_sym *groups = kd_pool_alloc(g->pool, (size_t)n_groups, sizeof *groups);
  for (int i = 0; i < n_groups; i++) {
    int first = i * KD_MAX_INPUTS, left = count - first;
    groups[i] = kd_concat(g, left < KD_MAX_INPUTS ? left : KD_MAX_INPUTS, xs + first, axis);
  }
  return kd_concat(g, n_groups, groups, axis);
}

kd_sym kd_iota(kd_graph *g, kd_shape shape, int axis) {
  return kd_append(g, KD_OP_IOTA, &(kd_iota_attr){.shape = shape, .axis = axis}, 0, NULL, NULL);
}
