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

const kd_kernel *kd_cuda_kernel(kd_op op) {
  return kd_op_takes_all_types(op) ? kernels[op] : &kd_cuda_converted;
}
