#include "device/op.h"

static const kd_op_info infos[KD_N_OPS] = {
#define KD_OP(ID, name, attr, min_in, max_in, n_out, flags)                                                  \
  [KD_OP_##ID] = {#name, sizeof(attr), min_in, max_in, n_out, flags},
#include "device/ops.def"
#undef KD_OP
};

static const struct {
  const char *name;
  int operands;
} steps[KD_N_PW] = {
#define KD_PW(ID, name, operands) [KD_PW_##ID] = {#name, operands},
    KD_PW_LIST
#undef KD_PW
};

const kd_op_info *kd_op_get(kd_op op) {
  return &infos[op];
}

const char *kd_pw_name(kd_pw op) {
  return steps[op].name;
}

int kd_pw_operands(kd_pw op) {
  return steps[op].operands;
}
