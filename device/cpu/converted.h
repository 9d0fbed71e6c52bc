/* What stands before kernels that compute in float32, so that they take all float types. */
#ifndef KD_CPU_CONVERTED_H
#define KD_CPU_CONVERTED_H

#include "device/op.h"

extern const kd_kernel kd_cpu_converted;

#endif
