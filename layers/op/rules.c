/* The table of rules: one entry per row of device/ops.def, so a missing rule fails at link time. */
#include "layers/op/rule.h"

static const kd_rule *const rules[KD_N_OPS] = {
#define KD_OP(ID, name, attr, min_in, max_in, n_out, flags) [KD_OP_##ID] = &kd_rule_##name,
#include "device/ops.def"
#undef KD_OP
};

const kd_rule *kd_rule_get(kd_op op) {
  return rules[op];
}
