/* Rules of batch normalisation with relu and pooling in one. Fusion makes these nodes behind autodiff, so
 * they have no gradient rule. */
#include "layers/op/rule.h"

static kd_status check(const kd_norm_pool_attr *attr, int n_parameters, const kd_sym_info *const *x) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  KD_CHECK(kd_dtype_is_float(x[0]->dtype) && x[0]->shape.rank == 4 && attr->window[0] > 0 &&
               attr->window[1] > 0,
           KD_ERR_USAGE, "normalisation with pooling of %s by windows of %dx%d",
           kd_shape_text(&x[0]->shape, a), attr->window[0], attr->window[1]);
  for (int i = 1; i <= n_parameters; i++)
    KD_CHECK(x[i]->shape.rank == 1 && x[i]->shape.dim[0] == x[0]->shape.dim[3], KD_ERR_USAGE,
             "normalisation with pooling of %s with a parameter of shape %s: one value per channel is needed",
             kd_shape_text(&x[0]->shape, a), kd_shape_text(&x[i]->shape, b));
  return KD_OK;
}

static kd_shape pooled(const kd_norm_pool_attr *attr, const kd_shape *x) {
  kd_shape y = *x;
  for (int axis = 0; axis < 2; axis++) y.dim[1 + axis] /= attr->window[axis];
  return y;
}

static void channels_of(const kd_sym_info *gamma, kd_sym_info *y) {
  for (int i = 1; i < 3; i++) y[i] = (kd_sym_info){.dtype = KD_F32, .shape = gamma->shape};
}

static kd_status norm_pool_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x,
                                 kd_sym_info *y) {
  const kd_norm_pool_attr *attr = attr_;
  KD_TRY(check(attr, n_inputs - 1, x));
  channels_of(x[1], y);
  y[0].dtype = x[0]->dtype;
  y[0].shape = pooled(attr, &x[0]->shape);
  return KD_OK;
}

static kd_status norm_pool_grad_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x,
                                      kd_sym_info *y) {
  const kd_norm_pool_attr *attr = attr_;
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  KD_TRY(check(attr, n_inputs - 2, x));
  kd_shape expected = pooled(attr, &x[0]->shape);
  KD_CHECK(kd_shape_equal(&x[5]->shape, &expected), KD_ERR_USAGE,
           "gradient of normalisation with pooling: %s instead of %s", kd_shape_text(&x[5]->shape, a),
           kd_shape_text(&expected, b));
  channels_of(x[1], y);
  y[0].dtype = x[0]->dtype;
  y[0].shape = x[0]->shape;
  return KD_OK;
}

const kd_rule kd_rule_norm_pool = {.infer = norm_pool_infer};
const kd_rule kd_rule_norm_pool_grad = {.infer = norm_pool_grad_infer};
