/* The random numbers of device/base/rng.h, for kernels. */
#ifndef KD_CUDA_PHILOX_CUH
#define KD_CUDA_PHILOX_CUH

#include "device/cuda/platform.cuh"

static __device__ __forceinline__ uint64_t philox_mix(uint64_t key, uint64_t word) {
  uint64_t z = key + 0x9E3779B97F4A7C15ull * (word + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

/* Word e % 4 of the block of element e of a sample, drawn by a node. */
static __device__ __forceinline__ uint32_t philox_word(const uint32_t *rng, uint32_t node, uint64_t row,
                                                       uint64_t e) {
  uint64_t key = philox_mix((uint64_t)node << 32 | rng[KD_RNG_SEED],
                            (uint64_t)rng[KD_RNG_STEP_HI] << 32 | rng[KD_RNG_STEP_LO]);
  uint64_t low = e / 4, high = rng[KD_RNG_SAMPLE] + row;
  uint32_t c0 = (uint32_t)low, c1 = (uint32_t)(low >> 32), c2 = (uint32_t)high, c3 = (uint32_t)(high >> 32);
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return e % 4 == 0 ? c0 : e % 4 == 1 ? c1 : e % 4 == 2 ? c2 : c3;
}

static __device__ __forceinline__ float philox_uniform(uint32_t word) {
  return (float)(word >> 8) * 0x1p-24f;
}

#endif
