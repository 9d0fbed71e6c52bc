#include "device/cuda/kernels.h"

#include "device/cuda/converted.h"

static const kd_kernel *const kernels[KD_N_OPS] = {
#define KD_OP(ID, name, attr, min_in, max_in, n_out, flags) [KD_OP_##ID] = &kd_cuda_##name,
#include "device/ops.def"
#undef KD_OP
};

const kd_kernel *kd_cuda_plain_kernel(kd_op op) {
  return kernels[op];
}

/* Programs, moves, reductions and look-ups take every type by themselves. */
static bool takes_all_types(kd_op op) {
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

const kd_kernel *kd_cuda_kernel(kd_op op) {
  return takes_all_types(op) ? kernels[op] : &kd_cuda_converted;
}
