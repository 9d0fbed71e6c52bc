/* Where a thread stands, and what the language has beside C: for kernels and for generated programs. */
#ifndef KD_TEST_EMULATED_THREAD_H
#define KD_TEST_EMULATED_THREAD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#undef __global__
#undef __device__
#undef __forceinline__
#undef __shared__
#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__      static

struct emulated_size {
  unsigned x, y, z;
};
struct emulated_thread {
  emulated_size thread, block, block_size, grid_size;
};
#define threadIdx (kd_emulated->thread)
#define blockIdx  (kd_emulated->block)
#define blockDim  (kd_emulated->block_size)
#define gridDim   (kd_emulated->grid_size)

static inline float __uint_as_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
static inline uint32_t __float_as_uint(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* Half types, to nearest even; the exponent is moved by a multiplication or an addition. */
static inline float emulate_from_half(uint16_t half) {
  uint32_t rest = (uint32_t)(half & 0x7FFFu) << 13, bits = __float_as_uint(__uint_as_float(rest) * 0x1p112f);
  if ((half & 0x7C00u) == 0x7C00u) bits = 0x7F800000u | rest;
  return __uint_as_float(bits | (uint32_t)(half & 0x8000u) << 16);
}
static inline uint16_t emulate_to_half(float value) {
  uint32_t bits = __float_as_uint(value), sign = bits >> 16 & 0x8000u;
  bits &= 0x7FFFFFFFu;
  if (bits > 0x7F800000u) return (uint16_t)(sign | 0x7E00u);
  if (bits >= 0x477FF000u) return (uint16_t)(sign | 0x7C00u);
  if (bits < 0x38800000u)
    return (uint16_t)(sign | (__float_as_uint(__uint_as_float(bits) + 0.5f) - 0x3F000000u));
  bits += 0xFFFu + (bits >> 13 & 1);
  return (uint16_t)(sign | (bits - 0x38000000u) >> 13);
}

#endif
