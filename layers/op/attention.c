/* Rules of attention (device/attention.h). */
#include "layers/op/rule.h"

static kd_status check_heads(const kd_attention_attr *attr, const kd_sym_info *const *x) {
  static const char *const names[] = {"queries", "keys", "values"};
  const kd_shape *q = &x[0]->shape, *k = &x[1]->shape, *v = &x[2]->shape;
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT], c[KD_SHAPE_TEXT];
  for (int i = 0; i < 3; i++)
    KD_CHECK(kd_dtype_is_float(x[i]->dtype) && x[i]->shape.rank == 4, KD_ERR_USAGE,
             "attention: %s of type %s and shape %s; floats (batch, steps, heads, features) are needed",
             names[i], kd_dtype_name(x[i]->dtype), kd_shape_text(&x[i]->shape, a));
  KD_CHECK(q->dim[0] == k->dim[0] && k->dim[0] == v->dim[0] && k->dim[1] == v->dim[1] &&
               k->dim[2] == v->dim[2] && q->dim[3] == k->dim[3] && q->dim[2] % k->dim[2] == 0,
           KD_ERR_USAGE,
           "attention: queries %s, keys %s and values %s (batch, steps, heads, features) do not fit",
           kd_shape_text(q, a), kd_shape_text(k, b), kd_shape_text(v, c));
  KD_CHECK(attr->rows_per_sample >= 1 && q->dim[0] % attr->rows_per_sample == 0, KD_ERR_INTERNAL,
           "attention: %lld rows are no multiple of %d rows per sample", (long long)q->dim[0],
           attr->rows_per_sample);
  return KD_OK;
}

/* Masks and the random state, which begin at operand `first`. */
static kd_status check_options(const kd_attention_attr *attr, int n_inputs, const kd_sym_info *const *x,
                               int first) {
  const kd_shape scores =
      KD_SHAPE(x[0]->shape.dim[0], x[0]->shape.dim[2], x[0]->shape.dim[1], x[1]->shape.dim[1]);
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  KD_CHECK(attr->n_masks >= 0 && attr->n_masks <= KD_ATTENTION_MASKS &&
               n_inputs == first + attr->n_masks + (attr->dropout > 0),
           KD_ERR_INTERNAL, "attention with %d masks and dropout %g has %d operands", attr->n_masks,
           (double)attr->dropout, n_inputs);
  for (int i = first; i < first + attr->n_masks; i++) {
    const kd_shape *mask = &x[i]->shape;
    bool fits = mask->rank == 4 && kd_dtype_is_float(x[i]->dtype);
    for (int axis = 0; fits && axis < 4; axis++)
      fits = mask->dim[axis] == 1 || mask->dim[axis] == scores.dim[axis];
    KD_CHECK(fits, KD_ERR_USAGE, "attention: a mask of type %s and shape %s for scores of shape %s",
             kd_dtype_name(x[i]->dtype), kd_shape_text(mask, a), kd_shape_text(&scores, b));
  }
  return KD_OK;
}

static kd_status attention_infer(const void *attr, int n_inputs, const kd_sym_info *const *x,
                                 kd_sym_info *y) {
  const kd_shape *q = &x[0]->shape;
  KD_TRY(check_heads(attr, x));
  KD_TRY(check_options(attr, n_inputs, x, KD_ATTENTION_FIXED));
  y[0].dtype = x[0]->dtype;
  y[1].dtype = KD_F32;
  y[0].shape = KD_SHAPE(q->dim[0], q->dim[1], q->dim[2], x[2]->shape.dim[3]);
  y[1].shape = KD_SHAPE(q->dim[0], q->dim[2], q->dim[1]);
  return KD_OK;
}

static void attention_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                           kd_sym *din) {
  kd_sym inputs[KD_ATTENTION_GRAD_FIXED + KD_ATTENTION_MASKS + 1] = {
      node->input[0], node->input[1], node->input[2], node->output[0], node->output[1], dout[0]};
  kd_sym grads[3];
  if (dout[1] != KD_NO_SYM) {
    kd_graph_fail(g, "the sums of exponentials of an attention have no gradient");
    return;
  }
  int n = KD_ATTENTION_GRAD_FIXED;
  for (int i = KD_ATTENTION_FIXED; i < node->n_inputs; i++) inputs[n++] = node->input[i];
  kd_append(g, KD_OP_ATTENTION_GRAD, node->attr, n, inputs, grads);
  for (int i = 0; i < 3; i++)
    if (needed[i]) din[i] = grads[i];
}

static kd_status attention_grad_infer(const void *attr, int n_inputs, const kd_sym_info *const *x,
                                      kd_sym_info *y) {
  const kd_shape *q = &x[0]->shape;
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT], c[KD_SHAPE_TEXT];
  KD_TRY(check_heads(attr, x));
  KD_TRY(check_options(attr, n_inputs, x, KD_ATTENTION_GRAD_FIXED));
  const kd_shape result = KD_SHAPE(q->dim[0], q->dim[1], q->dim[2], x[2]->shape.dim[3]),
                 sums = KD_SHAPE(q->dim[0], q->dim[2], q->dim[1]);
  KD_CHECK(kd_shape_equal(&x[3]->shape, &result) && kd_shape_equal(&x[5]->shape, &result) &&
               kd_shape_equal(&x[4]->shape, &sums),
           KD_ERR_USAGE, "gradient of attention: results %s, sums %s, gradient %s",
           kd_shape_text(&x[3]->shape, a), kd_shape_text(&x[4]->shape, b), kd_shape_text(&x[5]->shape, c));
  for (int i = 0; i < 3; i++) {
    y[i].dtype = x[i]->dtype;
    y[i].shape = x[i]->shape;
  }
  return KD_OK;
}

const kd_rule kd_rule_attention = {.infer = attention_infer, .grad = attention_grad};
const kd_rule kd_rule_attention_grad = {.infer = attention_grad_infer};
