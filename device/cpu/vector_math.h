/* Elementary functions on vectors, for vector_*.c. Largest errors are in tests/ops/test_math.c; all are right
 * at infinities, NaN, zero and subnormal numbers. Sine, cosine and powers come from libmvec, which is called
 * by its symbols because glibc declares them for -ffast-math only. */
#ifndef KD_CPU_VECTOR_MATH_H
#define KD_CPU_VECTOR_MATH_H

#include "device/cpu/vector_simd.h"

#if defined(__AVX512F__)
__m512 _ZGVeN16v_sinf(__m512 x);
__m512 _ZGVeN16v_cosf(__m512 x);
__m512 _ZGVeN16vv_powf(__m512 x, __m512 y);
static inline vf v_sin(vf x) {
  return (vf)_ZGVeN16v_sinf((__m512)x);
}
static inline vf v_cos(vf x) {
  return (vf)_ZGVeN16v_cosf((__m512)x);
}
static inline vf v_pow(vf x, vf y) {
  return (vf)_ZGVeN16vv_powf((__m512)x, (__m512)y);
}
/* x * 2^n for whole n, rounded once also where the result is subnormal. */
static inline vf v_scale(vf x, vf n) {
  return (vf)_mm512_scalef_ps((__m512)x, (__m512)n);
}
#else
#if defined(__AVX2__)
__m256 _ZGVdN8v_sinf(__m256 x);
__m256 _ZGVdN8v_cosf(__m256 x);
__m256 _ZGVdN8vv_powf(__m256 x, __m256 y);
static inline vf v_sin(vf x) {
  return (vf)_ZGVdN8v_sinf((__m256)x);
}
static inline vf v_cos(vf x) {
  return (vf)_ZGVdN8v_cosf((__m256)x);
}
static inline vf v_pow(vf x, vf y) {
  return (vf)_ZGVdN8vv_powf((__m256)x, (__m256)y);
}
#else
__m128 _ZGVbN4v_sinf(__m128 x);
__m128 _ZGVbN4v_cosf(__m128 x);
__m128 _ZGVbN4vv_powf(__m128 x, __m128 y);
static inline vf v_sin(vf x) {
  return (vf)_ZGVbN4v_sinf((__m128)x);
}
static inline vf v_cos(vf x) {
  return (vf)_ZGVbN4v_cosf((__m128)x);
}
static inline vf v_pow(vf x, vf y) {
  return (vf)_ZGVbN4vv_powf((__m128)x, (__m128)y);
}
#endif
/* Two factors, since 2^n alone may be outside the range of normal numbers. */
static inline vf v_scale(vf x, vf n) {
  vi whole = v_to_int(n), half = whole >> 1, rest = whole - half;
  return x * (vf)((half + 127) << 23) * (vf)((rest + 127) << 23);
}
#endif

/* x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts (Cody and Waite). */
static inline vf v_split_exponent(vf x, vf *n) {
  *n = v_round(x * v_set(0x1.715476p0f));
  return (x - *n * v_set(0x1.62e4p-1f)) - *n * v_set(0x1.7f7d1cp-20f);
}

/* exp(r) - 1 for |r| <= ln 2 / 2; coefficients of Cephes's expf. */
static inline vf v_expm1_core(vf r) {
  vf p = v_set(1.9875691500e-4f);
  p = p * r + v_set(1.3981999507e-3f);
  p = p * r + v_set(8.3334519073e-3f);
  p = p * r + v_set(4.1665795894e-2f);
  p = p * r + v_set(1.6666665459e-1f);
  p = p * r + v_set(5.0000001201e-1f);
  return p * (r * r) + r;
}

/* The comparisons let NaN pass. */
static inline vf v_clamp(vf x, float low, float high) {
  x = v_select(v_lt(x, v_set(low)), v_set(low), x);
  return v_select(v_lt(v_set(high), x), v_set(high), x);
}

static inline vf v_exp(vf x) {
  vf n, r = v_split_exponent(v_clamp(x, -104.0f, 89.0f), &n);
  return v_scale(v_expm1_core(r) + v_set(1.0f), n);
}

/* 2^n (e + 1) - 1 for e = exp(r) - 1. Half of it is formed, since 2^128 is not a float. */
static inline vf v_expm1(vf x) {
  vf n, r = v_split_exponent(v_clamp(x, -40.0f, 89.0f), &n);
  vf half = v_scale(v_set(0.5f), n);
  vf y = half * v_expm1_core(r) + (half - v_set(0.5f));
  return v_select(v_eq(x, v_set(0.0f)), x, y + y);
}

/* log(1 + f) for sqrt(1/2) - 1 <= f <= sqrt(2) - 1, plus k ln 2; coefficients of Cephes's logf. */
static inline vf v_log_core(vf f, vf k) {
  vf z = f * f, p = v_set(7.0376836292e-2f);
  p = p * f + v_set(-1.1514610310e-1f);
  p = p * f + v_set(1.1676998740e-1f);
  p = p * f + v_set(-1.2420140846e-1f);
  p = p * f + v_set(1.4249322787e-1f);
  p = p * f + v_set(-1.6668057665e-1f);
  p = p * f + v_set(2.0000714765e-1f);
  p = p * f + v_set(-2.4999993993e-1f);
  p = p * f + v_set(3.3333331174e-1f);
  vf y = f * z * p + k * v_set(-2.12194440e-4f);
  y = y - v_set(0.5f) * z;
  return (f + y) + k * v_set(0.693359375f);
}

/* x = m 2^k with sqrt(1/2) <= m < sqrt(2), for normal x > 0. */
static inline vf v_split_mantissa(vf x, vi *k) {
  vu bits = (vu)x + (0x3F800000u - 0x3F3504F3u); /* infinities and NaN may wrap */
  *k = ((vi)bits >> 23) - 127;
  return (vf)((bits & 0x7FFFFFu) + 0x3F3504F3u);
}

/* y where 0 < x < inf; what log says of x elsewhere. */
static inline vf v_log_ends(vf x, vf y) {
  vf zero = v_set(0.0f), infinity = v_set(__builtin_inff());
  vf end = v_select(v_eq(x, zero), -infinity, v_select(v_lt(x, zero), v_set(__builtin_nanf("")), x));
  return v_select(v_lt(zero, x) & v_lt(x, infinity), y, end);
}

static inline vf v_log(vf x) {
  vm tiny = v_lt(x, v_set(0x1p-126f));
  vi k;
  vf m = v_split_mantissa(v_select(tiny, x * v_set(0x1p23f), x), &k);
  vf exponent = v_from_int(k) - v_select(tiny, v_set(23.0f), v_set(0.0f));
  return v_log_ends(x, v_log_core(m - v_set(1.0f), exponent));
}

/* With 1 + x = m 2^k: m - 1 = x 2^-k + (2^-k - 1), which keeps the bits of x that 1 + x has lost. */
static inline vf v_log1p(vf x) {
  vf u = x + v_set(1.0f);
  vi k;
  vf m = v_split_mantissa(u, &k);
  vf scale = (vf)((127 - k) << 23);
  vf f = x * scale + (scale - v_set(1.0f));
  f = v_select(v_lt(v_set(0x1p40f), x), m - v_set(1.0f), f);
  vf y = v_log_ends(u, v_log_core(f, v_from_int(k)));
  return v_select(v_eq(x, v_set(0.0f)), x, y);
}

/* -t / (2 + t) with t = exp(-2|x|) - 1: no cancellation, no overflow. */
static inline vf v_tanh(vf x) {
  vf t = v_expm1(v_set(-2.0f) * v_abs(x));
  return v_copysign(t / (t + v_set(2.0f)), x);
}

/* With e = exp(-|x|): e / (1 + e) below 0, 1 / (1 + e) above. */
static inline vf v_sigmoid(vf x) {
  vf one = v_set(1.0f), e = v_exp(-v_abs(x));
  return v_select(v_lt(x, v_set(0.0f)), e, one) / (one + e);
}

/* max(x, 0) + log(1 + e) with e = exp(-|x|); 1 + e <= 2 needs no more than the choice between e and
 * (1 + e) / 2 - 1 for the polynomial. */
static inline vf v_softplus(vf x) {
  vf zero = v_set(0.0f), positive = v_select(v_lt(x, zero), zero, x), e = v_exp(-v_abs(x));
  vm large = v_lt(v_set(0x1.a8279ap-2f), e); /* sqrt(2) - 1 */
  vf f = v_select(large, v_set(0.5f) * e - v_set(0.5f), e);
  return positive + v_log_core(f, v_select(large, v_set(1.0f), zero));
}

/* Two minimax polynomials (the form is by N. Juffa): x + x p(x^2) near 0, 1 - exp(-q(|x|)) beyond. */
static inline vf v_erf(vf x) {
  vf t = v_abs(x), s = x * x;
  vf near = v_set(-5.96761703e-4f);
  near = near * s + v_set(4.99119423e-3f);
  near = near * s + v_set(-2.67681349e-2f);
  near = near * s + v_set(1.12819925e-1f);
  near = near * s + v_set(-3.76125336e-1f);
  near = near * s + v_set(1.28379166e-1f);
  near = near * x + x;
  vf c = v_select(v_lt(v_set(4.0f), t), v_set(4.0f), t);
  vf far = v_set(-1.72853470e-5f);
  far = far * c + v_set(3.83197126e-4f);
  vf low = v_set(-3.88396438e-3f) * c + v_set(2.42546219e-2f);
  far = far * (c * c) + low;
  far = far * c + v_set(-1.06777877e-1f);
  far = far * c + v_set(-6.34846687e-1f);
  far = far * c + v_set(-1.28717512e-1f);
  far = far * c - c;
  far = v_copysign(v_set(1.0f) - v_exp(far), x);
  return v_select(v_lt(v_set(0.927734375f), t), far, near);
}

#endif
