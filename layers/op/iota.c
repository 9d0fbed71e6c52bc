/* Rule of index tensors. */
#include "layers/op/rule.h"

static kd_status iota_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x, kd_sym_info *y) {
  const kd_iota_attr *attr = attr_;
  char text[KD_SHAPE_TEXT];
  (void)n_inputs, (void)x;
  KD_CHECK(attr->axis >= 0 && attr->axis < attr->shape.rank, KD_ERR_USAGE,
           "index along axis %d of shape %s: there is no such axis", attr->axis,
           kd_shape_text(&attr->shape, text));
  y->dtype = KD_F32;
  y->shape = attr->shape;
  return KD_OK;
}

const kd_rule kd_rule_iota = {.infer = iota_infer};
