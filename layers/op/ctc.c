/* Rules of CTC. */
#include "layers/op/rule.h"

static kd_status ctc_infer(const void *attr, int n_inputs, const kd_sym_info *const *x, kd_sym_info *y) {
  const kd_shape *steps = &x[0]->shape, *labels = &x[1]->shape;
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  (void)attr, (void)n_inputs;
  KD_CHECK(steps->rank == 3 && labels->rank == 2 && steps->dim[0] == labels->dim[0] && steps->dim[1] > 0 &&
               steps->dim[2] > 0,
           KD_ERR_USAGE,
           "CTC of predictions %s and labels %s: (batch, steps, classes) and (batch, labels) are needed",
           kd_shape_text(steps, a), kd_shape_text(labels, b));
  KD_CHECK(kd_dtype_is_float(x[0]->dtype) && !kd_dtype_is_float(x[1]->dtype), KD_ERR_USAGE,
           "CTC of predictions of type %s and labels of type %s: floats and integers are needed",
           kd_dtype_name(x[0]->dtype), kd_dtype_name(x[1]->dtype));
  y->dtype = KD_F32;
  y->shape = KD_SHAPE(steps->dim[0]);
  return KD_OK;
}

static void ctc_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed, kd_sym *din) {
  kd_sym inputs[] = {node->input[0], node->input[1], dout[0]};
  if (needed[0]) din[0] = kd_append(g, KD_OP_CTC_GRAD, node->attr, 3, inputs, NULL);
}

static kd_status ctc_grad_infer(const void *attr, int n_inputs, const kd_sym_info *const *x, kd_sym_info *y) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  kd_sym_info loss;
  KD_TRY(ctc_infer(attr, n_inputs, x, &loss));
  KD_CHECK(kd_shape_equal(&loss.shape, &x[2]->shape), KD_ERR_USAGE, "gradient of CTC: losses %s, gradient %s",
           kd_shape_text(&loss.shape, a), kd_shape_text(&x[2]->shape, b));
  y->dtype = x[0]->dtype;
  y->shape = x[0]->shape;
  return KD_OK;
}

const kd_rule kd_rule_ctc = {.infer = ctc_infer, .grad = ctc_grad};
const kd_rule kd_rule_ctc_grad = {.infer = ctc_grad_infer};
