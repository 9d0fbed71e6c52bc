/* Rules of views and moves: reshape, transpose, broadcast, slice, pad, concat. */
#include "layers/op/rule.h"

/* --- reshape --------------------------------------------------------------------------------------- */

/* Elements of a shape that may come from a configuration; -1 when they cannot be counted. */
static long long checked_count(const kd_shape *shape) {
  long long count = 1;
  for (int i = 0; i < shape->rank; i++)
    if (kd_size_mul(count, shape->dim[i], &count) != KD_OK) return -1;
  return count;
}

static kd_status reshape_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x, kd_sym_info *y) {
  const kd_shape_attr *attr = attr_;
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  long long from = checked_count(&x[0]->shape), to = checked_count(&attr->shape);
  (void)n_inputs;
  KD_CHECK(from == to, KD_ERR_USAGE, "reshape of %s to %s: %lld and %lld elements",
           kd_shape_text(&x[0]->shape, a), kd_shape_text(&attr->shape, b), from, to);
  y->dtype = x[0]->dtype;
  y->shape = attr->shape;
  return KD_OK;
}

static void reshape_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                         kd_sym *din) {
  const kd_shape *small = kd_sym_shape(g, dout[0]);
  (void)needed;
  /* One number for all elements stays one number; other gradients in smaller shapes are spread first. */
  if (kd_shape_count(small) == 1)
    din[0] = kd_reshape(g, dout[0], KD_SCALAR);
  else
    din[0] = kd_reshape(g, kd_broadcast(g, dout[0], *kd_sym_shape(g, node->output[0])),
                        *kd_sym_shape(g, node->input[0]));
}

/* --- transpose ------------------------------------------------------------------------------------- */

static kd_status transpose_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x,
                                 kd_sym_info *y) {
  const kd_axes_attr *attr = attr_;
  const kd_shape *shape = &x[0]->shape;
  char text[KD_SHAPE_TEXT];
  bool seen[KD_MAX_RANK] = {false};
  (void)n_inputs;
  y->dtype = x[0]->dtype;
  y->shape.rank = shape->rank;
  for (int i = 0; i < shape->rank; i++) {
    int axis = attr->axes[i];
    KD_CHECK(axis >= 0 && axis < shape->rank && !seen[axis], KD_ERR_USAGE,
             "transpose of shape %s: axis %d is no axis of it or is named twice", kd_shape_text(shape, text),
             axis);
    seen[axis] = true;
    y->shape.dim[i] = shape->dim[axis];
  }
  return KD_OK;
}

static void transpose_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                           kd_sym *din) {
  const kd_axes_attr *attr = node->attr;
  int inverse[KD_MAX_RANK] = {0};
  (void)needed;
  for (int i = 0; i < kd_sym_shape(g, dout[0])->rank; i++) inverse[attr->axes[i]] = i;
  din[0] = kd_transpose(g, dout[0], inverse);
}

/* --- broadcast ------------------------------------------------------------------------------------- */

static kd_status broadcast_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x,
                                 kd_sym_info *y) {
  const kd_shape_attr *attr = attr_;
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  kd_shape common;
  (void)n_inputs;
  KD_CHECK(kd_shape_broadcast(&x[0]->shape, &attr->shape, &common) && kd_shape_equal(&common, &attr->shape),
           KD_ERR_USAGE, "shape %s cannot be broadcast to %s", kd_shape_text(&x[0]->shape, a),
           kd_shape_text(&attr->shape, b));
  y->dtype = x[0]->dtype;
  y->shape = attr->shape;
  return KD_OK;
}

/* The walker sums the gradient down to the input's shape. */
static void broadcast_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                           kd_sym *din) {
  (void)g, (void)node, (void)needed;
  din[0] = dout[0];
}

/* --- slice ----------------------------------------------------------------------------------------- */

static kd_status slice_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x, kd_sym_info *y) {
  const kd_slice_attr *attr = attr_;
  const kd_shape *shape = &x[0]->shape;
  char text[KD_SHAPE_TEXT];
  (void)n_inputs;
  y->dtype = x[0]->dtype;
  y->shape.rank = shape->rank;
  for (int i = 0; i < shape->rank; i++) {
    int64_t start = attr->start[i], size = attr->size[i], step = attr->step[i];
    bool fits = start >= 0 && size >= 1 && step >= 1 && start < shape->dim[i] &&
                size - 1 <= (shape->dim[i] - 1 - start) / step;
    KD_CHECK(fits, KD_ERR_USAGE, "slice of shape %s: %lld elements from %lld by %lld leave axis %d",
             kd_shape_text(shape, text), (long long)size, (long long)start, (long long)step, i);
    y->shape.dim[i] = size;
  }
  return KD_OK;
}

/* Puts step-1 zeros after each element of one axis. The axis is isolated in a shape of rank 3, so that any
 * rank can be handled. */
static kd_sym dilate_axis(kd_graph *g, kd_sym x, int axis, int64_t step) {
  kd_shape shape = *kd_sym_shape(g, x);
  kd_pad_attr pad = {.after = {0, step - 1, 0}};
  x = kd_reshape(
      g, x, KD_SHAPE(kd_shape_span(&shape, 0, axis + 1), 1, kd_shape_span(&shape, axis + 1, shape.rank)));
  x = kd_pad(g, x, &pad);
  shape.dim[axis] *= step;
  return kd_reshape(g, x, shape);
}

static void slice_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                       kd_sym *din) {
  const kd_slice_attr *attr = node->attr;
  kd_shape shape = *kd_sym_shape(g, node->input[0]);
  kd_sym grad = dout[0];
  kd_pad_attr pad = {0};
  (void)needed;
  for (int i = 0; i < shape.rank; i++) {
    if (attr->step[i] > 1) grad = dilate_axis(g, grad, i, attr->step[i]);
    /* The zeros after the last element may reach beyond the end of the input. */
    int64_t room = shape.dim[i] - attr->start[i], length = attr->size[i] * attr->step[i];
    if (length > room) grad = kd_slice_axis(g, grad, i, 0, room);
    pad.before[i] = attr->start[i];
    pad.after[i] = length > room ? 0 : room - length;
  }
  din[0] = kd_pad(g, grad, &pad);
}

/* --- pad ------------------------------------------------------------------------------------------- */

static kd_status pad_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x, kd_sym_info *y) {
  const kd_pad_attr *attr = attr_;
  const kd_shape *shape = &x[0]->shape;
  char text[KD_SHAPE_TEXT];
  (void)n_inputs;
  y->dtype = x[0]->dtype;
  y->shape.rank = shape->rank;
  for (int i = 0; i < shape->rank; i++) {
    int64_t before = attr->before[i], after = attr->after[i], size;
    bool fits = before >= 0 && after >= 0 && !__builtin_add_overflow(shape->dim[i], before, &size) &&
                !__builtin_add_overflow(size, after, &size);
    KD_CHECK(fits, KD_ERR_USAGE, "padding of shape %s by %lld and %lld along axis %d",
             kd_shape_text(shape, text), (long long)before, (long long)after, i);
    y->shape.dim[i] = size;
  }
  return KD_OK;
}

static void pad_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed, kd_sym *din) {
  const kd_pad_attr *attr = node->attr;
  const kd_shape *shape = kd_sym_shape(g, node->input[0]);
  kd_slice_attr slice = {0};
  (void)needed;
  for (int i = 0; i < shape->rank; i++) {
    slice.start[i] = attr->before[i];
    slice.size[i] = shape->dim[i];
    slice.step[i] = 1;
  }
  din[0] = kd_slice(g, dout[0], &slice);
}

/* --- concat ---------------------------------------------------------------------------------------- */

static kd_status concat_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x, kd_sym_info *y) {
  const kd_axis_attr *attr = attr_;
  const kd_shape *first = &x[0]->shape;
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  KD_CHECK(attr->axis >= 0 && attr->axis < first->rank, KD_ERR_USAGE,
           "concatenation of shape %s along axis %d: there is no such axis", kd_shape_text(first, a),
           attr->axis);
  y->dtype = x[0]->dtype;
  y->shape = *first;
  for (int i = 1; i < n_inputs; i++) {
    kd_shape other = x[i]->shape;
    bool fits = other.rank == first->rank;
    for (int d = 0; fits && d < first->rank; d++) fits = d == attr->axis || other.dim[d] == first->dim[d];
    KD_CHECK(fits, KD_ERR_USAGE, "concatenation of %s and %s along axis %d: the other sizes must be equal",
             kd_shape_text(first, a), kd_shape_text(&other, b), attr->axis);
    KD_CHECK(x[i]->dtype == x[0]->dtype, KD_ERR_USAGE, "concatenation of %s and %s: cast one of them",
             kd_dtype_name(x[0]->dtype), kd_dtype_name(x[i]->dtype));
    KD_CHECK(
        !__builtin_add_overflow(y->shape.dim[attr->axis], other.dim[attr->axis], &y->shape.dim[attr->axis]),
        KD_ERR_USAGE, "the concatenation is too large");
  }
  return KD_OK;
}

static void concat_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                        kd_sym *din) {
  const kd_axis_attr *attr = node->attr;
  int64_t at = 0;
  for (int i = 0; i < node->n_inputs; i++) {
    int64_t size = kd_sym_shape(g, node->input[i])->dim[attr->axis];
    if (needed[i]) din[i] = kd_slice_axis(g, dout[0], attr->axis, at, size);
    at += size;
  }
}

const kd_rule kd_rule_reshape = {.infer = reshape_infer, .grad = reshape_grad};
const kd_rule kd_rule_transpose = {.infer = transpose_infer, .grad = transpose_grad};
const kd_rule kd_rule_broadcast = {.infer = broadcast_infer, .grad = broadcast_grad};
const kd_rule kd_rule_slice = {.infer = slice_infer, .grad = slice_grad};
const kd_rule kd_rule_pad = {.infer = pad_infer, .grad = pad_grad};
const kd_rule kd_rule_concat = {.infer = concat_infer, .grad = concat_grad};
