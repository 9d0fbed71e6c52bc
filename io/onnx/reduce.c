/* Reductions, look-ups and what one rank has for exchanges. */
#include <string.h>

#include "io/onnx/form.h"

/* From opset 18 on all reductions take their axes as an operand; before, the sum alone. */
kd_onnx_value kd_onnx_reduce(kd_onnx *x, const char *type, kd_onnx_value v, int n_axes, const int64_t *axes,
                             bool keep) {
  bool operand = x->target->opset >= 18 || !strcmp(type, "ReduceSum");
  v = operand ? KD_ONNX(x, type, v, kd_onnx_ints(x, n_axes, axes)) : KD_ONNX(x, type, v);
  if (!operand) kd_onnx_set_ints(x, "axes", n_axes, axes);
  kd_onnx_set_int(x, "keepdims", keep);
  return v;
}

kd_status kd_form_reduce(kd_onnx *x, const kd_node *node, const kd_node *other) {
  static const char *const names[] = {
      [KD_REDUCE_SUM] = "ReduceSum", [KD_REDUCE_MEAN] = "ReduceMean", [KD_REDUCE_MAX] = "ReduceMax",
      [KD_REDUCE_MIN] = "ReduceMin", [KD_REDUCE_PROD] = "ReduceProd", [KD_REDUCE_SUMSQ] = "ReduceSumSquare"};
  (void)other;
  const kd_reduce_attr *attr = node->attr;
  int rank = kd_sym_shape(x->graph, node->input[0])->rank, n_axes = 0, kept = 0;
  int64_t axes[KD_MAX_RANK];
  for (int axis = 0; axis < rank; axis++) kept += !attr->axis[axis];
  /* Rows and channels alone are left in the same order by either layout. */
  bool flat = !attr->keep && kept == 2 && !attr->axis[0] && !attr->axis[rank - 1];
  bool first = kd_onnx_is_first(x, node->input[0]) && (attr->keep || flat);
  for (int axis = 0; axis < rank; axis++)
    if (attr->axis[axis]) axes[n_axes++] = kd_onnx_axis_in(first, rank, axis);
  kd_onnx_value v = kd_onnx_get_in(x, node->input[0], first);
  if (n_axes) v = kd_onnx_reduce(x, names[attr->kind], v, n_axes, axes, attr->keep);
  kd_onnx_put_in(x, node->output[0], first && attr->keep, v);
  return KD_OK;
}

kd_status kd_form_argmax(kd_onnx *x, const kd_node *node, const kd_node *other) {
  (void)other;
  kd_onnx_value v = KD_ONNX(x, "ArgMax", kd_onnx_get(x, node->input[0]));
  kd_onnx_set_int(x, "axis", ((const kd_axis_attr *)node->attr)->axis);
  kd_onnx_set_int(x, "keepdims", 0);
  kd_onnx_put(x, node->output[0], kd_onnx_cast(x, v, KD_ONNX_INT32));
  return KD_OK;
}

/* Numbers of rows are clamped to the table, as kdist's kernels do. */
kd_status kd_form_gather(kd_onnx *x, const kd_node *node, const kd_node *other) {
  (void)other;
  int64_t rows = kd_sym_shape(x->graph, node->input[0])->dim[0];
  kd_onnx_value ids = kd_onnx_cast(x, kd_onnx_get(x, node->input[1]), KD_ONNX_INT64);
  ids = KD_ONNX(x, "Clip", ids, kd_onnx_int(x, 0), kd_onnx_int(x, rows - 1));
  kd_onnx_put(x, node->output[0], KD_ONNX(x, "Gather", kd_onnx_get(x, node->input[0]), ids));
  return KD_OK;
}

kd_status kd_form_exchange(kd_onnx *x, const kd_node *node, const kd_node *other) {
  (void)other;
  kd_onnx_put(x, node->output[0], kd_onnx_get(x, node->input[0]));
  return KD_OK;
}
