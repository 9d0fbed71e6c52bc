/* Views and moves: reshape, transpose, broadcast, slice, pad, concat, iota. */
#include <string.h>

#include "io/onnx/form.h"

kd_status kd_form_reshape(kd_onnx *x, const kd_node *node, const kd_node *other) {
  (void)other;
  const kd_onnx_entry *from = &x->entry[node->input[0]];
  if (from->data) {
    x->entry[node->output[0]] = (kd_onnx_entry){.data = from->data, .path = from->path};
    return KD_OK;
  }
  kd_onnx_size a[KD_MAX_RANK], b[KD_MAX_RANK];
  int a_rank = kd_onnx_sizes(x, node->input[0], a), b_rank = kd_onnx_sizes(x, node->output[0], b);
  kd_onnx_value v = kd_onnx_get(x, node->input[0]);
  KD_TRY(kd_onnx_reshape(x, &v, a_rank, a, b_rank, b));
  kd_onnx_put(x, node->output[0], v);
  return KD_OK;
}

kd_status kd_form_transpose(kd_onnx *x, const kd_node *node, const kd_node *other) {
  (void)other;
  const kd_axes_attr *attr = node->attr;
  int rank = kd_sym_shape(x->graph, node->output[0])->rank;
  kd_onnx_put(x, node->output[0], kd_onnx_transpose(x, kd_onnx_get(x, node->input[0]), rank, attr->axes));
  return KD_OK;
}

kd_status kd_form_broadcast(kd_onnx *x, const kd_node *node, const kd_node *other) {
  (void)other;
  kd_onnx_size size[KD_MAX_RANK];
  kd_onnx_value shape;
  int rank = kd_onnx_sizes(x, node->output[0], size);
  KD_TRY(kd_onnx_shape_value(x, rank, size, &shape));
  kd_onnx_put(x, node->output[0], KD_ONNX(x, "Expand", kd_onnx_get(x, node->input[0]), shape));
  return KD_OK;
}

/* --- slice ----------------------------------------------------------------------------------------- */

/* A place on an axis: counted from the start when that is the same in both builds, else from the end. */
static kd_status place(const kd_onnx *x, kd_onnx_size at, kd_onnx_size size, int64_t *value) {
  kd_onnx_size left = {size.a - at.a, size.b - at.b};
  if (!kd_onnx_fixed(at) && !kd_onnx_fixed(left))
    return kd_onnx_refuse(x, "a border of a slice depends on a variable size; give the inputs fixed sizes");
  *value = kd_onnx_fixed(at) ? at.a : left.a ? -left.a : INT64_MAX;
  return KD_OK;
}

/* One axis; *cuts tells whether anything is left away. */
static kd_status slice_axis(const kd_onnx *x, const kd_slice_attr *s, const kd_slice_attr *t, int axis,
                            kd_onnx_size size, int64_t *start, int64_t *end, bool *cuts) {
  kd_onnx_size from = {s->start[axis], t->start[axis]}, count = {s->size[axis], t->size[axis]};
  int64_t step = s->step[axis];
  kd_onnx_size to = {from.a + (count.a - 1) * step + 1, from.b + (count.b - 1) * step + 1};
  *cuts = step > 1 || !kd_onnx_same(count, size);
  bool to_end = to.a + step > size.a && to.b + step > size.b;
  KD_TRY(place(x, from, size, start));
  if (to_end) to = size;
  if (to_end && !kd_onnx_fixed(size)) {
    *end = INT64_MAX;
    return KD_OK;
  }
  return place(x, to, size, end);
}

/* Neighbouring rows of a weight are a weight. */
static bool slice_rows(kd_onnx *x, const kd_node *node, const kd_slice_attr *s) {
  const kd_onnx_entry *from = &x->entry[node->input[0]];
  const kd_shape *shape = kd_sym_shape(x->graph, node->input[0]);
  if (!from->data || s->step[0] != 1) return false;
  for (int axis = 1; axis < shape->rank; axis++)
    if (s->size[axis] != shape->dim[axis]) return false;
  const float *data = from->data + s->start[0] * kd_shape_span(shape, 1, shape->rank);
  x->entry[node->output[0]] = (kd_onnx_entry){.data = data, .path = from->path};
  return true;
}

kd_status kd_form_slice(kd_onnx *x, const kd_node *node, const kd_node *other) {
  const kd_slice_attr *s = node->attr, *t = other->attr;
  kd_onnx_size size[KD_MAX_RANK];
  int64_t start[KD_MAX_RANK], end[KD_MAX_RANK], axes[KD_MAX_RANK], steps[KD_MAX_RANK];
  bool first = kd_onnx_is_first(x, node->input[0]);
  int rank = kd_onnx_sizes(x, node->input[0], size), n = 0;
  if (!memcmp(s, t, sizeof *s) && slice_rows(x, node, s)) return KD_OK;
  for (int axis = 0; axis < rank; axis++) {
    bool cuts;
    KD_TRY(slice_axis(x, s, t, axis, size[axis], &start[n], &end[n], &cuts));
    steps[n] = s->step[axis];
    axes[n] = kd_onnx_axis_in(first, rank, axis);
    n += cuts;
  }
  kd_onnx_value v = kd_onnx_get_in(x, node->input[0], first);
  if (n)
    v = KD_ONNX(x, "Slice", v, kd_onnx_ints(x, n, start), kd_onnx_ints(x, n, end), kd_onnx_ints(x, n, axes),
                kd_onnx_ints(x, n, steps));
  kd_onnx_put_in(x, node->output[0], first, v);
  return KD_OK;
}

/* --- pad, concat, iota ----------------------------------------------------------------------------- */

kd_status kd_form_pad(kd_onnx *x, const kd_node *node, const kd_node *other) {
  const kd_pad_attr *s = node->attr, *t = other->attr;
  const kd_sym_info *info = kd_sym_get(x->graph, node->input[0]);
  bool first = kd_onnx_is_first(x, node->input[0]);
  int rank = info->shape.rank;
  int64_t pads[2 * KD_MAX_RANK];
  for (int axis = 0; axis < rank; axis++) {
    int to = kd_onnx_axis_in(first, rank, axis);
    if (s->before[axis] != t->before[axis] || s->after[axis] != t->after[axis])
      return kd_onnx_refuse(x, "padding depends on a variable size; give the inputs fixed sizes");
    pads[to] = s->before[axis];
    pads[rank + to] = s->after[axis];
  }
  kd_onnx_value filling = kd_onnx_float(x, s->value);
  kd_onnx_type type = kd_onnx_type_of(info->dtype);
  if (type != KD_ONNX_FLOAT) filling = kd_onnx_cast(x, filling, type);
  kd_onnx_value v = kd_onnx_get_in(x, node->input[0], first);
  v = KD_ONNX(x, "Pad", v, kd_onnx_ints(x, 2 * rank, pads), filling);
  kd_onnx_put_in(x, node->output[0], first, v);
  return KD_OK;
}

kd_status kd_form_concat(kd_onnx *x, const kd_node *node, const kd_node *other) {
  (void)other;
  const kd_axis_attr *attr = node->attr;
  int rank = kd_sym_shape(x->graph, node->output[0])->rank;
  kd_onnx_value parts[KD_MAX_INPUTS];
  bool first = false;
  for (int i = 0; i < node->n_inputs; i++) first = first || kd_onnx_is_first(x, node->input[i]);
  for (int i = 0; i < node->n_inputs; i++) parts[i] = kd_onnx_get_in(x, node->input[i], first);
  kd_onnx_value v = kd_onnx_call(x, "Concat", node->n_inputs, parts);
  kd_onnx_set_int(x, "axis", kd_onnx_axis_in(first, rank, attr->axis));
  kd_onnx_put_in(x, node->output[0], first, v);
  return KD_OK;
}

kd_status kd_form_iota(kd_onnx *x, const kd_node *node, const kd_node *other) {
  (void)other;
  const kd_iota_attr *attr = node->attr;
  kd_onnx_size size[KD_MAX_RANK];
  int rank = kd_onnx_sizes(x, node->output[0], size);
  kd_onnx_value v, shape;
  KD_TRY(kd_onnx_range(x, size[attr->axis], rank, attr->axis, &v));
  for (int i = 0; i < rank; i++) {
    if (i == attr->axis || (kd_onnx_fixed(size[i]) && size[i].a == 1)) continue;
    KD_TRY(kd_onnx_shape_value(x, rank, size, &shape));
    v = KD_ONNX(x, "Expand", v, shape);
    break;
  }
  kd_onnx_put(x, node->output[0], v);
  return KD_OK;
}
