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

bool kd_op_takes_all_types(kd_op op) {
  switch (op) {
  case KD_OP_POINTWISE:
  case KD_OP_RESHAPE:
  case KD_OP_TRANSPOSE:
  case KD_OP_BROADCAST:
  case KD_OP_SLICE:
  case KD_OP_PAD:
  case KD_OP_CONCAT:
  case KD_OP_IOTA:
  case KD_OP_REDUCE:
  case KD_OP_ARGMAX:
  case KD_OP_IN_TOP_K:
  case KD_OP_EXCHANGE:
  case KD_OP_GATHER:
  case KD_OP_SCATTER_ADD:
    return true;
  default:
    return false;
  }
}

const kd_product_types *kd_launch_product_types(const kd_launch *launch) {
  static const kd_product_types plain = {KD_F32, KD_F32};
  switch (launch->op) {
  case KD_OP_MATMUL:
    return &((const kd_matmul_attr *)launch->attr)->types;
  case KD_OP_CONV:
  case KD_OP_CONV_GRAD_DATA:
  case KD_OP_CONV_GRAD_KERNEL:
    return &((const kd_conv_attr *)launch->attr)->types;
  default:
    return &plain;
  }
}
