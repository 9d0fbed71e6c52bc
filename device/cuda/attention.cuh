/* Which keys a query sees (device/attention.h). */
#ifndef KD_CUDA_ATTENTION_CUH
#define KD_CUDA_ATTENTION_CUH

#include "device/attention.h"
#include "device/cuda/platform.cuh"

static __device__ __forceinline__ float mask_at(const kd_job_attention &a, int m, int64_t b, int64_t h,
                                                int64_t i, int64_t j) {
  const int64_t *stride = a.mask_stride[m];
  return kd_load(a.mask_type[m], a.mask[m], b * stride[0] + h * stride[1] + i * stride[2] + j * stride[3]);
}

static __device__ __forceinline__ bool sees(const kd_job_attention &a, int64_t b, int64_t h, int64_t i,
                                            int64_t j) {
  if (a.causal && j > i) return false;
  if (a.window && (j > i ? j - i : i - j) >= a.window) return false;
  for (int m = 0; m < a.n_masks; m++)
    if (mask_at(a, m, b, h, i, j) == 0) return false;
  return true;
}

#endif
