/* Rules of reductions. Results of all kinds are float32; argmax gives int32. */
#include "layers/op/rule.h"

static kd_status reduce_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x, kd_sym_info *y) {
  const kd_reduce_attr *attr = attr_;
  const kd_shape *shape = &x[0]->shape;
  (void)n_inputs;
  KD_CHECK(kd_dtype_is_float(x[0]->dtype), KD_ERR_USAGE,
           "reduction of a tensor of type %s: cast it to float32", kd_dtype_name(x[0]->dtype));
  y->dtype = KD_F32;
  for (int i = 0; i < shape->rank; i++) {
    if (!attr->axis[i])
      y->shape.dim[y->shape.rank++] = shape->dim[i];
    else if (attr->keep)
      y->shape.dim[y->shape.rank++] = 1;
  }
  return KD_OK;
}

/* The input's shape with size 1 on the reduced axes: results in this shape broadcast against the input. */
static kd_shape kept_shape(const kd_reduce_attr *attr, const kd_shape *shape, int64_t *reduced) {
  kd_shape kept = *shape;
  *reduced = 1;
  for (int i = 0; i < shape->rank; i++) {
    if (!attr->axis[i]) continue;
    *reduced *= shape->dim[i];
    kept.dim[i] = 1;
  }
  return kept;
}

/* Equal extrema share the gradient equally, as in JAX. */
static kd_sym extremum_grad(kd_graph *g, const kd_reduce_attr *attr, kd_sym x, kd_sym y, kd_sym dy) {
  kd_sym mask = kd_binary(g, KD_PW_EQ, x, y);
  kd_reduce_attr count = *attr;
  count.kind = KD_REDUCE_SUM;
  count.keep = true;
  kd_sym ties = kd_append(g, KD_OP_REDUCE, &count, 1, &mask, NULL);
  return kd_mul(g, mask, kd_div(g, dy, ties));
}

/* The product of all other elements: the product of the non-zero ones over x; with one zero only that element
 * has a gradient, with more none. */
static kd_sym product_grad(kd_graph *g, const kd_reduce_attr *attr, kd_sym x, kd_sym dy) {
  kd_reduce_attr over = *attr;
  over.keep = true;
  kd_sym zero = kd_const(g, 0), is_zero = kd_unary(g, KD_PW_NOT, x);
  kd_sym filled = kd_select(g, is_zero, kd_const(g, 1), x);
  kd_sym product = kd_append(g, KD_OP_REDUCE, &over, 1, &filled, NULL);
  over.kind = KD_REDUCE_SUM;
  kd_sym zeros = kd_append(g, KD_OP_REDUCE, &over, 1, &is_zero, NULL);
  /* Zeros among the other elements. */
  kd_sym others = kd_sub(g, zeros, is_zero);
  return kd_mul(g, dy, kd_select(g, others, zero, kd_div(g, product, filled)));
}

static void reduce_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                        kd_sym *din) {
  const kd_reduce_attr *attr = node->attr;
  kd_sym x = node->input[0];
  int64_t reduced;
  kd_shape kept = kept_shape(attr, kd_sym_shape(g, x), &reduced);
  kd_sym dy = kd_reshape(g, dout[0], kept);
  (void)needed;
  switch (attr->kind) {
  case KD_REDUCE_SUM:
    din[0] = dy;
    break;
  case KD_REDUCE_MEAN:
    din[0] = kd_scale(g, dy, 1.0 / (double)reduced);
    break;
  case KD_REDUCE_MAX:
  case KD_REDUCE_MIN:
    din[0] = extremum_grad(g, attr, x, kd_reshape(g, node->output[0], kept), dy);
    break;
  case KD_REDUCE_PROD:
    din[0] = product_grad(g, attr, x, dy);
    break;
  case KD_REDUCE_SUMSQ:
    din[0] = kd_mul(g, x, kd_scale(g, dy, 2));
    break;
  }
}

static kd_status argmax_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x, kd_sym_info *y) {
  const kd_axis_attr *attr = attr_;
  const kd_shape *shape = &x[0]->shape;
  char text[KD_SHAPE_TEXT];
  (void)n_inputs;
  KD_CHECK(attr->axis >= 0 && attr->axis < shape->rank, KD_ERR_USAGE,
           "argmax of shape %s along axis %d: there is no such axis", kd_shape_text(shape, text), attr->axis);
  y->dtype = KD_I32;
  for (int i = 0; i < shape->rank; i++)
    if (i != attr->axis) y->shape.dim[y->shape.rank++] = shape->dim[i];
  return KD_OK;
}

static kd_status in_top_k_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x,
                                kd_sym_info *y) {
  const kd_axis_attr *attr = attr_;
  const kd_shape *scores = &x[0]->shape, *labels = &x[1]->shape;
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  (void)n_inputs;
  KD_CHECK(scores->rank == 2 && labels->rank == 1 && scores->dim[0] == labels->dim[0], KD_ERR_USAGE,
           "top-k accuracy of scores %s and labels %s: (n, classes) and (n,) are needed",
           kd_shape_text(scores, a), kd_shape_text(labels, b));
  KD_CHECK(!kd_dtype_is_float(x[1]->dtype), KD_ERR_USAGE, "top-k accuracy: labels of type %s, not integers",
           kd_dtype_name(x[1]->dtype));
  KD_CHECK(attr->axis >= 1, KD_ERR_USAGE, "top-k accuracy with k = %d: k must be at least 1", attr->axis);
  y->dtype = KD_F32;
  y->shape = *labels;
  return KD_OK;
}

const kd_rule kd_rule_reduce = {.infer = reduce_infer, .grad = reduce_grad};
const kd_rule kd_rule_argmax = {.infer = argmax_infer};
const kd_rule kd_rule_in_top_k = {.infer = in_top_k_infer};
