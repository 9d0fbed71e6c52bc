/* The CUDA kernel of every primitive. Each is defined in the file of its family. */
#ifndef KD_CUDA_KERNELS_H
#define KD_CUDA_KERNELS_H

#include "device/op.h"

#define KD_OP(ID, name, attr, min_in, max_in, n_out, flags) extern const kd_kernel kd_cuda_##name;
#include "device/ops.def"
#undef KD_OP

const kd_kernel *kd_cuda_kernel(kd_op op);
/* Without the conversions that stand before it (converted.h). */
const kd_kernel *kd_cuda_plain_kernel(kd_op op);

#endif
