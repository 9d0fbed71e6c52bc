/* Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011). A number is a function of key and counter alone, never of rank or thread. */
#ifndef KD_BASE_RNG_H
#define KD_BASE_RNG_H

#include <stdint.h>

typedef struct kd_philox {
  uint32_t v[4];
} kd_philox;

static inline kd_philox kd_philox_block(uint64_t counter_lo, uint64_t counter_hi, uint64_t key) {
  uint32_t c0 = (uint32_t)counter_lo, c1 = (uint32_t)(counter_lo >> 32);
  uint32_t c2 = (uint32_t)counter_hi, c3 = (uint32_t)(counter_hi >> 32);
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
  return (kd_philox){{c0, c1, c2, c3}};
}

/* Uniform in [0, 1) with 24 bits. */
static inline float kd_uniform_f32(uint32_t bits) {
  return (float)(bits >> 8) * 0x1p-24f;
}

/* Mixes a word into a 64-bit key (splitmix64's finaliser): streams for seeds, epochs, nodes. */
static inline uint64_t kd_mix64(uint64_t key, uint64_t word) {
  uint64_t z = key + 0x9E3779B97F4A7C15ull * (word + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

/* The random inputs of a step, as the plan's "rng" input holds them: a uint32 tensor of shape (4). */
enum { KD_RNG_SEED, KD_RNG_STEP_LO, KD_RNG_STEP_HI, KD_RNG_SAMPLE, KD_RNG_WORDS };
/* KD_RNG_SAMPLE: position in the global batch of the first row that this pass computes. */

/* Number `element` of sample `sample` (position in the global batch) drawn by node `node`:
 * one 32-bit word. E is the number of elements per sample; four consecutive elements share a block. */
static inline uint64_t kd_rng_key(const uint32_t rng[KD_RNG_WORDS], uint32_t node) {
  return kd_mix64(((uint64_t)node << 32) | rng[KD_RNG_SEED],
                  ((uint64_t)rng[KD_RNG_STEP_HI] << 32) | rng[KD_RNG_STEP_LO]);
}

#endif
