#include "device/cpu/half_kernels.h"

/* The inputs that are whole tensors. */
static unsigned whole_inputs(kd_op op) {
  switch (op) {
  case KD_OP_POOL:
  case KD_OP_BATCH_NORM:
  case KD_OP_NORM_POOL:
  case KD_OP_LAYER_NORM:
  case KD_OP_SOFTMAX:
  case KD_OP_SPARSE_XENT:
  case KD_OP_SPARSE_XENT_GRAD:
    return 1;
  case KD_OP_SOFTMAX_GRAD:
    return 1 | 1 << 1;
  case KD_OP_POOL_GRAD:
    return 1 | 1 << 1 | 1 << 2;
  case KD_OP_LAYER_NORM_GRAD:
    return 1 | 1 << 4;
  case KD_OP_BATCH_NORM_GRAD:
  case KD_OP_NORM_POOL_GRAD:
    return 1 | 1 << 5;
  default:
    return 0;
  }
}

/* Gradients of windows that overlap are added up in the result, which must not round them on the way. */
static bool overlaps(const kd_launch *launch) {
  const kd_pool_attr *attr = launch->attr;
  const kd_shape *y = &launch->input[1].shape;
  for (int i = 0; i < attr->spatial; i++)
    if (attr->stride[i] < attr->window[i] && y->dim[1 + i] > 1) return true;
  return false;
}

unsigned kd_cpu_half_inputs(const kd_launch *launch) {
  unsigned whole = whole_inputs(launch->op);
  kd_dtype type = launch->input[0].dtype;
  if (!whole || !kd_dtype_is_half(type)) return 0;
  for (int i = 0; i < launch->n_inputs; i++)
    if (whole >> i & 1 && launch->input[i].dtype != type) return 0;
  if (launch->op != KD_OP_SPARSE_XENT && launch->output[0].dtype != type) return 0;
  return launch->op == KD_OP_POOL_GRAD && overlaps(launch) ? 0 : whole;
}

kd_status kd_cpu_check_types(const kd_launch *launch) {
  unsigned half = kd_cpu_half_inputs(launch);
  for (int i = 0; i < launch->n_inputs; i++) {
    kd_dtype type = launch->input[i].dtype;
    KD_CHECK(!kd_dtype_is_float(type) || type == KD_F32 || half >> i & 1, KD_ERR_INTERNAL,
             "%s: input %d of type %s", kd_op_get(launch->op)->name, i, kd_dtype_name(type));
  }
  return KD_OK;
}
