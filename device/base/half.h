/* The half types: bfloat16 and float16 in the two bytes that memory holds, value by value. Rounding is to the
 * nearest, to even; NaN stays NaN. Loops over these are left to the compiler. */
#ifndef KD_BASE_HALF_H
#define KD_BASE_HALF_H

#include <string.h>

#include "device/base/tensor.h"

static inline uint32_t kd_float_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline float kd_float_of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static inline float kd_bf16_value(uint16_t half) {
  return kd_float_of_bits((uint32_t)half << 16);
}

static inline uint16_t kd_bf16_bits(float x) {
  uint32_t b = kd_float_bits(x), rounded = b + 0x7FFFu + (b >> 16 & 1);
  bool nan = (b & 0x7FFFFFFFu) > 0x7F800000u;
  return (uint16_t)((nan ? b | 0x400000u : rounded) >> 16);
}

/* The exponent is moved by a multiplication, which also makes subnormal numbers right. */
static inline float kd_f16_value(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000u) << 16, rest = (uint32_t)(half & 0x7FFFu) << 13;
  uint32_t bits = kd_float_bits(kd_float_of_bits(rest) * 0x1p112f);
  if ((half & 0x7C00u) == 0x7C00u) bits = 0x7F800000u | rest;
  return kd_float_of_bits(bits | sign);
}

static inline uint16_t kd_f16_bits(float x) {
  uint32_t bits = kd_float_bits(x);
  uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
  bits &= 0x7FFFFFFFu;
  if (bits > 0x7F800000u) return sign | 0x7E00u | (uint16_t)(bits >> 13 & 0x3FFu);
  if (bits >= 0x477FF000u) return sign | 0x7C00u; /* 65520 and more */
  if (bits < 0x38800000u)                         /* subnormal: the sum's last bit is worth 2^-24 */
    return sign | (uint16_t)(kd_float_bits(kd_float_of_bits(bits) + 0.5f) - 0x3F000000u);
  bits += 0xFFFu + (bits >> 13 & 1);
  return sign | (uint16_t)((bits - 0x38000000u) >> 13);
}

/* `count` values of float32, bfloat16 or float16 to floats and back. */
void kd_floats_read(kd_dtype type, const void *from, float *to, int64_t count);
void kd_floats_write(kd_dtype type, const float *from, void *to, int64_t count);

#endif
