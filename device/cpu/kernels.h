/* The CPU kernel of every primitive. Each is defined in the file of its family. */
#ifndef KD_CPU_KERNELS_H
#define KD_CPU_KERNELS_H

#include "device/op.h"

#define KD_OP(ID, name, attr, min_in, max_in, n_out, flags) extern const kd_kernel kd_cpu_##name;
#include "device/ops.def"
#undef KD_OP

/* The kernel of the backend's table: takes all float types. */
const kd_kernel *kd_cpu_kernel(kd_op op);
/* The primitive's own kernel. */
const kd_kernel *kd_cpu_plain_kernel(kd_op op);

#endif
