/* What batch normalisation is for one element, the same wherever it is computed again. */
#ifndef KD_CUDA_NORM_CUH
#define KD_CUDA_NORM_CUH

#include "device/cuda/platform.cuh"

typedef struct norm_channel {
  float mean, rstd, gamma, beta;
} norm_channel;

static __device__ __forceinline__ norm_channel norm_at(const kd_job_norm &n, int64_t channel) {
  norm_channel c;
  c.mean = n.mean[channel];
  c.rstd = 1.0f / sqrtf(n.variance[channel] + n.epsilon);
  c.gamma = n.gamma[channel];
  c.beta = n.beta[channel];
  return c;
}

static __device__ __forceinline__ float norm_unit(const norm_channel &c, float x) {
  return (x - c.mean) * c.rstd;
}

static __device__ __forceinline__ float norm_value(const norm_channel &c, float x) {
  return norm_unit(c, x) * c.gamma + c.beta;
}

#endif
