/* Random numbers: device/base/rng.h for as many counters at once as a vector has lanes. */
#include "device/base/rng.h"
#include "device/cpu/vector_math.h"

typedef uint64_t vl __attribute__((vector_size(KD_W * 4), may_alias));

/* Low and high words of the products of 32-bit lanes with a constant. */
static inline vu v_multiply(vu x, uint32_t factor, vu *high) {
  vl even = (vl)x & 0xFFFFFFFFu, odd = (vl)x >> 32;
  vl f = (uint64_t)factor - (vl){0};
#if defined(__AVX512F__)
  even = (vl)_mm512_mul_epu32((__m512i)even, (__m512i)f);
  odd = (vl)_mm512_mul_epu32((__m512i)odd, (__m512i)f);
#elif defined(__AVX2__)
  even = (vl)_mm256_mul_epu32((__m256i)even, (__m256i)f);
  odd = (vl)_mm256_mul_epu32((__m256i)odd, (__m256i)f);
#else
  even = (vl)_mm_mul_epu32((__m128i)even, (__m128i)f);
  odd = (vl)_mm_mul_epu32((__m128i)odd, (__m128i)f);
#endif
  *high = (vu)((even >> 32) | (odd & 0xFFFFFFFF00000000u));
  return (vu)((even & 0xFFFFFFFFu) | (odd << 32));
}

static inline void v_philox(vu c[4], uint64_t key) {
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int round = 0; round < 10; round++) {
    vu high0, high1;
    vu low0 = v_multiply(c[0], 0xD2511F53u, &high0), low1 = v_multiply(c[2], 0xCD9E8D57u, &high1);
    vu n0 = high1 ^ c[1] ^ k0, n2 = high0 ^ c[3] ^ k1;
    c[1] = low1;
    c[3] = low0;
    c[0] = n0;
    c[2] = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

static inline vf v_uniform(vu bits) {
  return v_from_int((vi)(bits >> 8)) * v_set(0x1p-24f);
}

/* Cosine and sine of 2 pi u for 0 <= u < 1: quarter turns are exact, polynomials of Cephes's sinf and cosf do
 * the rest. */
static inline void v_turn(vf u, vf *cosine, vf *sine) {
  vf t = u * v_set(4.0f), quarter = v_round(t);
  vf f = (t - quarter) * v_set(1.57079632679f), z = f * f;
  vf s = v_set(-1.9515295891e-4f) * z + v_set(8.3321608736e-3f);
  s = s * z + v_set(-1.6666654611e-1f);
  s = s * z * f + f;
  vf c = v_set(2.443315711809948e-5f) * z + v_set(-1.388731625493765e-3f);
  c = c * z + v_set(4.166664568298827e-2f);
  c = c * (z * z) + (v_set(1.0f) - v_set(0.5f) * z);
  vi q = v_to_int(quarter);
  vm swap = v_eq(v_from_int(q & 1), v_set(1.0f));
  vi sine_sign = (q & 2) << 30, cosine_sign = ((q + 1) & 2) << 30;
  *cosine = (vf)((vi)v_select(swap, s, c) ^ cosine_sign);
  *sine = (vf)((vi)v_select(swap, c, s) ^ sine_sign);
}

/* Box and Muller: two uniform numbers to two normal ones. */
static inline void v_normal_pair(vu bits0, vu bits1, vf *even, vf *odd) {
  vf radius = v_sqrt(v_set(-2.0f) * v_log(v_set(1.0f) - v_uniform(bits0)));
  vf cosine, sine;
  v_turn(v_uniform(bits1), &cosine, &sine);
  *even = radius * cosine;
  *odd = radius * sine;
}

/* Lanes of four vectors, in turn: x[0][0], x[1][0], x[2][0], x[3][0], x[0][1] ... */
static inline void v_store_interleaved(float *out, const vf x[4]) {
  vf ac0 = v_zip_low(x[0], x[2]), ac1 = v_zip_high(x[0], x[2]);
  vf bd0 = v_zip_low(x[1], x[3]), bd1 = v_zip_high(x[1], x[3]);
  v_store(out, v_zip_low(ac0, bd0));
  v_store(out + KD_W, v_zip_high(ac0, bd0));
  v_store(out + 2 * KD_W, v_zip_low(ac1, bd1));
  v_store(out + 3 * KD_W, v_zip_high(ac1, bd1));
}

typedef void draw_fn(vf number[4], vu word[4]);

static inline void draw_uniform(vf number[4], vu word[4]) {
  for (int i = 0; i < 4; i++) number[i] = v_uniform(word[i]);
}

static inline void draw_normal(vf number[4], vu word[4]) {
  v_normal_pair(word[0], word[1], &number[0], &number[1]);
  v_normal_pair(word[2], word[3], &number[2], &number[3]);
}

static inline void draw_blocks(float *out, const kd_counters *counters, int64_t n, uint64_t key,
                               draw_fn *draw) {
  for (int64_t i = 0; i < n; i += KD_W) {
    int64_t left = n - i < KD_W ? n - i : KD_W;
    vu word[4];
    for (int k = 0; k < 4; k++) {
      const float *from = (const float *)(counters->word[k] + i); /* only the bits are moved */
      word[k] = (vu)(left == KD_W ? v_load(from) : v_load_part(from, left));
    }
    v_philox(word, key);
    vf number[4];
    draw(number, word);
    if (left == KD_W) {
      v_store_interleaved(out + 4 * i, number);
    } else {
      float part[4 * KD_W];
      v_store_interleaved(part, number);
      memcpy(out + 4 * i, part, (size_t)left * 4 * sizeof(float));
    }
  }
}

void KD_V(uniform)(float *out, const kd_counters *counters, int64_t n_blocks, uint64_t key) {
  draw_blocks(out, counters, n_blocks, key, draw_uniform);
}

void KD_V(normal)(float *out, const kd_counters *counters, int64_t n_blocks, uint64_t key) {
  draw_blocks(out, counters, n_blocks, key, draw_normal);
}
