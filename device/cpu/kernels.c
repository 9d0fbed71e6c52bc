#include "device/cpu/kernels.h"

#include "device/cpu/converted.h"

static const kd_kernel *const kernels[KD_N_OPS] = {
#define KD_OP(ID, name, attr, min_in, max_in, n_out, flags) [KD_OP_##ID] = &kd_cpu_##name,
#include "device/ops.def"
#undef KD_OP
};

const kd_kernel *kd_cpu_plain_kernel(kd_op op) {
  return kernels[op];
}

const kd_kernel *kd_cpu_kernel(kd_op op) {
  return kd_op_takes_all_types(op) ? kernels[op] : &kd_cpu_converted;
}
