/* Kernels that no file has yet: their prepare fails. A line goes when its kernel comes. */
#include "device/cpu/kernels.h"

static kd_status refuse(kd_launch *launch) {
  return kd_fail(KD_ERR_INTERNAL, "the CPU has no kernel for %s", kd_op_get(launch->op)->name);
}

const kd_kernel kd_cpu_layer_norm = {.prepare = refuse};
const kd_kernel kd_cpu_layer_norm_grad = {.prepare = refuse};
