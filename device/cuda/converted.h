/* What stands before kernels that compute in float32, so that they take all float types. */
#ifndef KD_CUDA_CONVERTED_H
#define KD_CUDA_CONVERTED_H

#include "device/op.h"

extern const kd_kernel kd_cuda_converted;

#endif
