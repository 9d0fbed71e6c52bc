/* Vectors of floats in plain C (gcc and clang vector types), as wide as the instruction set being compiled
 * for. Included by vector_*.c only.
 *
 * Comparisons (v_lt, v_le, v_eq, v_nan) give masks of type vm, which know & | and ~ and are read by v_select.
 * v_load_part and v_store_part touch the first n elements only, so that loops treat their tail with the same
 * vector code as their body: the bits of a value do not depend on where it stands. */
#ifndef KD_CPU_VECTOR_SIMD_H
#define KD_CPU_VECTOR_SIMD_H

#include <immintrin.h>
#include <string.h>

#include "device/cpu/vector.h"

#if defined(__AVX512F__)
enum { KD_W = 16 };
#elif defined(__AVX2__)
enum { KD_W = 8 };
#else
enum { KD_W = 4 };
#endif

typedef float vf __attribute__((vector_size(KD_W * 4), may_alias));
typedef int32_t vi __attribute__((vector_size(KD_W * 4), may_alias));
typedef uint32_t vu __attribute__((vector_size(KD_W * 4), may_alias));
typedef float vf_unaligned __attribute__((vector_size(KD_W * 4), may_alias, aligned(4)));
typedef int32_t vi_unaligned __attribute__((vector_size(KD_W * 4), may_alias, aligned(4)));

static inline vf v_load(const float *p) {
  return *(const vf_unaligned *)p;
}
static inline void v_store(float *p, vf x) {
  *(vf_unaligned *)p = x;
}
static inline vf v_set(float x) {
  return x - (vf){0};
}
static inline vi v_seti(int32_t x) {
  return x - (vi){0};
}

#if defined(__AVX512F__)
typedef __mmask16 vm;
#define KD_COMPARE_(a, b, predicate) _mm512_cmp_ps_mask((__m512)(a), (__m512)(b), predicate)
static inline vf v_select(vm mask, vf yes, vf no) {
  return (vf)_mm512_mask_blend_ps(mask, (__m512)no, (__m512)yes);
}
static inline vf v_load_part(const float *p, int64_t n) {
  return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
/* As v_load_part, with `other` in the lanes behind. */
static inline vf v_load_part_or(const float *p, int64_t n, vf other) {
  return (vf)_mm512_mask_loadu_ps((__m512)other, (__mmask16)((1u << n) - 1), p);
}
static inline void v_store_part(float *p, vf x, int64_t n) {
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)x);
}
static inline vf v_round(vf x) { /* half to even */
  return (vf)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf v_floor(vf x) {
  return (vf)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
static inline vf v_sqrt(vf x) {
  return (vf)_mm512_sqrt_ps((__m512)x);
}
static inline vi v_to_int(vf x) { /* nearest */
  return (vi)_mm512_cvtps_epi32((__m512)x);
}
static inline vf v_from_int(vi x) {
  return (vf)_mm512_cvtepi32_ps((__m512i)x);
}
/* Lanes of a and b in turn: the lower half of each, the upper half of each. */
static inline vf v_zip_low(vf a, vf b) {
  const __m512i order = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  return (vf)_mm512_permutex2var_ps((__m512)a, order, (__m512)b);
}
static inline vf v_zip_high(vf a, vf b) {
  const __m512i order = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  return (vf)_mm512_permutex2var_ps((__m512)a, order, (__m512)b);
}
#elif defined(__AVX2__)
typedef vi vm;
#define KD_COMPARE_(a, b, predicate) ((vm)_mm256_cmp_ps((__m256)(a), (__m256)(b), predicate))
static inline vf v_select(vm mask, vf yes, vf no) {
  return (vf)_mm256_blendv_ps((__m256)no, (__m256)yes, (__m256)mask);
}
static inline __m256i v_part_mask(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vf v_load_part(const float *p, int64_t n) {
  return (vf)_mm256_maskload_ps(p, v_part_mask(n));
}
static inline vf v_load_part_or(const float *p, int64_t n, vf other) {
  return v_select((vm)v_part_mask(n), v_load_part(p, n), other);
}
static inline void v_store_part(float *p, vf x, int64_t n) {
  _mm256_maskstore_ps(p, v_part_mask(n), (__m256)x);
}
static inline vf v_round(vf x) {
  return (vf)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf v_floor(vf x) {
  return (vf)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
static inline vf v_sqrt(vf x) {
  return (vf)_mm256_sqrt_ps((__m256)x);
}
static inline vi v_to_int(vf x) {
  return (vi)_mm256_cvtps_epi32((__m256)x);
}
static inline vf v_from_int(vi x) {
  return (vf)_mm256_cvtepi32_ps((__m256i)x);
}
static inline vf v_zip_low(vf a, vf b) {
  __m256 low = _mm256_unpacklo_ps((__m256)a, (__m256)b), high = _mm256_unpackhi_ps((__m256)a, (__m256)b);
  return (vf)_mm256_permute2f128_ps(low, high, 0x20);
}
static inline vf v_zip_high(vf a, vf b) {
  __m256 low = _mm256_unpacklo_ps((__m256)a, (__m256)b), high = _mm256_unpackhi_ps((__m256)a, (__m256)b);
  return (vf)_mm256_permute2f128_ps(low, high, 0x31);
}
#else
typedef vi vm;
static inline vf v_select(vm mask, vf yes, vf no) {
  return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}
static inline vf v_load_part(const float *p, int64_t n) {
  vf x = {0};
  for (int64_t i = 0; i < n; i++) x[i] = p[i];
  return x;
}
static inline vf v_load_part_or(const float *p, int64_t n, vf other) {
  for (int64_t i = 0; i < n; i++) other[i] = p[i];
  return other;
}
static inline void v_store_part(float *p, vf x, int64_t n) {
  for (int64_t i = 0; i < n; i++) p[i] = x[i];
}
static inline vi v_to_int(vf x) {
  return (vi)_mm_cvtps_epi32((__m128)x);
}
static inline vf v_from_int(vi x) {
  return (vf)_mm_cvtepi32_ps((__m128i)x);
}
/* Values of 2^23 and more are whole; below, the conversion through int32 is exact. The sign of zero stays. */
static inline vf v_round(vf x) {
  vi sign = (vi)x & v_seti(INT32_MIN), small = (vf)((vi)x & v_seti(INT32_MAX)) < v_set(0x1p23f);
  vi whole = (vi)v_from_int(v_to_int(x)) | sign;
  return (vf)((small & whole) | (~small & (vi)x));
}
static inline vf v_floor(vf x) {
  vf whole = v_round(x);
  return v_select(whole > x, whole - v_set(1.0f), whole);
}
static inline vf v_sqrt(vf x) {
  return (vf)_mm_sqrt_ps((__m128)x);
}
static inline vf v_zip_low(vf a, vf b) {
  return (vf)_mm_unpacklo_ps((__m128)a, (__m128)b);
}
static inline vf v_zip_high(vf a, vf b) {
  return (vf)_mm_unpackhi_ps((__m128)a, (__m128)b);
}
#endif

/* One bit per lane. */
static inline unsigned v_bits(vm mask) {
#if defined(__AVX512F__)
  return mask;
#elif defined(__AVX2__)
  return (unsigned)_mm256_movemask_ps((__m256)mask);
#else
  return (unsigned)_mm_movemask_ps((__m128)mask);
#endif
}

#if defined(__AVX2__)
static inline vm v_lt(vf a, vf b) {
  return KD_COMPARE_(a, b, _CMP_LT_OQ);
}
static inline vm v_le(vf a, vf b) {
  return KD_COMPARE_(a, b, _CMP_LE_OQ);
}
static inline vm v_eq(vf a, vf b) {
  return KD_COMPARE_(a, b, _CMP_EQ_OQ);
}
static inline vm v_nan(vf x) {
  return KD_COMPARE_(x, x, _CMP_UNORD_Q);
}
#else
static inline vm v_lt(vf a, vf b) {
  return a < b;
}
static inline vm v_le(vf a, vf b) {
  return a <= b;
}
static inline vm v_eq(vf a, vf b) {
  return a == b;
}
static inline vm v_nan(vf x) {
  return x != x;
}
#endif

/* Loops over channels are written once for whole vectors (n is the constant KD_W) and for the tail. */
#define KD_INLINE static inline __attribute__((always_inline))
KD_INLINE vf v_load_n(const float *p, int64_t n) {
  return n < KD_W ? v_load_part(p, n) : v_load(p);
}
KD_INLINE void v_store_n(float *p, vf x, int64_t n) {
  if (n < KD_W)
    v_store_part(p, x, n);
  else
    v_store(p, x);
}

/* Transposes KD_W vectors: zipping row i with row i + KD_W/2 as often as KD_W can be halved does it. */
static inline void v_transpose(vf x[KD_W]) {
  vf y[KD_W];
  for (int width = 1; width < KD_W; width *= 2) {
    for (int i = 0; i < KD_W / 2; i++) {
      y[2 * i] = v_zip_low(x[i], x[i + KD_W / 2]);
      y[2 * i + 1] = v_zip_high(x[i], x[i + KD_W / 2]);
    }
    for (int i = 0; i < KD_W; i++) x[i] = y[i];
  }
}

static inline vf v_abs(vf x) {
  return (vf)((vi)x & v_seti(INT32_MAX));
}
static inline vf v_copysign(vf magnitude, vf sign) {
  return (vf)((vi)v_abs(magnitude) | ((vi)sign & v_seti(INT32_MIN)));
}
/* A NaN in either operand gives NaN. */
static inline vf v_max(vf a, vf b) {
  return v_select(v_lt(b, a) | v_nan(a), a, b);
}
static inline vf v_min(vf a, vf b) {
  return v_select(v_lt(a, b) | v_nan(a), a, b);
}

/* The larger one; b where either is a NaN. One instruction, for maxima whose NaNs show elsewhere. */
static inline vf v_max_number(vf a, vf b) {
#if defined(__AVX512F__)
  return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return (vf)_mm_max_ps((__m128)a, (__m128)b);
#endif
}

/* Lane i gets lane i + half of the first lanes; the other lanes are of no use. */
#if defined(__AVX512F__)
#define KD_FOLD_(x, half)                                                                                    \
  __builtin_shufflevector(x, x, half, half + 1, half + 2, half + 3, half + 4, half + 5, half + 6, half + 7,  \
                          8, 9, 10, 11, 12, 13, 14, 15)
#elif defined(__AVX2__)
#define KD_FOLD_(x, half) __builtin_shufflevector(x, x, half, half + 1, half + 2, half + 3, 4, 5, 6, 7)
#else
#define KD_FOLD_(x, half) __builtin_shufflevector(x, x, half, half + 1, 2, 3)
#endif

/* Halves are folded onto each other until one lane is left: a fixed order. */
#define KD_FOLD_ALL_(combine)                                                                                \
  if (KD_W > 8) combine(8 % KD_W);                                                                           \
  if (KD_W > 4) combine(4 % KD_W);                                                                           \
  combine(2);                                                                                                \
  combine(1);                                                                                                \
  return x[0]

/* Sum, largest and smallest of the lanes. A NaN in any lane gives NaN, but for v_largest_number. */
static inline float v_sum(vf x) {
#define KD_SUM_(half) x += (vf)KD_FOLD_(x, half)
  KD_FOLD_ALL_(KD_SUM_);
#undef KD_SUM_
}
static inline float v_largest(vf x) {
#define KD_LARGEST_(half) x = v_max(x, (vf)KD_FOLD_(x, half))
  KD_FOLD_ALL_(KD_LARGEST_);
#undef KD_LARGEST_
}
static inline float v_largest_number(vf x) {
#define KD_LARGEST_(half) x = v_max_number(x, (vf)KD_FOLD_(x, half))
  KD_FOLD_ALL_(KD_LARGEST_);
#undef KD_LARGEST_
}
static inline float v_smallest(vf x) {
#define KD_SMALLEST_(half) x = v_min(x, (vf)KD_FOLD_(x, half))
  KD_FOLD_ALL_(KD_SMALLEST_);
#undef KD_SMALLEST_
}

#endif
