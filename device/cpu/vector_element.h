/* Vectors of elements in float32, bfloat16 or float16, for kernels that read and write all three: widened
 * when loaded, rounded when stored, with the bits of vector_convert.c. `type` is a constant where these are
 * called, so that each kernel is compiled for each type. Included by vector_*.c only. */
#ifndef KD_CPU_VECTOR_ELEMENT_H
#define KD_CPU_VECTOR_ELEMENT_H

#include "device/base/half.h"
#include "device/cpu/vector_simd.h"

/* The element `i` places on. */
KD_INLINE const void *e_at(kd_dtype type, const void *p, int64_t i) {
  return (const char *)p + i * (type == KD_F32 ? 4 : 2);
}
KD_INLINE void *e_place(kd_dtype type, void *p, int64_t i) {
  return (char *)p + i * (type == KD_F32 ? 4 : 2);
}

/* --- KD_W halves ----------------------------------------------------------------------------------- */

#if defined(__AVX512F__)
typedef __m256i v_halves;
KD_INLINE v_halves v_load_halves(const uint16_t *p, int64_t n) {
  return n < KD_W ? _mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p)
                  : _mm256_loadu_si256((const void *)p);
}
KD_INLINE void v_store_halves(uint16_t *p, v_halves x, int64_t n) {
  if (n < KD_W)
    _mm256_mask_storeu_epi16(p, (__mmask16)((1u << n) - 1), x);
  else
    _mm256_storeu_si256((void *)p, x);
}
KD_INLINE vf v_of_bf16(v_halves x) {
  return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16);
}
/* The upper halves. */
KD_INLINE v_halves v_upper(vu bits) {
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32((__m512i)bits, 16));
}
KD_INLINE vf v_of_f16(v_halves x) {
  return (vf)_mm512_cvtph_ps(x);
}
KD_INLINE v_halves v_to_f16(vf x) {
  return _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT);
}
#else
typedef __m128i v_halves;
KD_INLINE v_halves v_load_halves(const uint16_t *p, int64_t n) {
  uint16_t part[8] = {0};
  if (n == KD_W) memcpy(part, p, KD_W * sizeof *p);
  for (int64_t i = 0; n < KD_W && i < n; i++) part[i] = p[i];
  return _mm_loadu_si128((const void *)part);
}
KD_INLINE void v_store_halves(uint16_t *p, v_halves x, int64_t n) {
  uint16_t part[8];
  _mm_storeu_si128((void *)part, x);
  if (n == KD_W) memcpy(p, part, KD_W * sizeof *p);
  for (int64_t i = 0; n < KD_W && i < n; i++) p[i] = part[i];
}
#if defined(__AVX2__)
KD_INLINE vf v_of_bf16(v_halves x) {
  return (vf)_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16);
}
KD_INLINE v_halves v_upper(vu bits) {
  __m256i upper = _mm256_srai_epi32((__m256i)bits, 16), packed = _mm256_packs_epi32(upper, upper);
  return _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08));
}
KD_INLINE vf v_of_f16(v_halves x) {
  return (vf)_mm256_cvtph_ps(x);
}
KD_INLINE v_halves v_to_f16(vf x) {
  return _mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT);
}
#else
KD_INLINE vf v_of_bf16(v_halves x) {
  return (vf)_mm_unpacklo_epi16(_mm_setzero_si128(), x);
}
KD_INLINE v_halves v_upper(vu bits) {
  __m128i upper = _mm_srai_epi32((__m128i)bits, 16);
  return _mm_packs_epi32(upper, upper);
}
KD_INLINE vf v_of_f16(v_halves x) {
  uint16_t half[8];
  vf y;
  _mm_storeu_si128((void *)half, x);
  for (int i = 0; i < KD_W; i++) y[i] = kd_f16_value(half[i]);
  return y;
}
KD_INLINE v_halves v_to_f16(vf x) {
  uint16_t half[8] = {0};
  for (int i = 0; i < KD_W; i++) half[i] = kd_f16_bits(x[i]);
  return _mm_loadu_si128((const void *)half);
}
#endif
#endif

/* To the nearest, to even; NaN stays NaN. */
KD_INLINE v_halves v_to_bf16(vf x) {
  vu bits = (vu)x, rounded = bits + 0x7FFFu + (bits >> 16 & 1u);
  return v_upper((vu)v_select(v_nan(x), (vf)(bits | 0x400000u), (vf)rounded));
}

/* --- elements -------------------------------------------------------------------------------------- */

/* n elements, at most KD_W; the other lanes are 0. */
KD_INLINE vf e_load(kd_dtype type, const void *p, int64_t i, int64_t n) {
  if (type == KD_F32) return v_load_n((const float *)p + i, n);
  v_halves half = v_load_halves((const uint16_t *)p + i, n);
  return type == KD_BF16 ? v_of_bf16(half) : v_of_f16(half);
}
/* The same with `other` in the lanes behind. */
KD_INLINE vf e_load_or(kd_dtype type, const void *p, int64_t i, int64_t n, vf other) {
  if (n >= KD_W) return e_load(type, p, i, n);
  if (type == KD_F32) return v_load_part_or((const float *)p + i, n, other);
#if defined(__AVX512F__)
  return v_select((vm)((1u << n) - 1), e_load(type, p, i, n), other);
#elif defined(__AVX2__)
  return v_select((vm)v_part_mask(n), e_load(type, p, i, n), other);
#else
  vf x = e_load(type, p, i, n);
  for (int64_t lane = 0; lane < n && lane < KD_W; lane++) other[lane] = x[lane];
  return other;
#endif
}
KD_INLINE void e_store(kd_dtype type, void *p, int64_t i, vf x, int64_t n) {
  if (type == KD_F32)
    v_store_n((float *)p + i, x, n);
  else
    v_store_halves((uint16_t *)p + i, type == KD_BF16 ? v_to_bf16(x) : v_to_f16(x), n);
}
KD_INLINE float e_value(kd_dtype type, const void *p, int64_t i) {
  if (type == KD_F32) return ((const float *)p)[i];
  uint16_t half = ((const uint16_t *)p)[i];
  return type == KD_BF16 ? kd_bf16_value(half) : kd_f16_value(half);
}

/* Runs `call(type)` for the type that the tensors have. */
#define KD_FOR_TYPE(type, call)                                                                              \
  switch (type) {                                                                                            \
  case KD_BF16:                                                                                              \
    call(KD_BF16);                                                                                           \
    break;                                                                                                   \
  case KD_F16:                                                                                               \
    call(KD_F16);                                                                                            \
    break;                                                                                                   \
  default:                                                                                                   \
    call(KD_F32);                                                                                            \
  }

#endif
