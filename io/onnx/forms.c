/* The table of forms: one entry per row of device/ops.def, so a missing form fails at link time. */
#include "io/onnx/form.h"

static kd_onnx_form *const forms[KD_N_OPS] = {
#define KD_OP(ID, name, attr, min_in, max_in, n_out, flags) [KD_OP_##ID] = kd_form_##name,
#include "device/ops.def"
#undef KD_OP
};

kd_onnx_form *kd_onnx_form_get(kd_op op) {
  return forms[op];
}
