/* Rules of softmax, log-softmax and sparse cross-entropy, all over the last axis. */
#include "layers/op/rule.h"

static kd_status check_softmax(const kd_sym_info *x) {
  KD_CHECK(x->shape.rank >= 1 && kd_dtype_is_float(x->dtype), KD_ERR_USAGE,
           "softmax of a %s tensor with %d axes: floats with at least one axis are needed",
           kd_dtype_name(x->dtype), x->shape.rank);
  return KD_OK;
}

static kd_status softmax_infer(const void *attr, int n_inputs, const kd_sym_info *const *x, kd_sym_info *y) {
  (void)attr, (void)n_inputs;
  KD_TRY(check_softmax(x[0]));
  y->dtype = x[0]->dtype;
  y->shape = x[0]->shape;
  return KD_OK;
}

static void softmax_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                         kd_sym *din) {
  (void)needed;
  din[0] = kd_append(g, KD_OP_SOFTMAX_GRAD, node->attr, 2, (kd_sym[]){node->output[0], dout[0]}, NULL);
}

static kd_status softmax_grad_infer(const void *attr, int n_inputs, const kd_sym_info *const *x,
                                    kd_sym_info *y) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  KD_CHECK(kd_shape_equal(&x[0]->shape, &x[1]->shape), KD_ERR_USAGE,
           "gradient of softmax: results %s, gradient %s", kd_shape_text(&x[0]->shape, a),
           kd_shape_text(&x[1]->shape, b));
  return softmax_infer(attr, n_inputs, x, y);
}

/* --- sparse cross-entropy -------------------------------------------------------------------------- */

static kd_status sparse_xent_infer(const void *attr, int n_inputs, const kd_sym_info *const *x,
                                   kd_sym_info *y) {
  const kd_sym_info *logits = x[0], *labels = x[1];
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  (void)attr, (void)n_inputs;
  KD_TRY(check_softmax(logits));
  kd_shape rows = logits->shape;
  rows.dim[--rows.rank] = 0;
  KD_CHECK(kd_shape_equal(&rows, &labels->shape), KD_ERR_USAGE,
           "sparse cross-entropy of logits %s and labels %s: one label per row is needed",
           kd_shape_text(&logits->shape, a), kd_shape_text(&labels->shape, b));
  KD_CHECK(!kd_dtype_is_float(labels->dtype), KD_ERR_USAGE,
           "sparse cross-entropy: labels of type %s, not integers", kd_dtype_name(labels->dtype));
  for (int i = 0; i < 3; i++) {
    y[i].dtype = KD_F32;
    y[i].shape = rows;
  }
  return KD_OK;
}

static void sparse_xent_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                             kd_sym *din) {
  kd_sym inputs[] = {node->input[0], node->input[1], node->output[1], node->output[2], dout[0]};
  if (needed[0]) din[0] = kd_append(g, KD_OP_SPARSE_XENT_GRAD, node->attr, 5, inputs, NULL);
}

static kd_status sparse_xent_grad_infer(const void *attr, int n_inputs, const kd_sym_info *const *x,
                                        kd_sym_info *y) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  kd_sym_info forward[3];
  KD_TRY(sparse_xent_infer(attr, n_inputs, x, forward));
  for (int i = 2; i < 5; i++)
    KD_CHECK(kd_shape_equal(&x[1]->shape, &x[i]->shape), KD_ERR_USAGE,
             "gradient of sparse cross-entropy: labels %s, operand %d %s", kd_shape_text(&x[1]->shape, a), i,
             kd_shape_text(&x[i]->shape, b));
  y->dtype = x[0]->dtype;
  y->shape = x[0]->shape;
  return KD_OK;
}

const kd_rule kd_rule_softmax = {.infer = softmax_infer, .grad = softmax_grad};
const kd_rule kd_rule_softmax_grad = {.infer = softmax_grad_infer};
const kd_rule kd_rule_sparse_xent = {.infer = sparse_xent_infer, .grad = sparse_xent_grad};
const kd_rule kd_rule_sparse_xent_grad = {.infer = sparse_xent_grad_infer};
