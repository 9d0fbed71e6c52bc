/* Conversions between float32 and every other type. Each value is rounded on its own, so the compiler may
 * vectorise these loops in any way. */
#include "device/base/half.h"
#include "device/cpu/vector_simd.h"

void KD_V(fill)(float *out, float value, int64_t n) {
  int64_t i = 0;
  for (; i + KD_W <= n; i += KD_W) v_store(out + i, v_set(value));
  if (i < n) v_store_part(out + i, v_set(value), n - i);
}

/* --- to float -------------------------------------------------------------------------------------- */

#define KD_LOAD(name, type)                                                                                  \
  static void load_##name(float *out, const void *from, int64_t n) {                                         \
    const type *x = from;                                                                                    \
    for (int64_t i = 0; i < n; i++) out[i] = (float)x[i];                                                    \
  }
KD_LOAD(f64, double)
KD_LOAD(i32, int32_t)
KD_LOAD(i64, int64_t)
KD_LOAD(u8, uint8_t)
KD_LOAD(u32, uint32_t)

static void load_f32(float *out, const void *from, int64_t n) {
  const float *x = from;
  int64_t i = 0;
  for (; i + KD_W <= n; i += KD_W) v_store(out + i, v_load(x + i));
  if (i < n) v_store_part(out + i, v_load_part(x + i, n - i), n - i);
}

static void load_bf16(float *out, const void *from, int64_t n) {
  const uint16_t *x = from;
  for (int64_t i = 0; i < n; i++) out[i] = kd_bf16_value(x[i]);
}

/* --- from float ------------------------------------------------------------------------------------ */

/* Values beyond the range give its ends and NaN gives 0; `low` and `high` are floats inside the range. */
#define KD_STORE_INTEGER(name, type, low, high, least, most)                                                 \
  static void store_##name(void *out, const float *from, int64_t n) {                                        \
    type *y = out;                                                                                           \
    for (int64_t i = 0; i < n; i++) {                                                                        \
      float x = from[i] == from[i] ? from[i] : 0.0f;                                                         \
      type cut = (type)(x < (low) ? (low) : x > (high) ? (high) : x);                                        \
      y[i] = x < (low) ? (least) : x > (high) ? (most) : cut;                                                \
    }                                                                                                        \
  }
KD_STORE_INTEGER(i32, int32_t, -0x1p31f, 0x1.fffffep30f, INT32_MIN, INT32_MAX)
KD_STORE_INTEGER(i64, int64_t, -0x1p63f, 0x1.fffffep62f, INT64_MIN, INT64_MAX)
KD_STORE_INTEGER(u32, uint32_t, 0.0f, 0x1.fffffep31f, 0, UINT32_MAX)
KD_STORE_INTEGER(u8, uint8_t, 0.0f, 255.0f, 0, 255)

static void store_f32(void *out, const float *from, int64_t n) {
  load_f32(out, from, n);
}

static void store_f64(void *out, const float *from, int64_t n) {
  double *y = out;
  for (int64_t i = 0; i < n; i++) y[i] = from[i];
}

static void store_bf16(void *out, const float *from, int64_t n) {
  uint16_t *y = out;
  for (int64_t i = 0; i < n; i++) y[i] = kd_bf16_bits(from[i]);
}

/* --- float16 --------------------------------------------------------------------------------------- */

#if defined(__F16C__)
enum { HALF_W = 8 };

static void load_f16(float *out, const void *from, int64_t n) {
  const uint16_t *x = from;
  int64_t i = 0;
  for (; i + HALF_W <= n; i += HALF_W) {
    __m256 wide = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + i)));
    _mm256_storeu_ps(out + i, wide);
  }
  for (; i < n; i++) out[i] = _cvtsh_ss(x[i]);
}

static void store_f16(void *out, const float *from, int64_t n) {
  uint16_t *y = out;
  int64_t i = 0;
  for (; i + HALF_W <= n; i += HALF_W) {
    __m128i narrow = _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128((__m128i *)(y + i), narrow);
  }
  for (; i < n; i++) y[i] = (uint16_t)_cvtss_sh(from[i], _MM_FROUND_TO_NEAREST_INT);
}
#else
static void load_f16(float *out, const void *from, int64_t n) {
  const uint16_t *x = from;
  for (int64_t i = 0; i < n; i++) out[i] = kd_f16_value(x[i]);
}

static void store_f16(void *out, const float *from, int64_t n) {
  uint16_t *y = out;
  for (int64_t i = 0; i < n; i++) y[i] = kd_f16_bits(from[i]);
}
#endif

/* --- tables ---------------------------------------------------------------------------------------- */

kd_load_fn *KD_V(load_fn)(kd_dtype dtype) {
  static kd_load_fn *const table[KD_N_DTYPES] = {
      [KD_F32] = load_f32, [KD_BF16] = load_bf16, [KD_F16] = load_f16, [KD_F64] = load_f64,
      [KD_I32] = load_i32, [KD_I64] = load_i64,   [KD_U8] = load_u8,   [KD_U32] = load_u32,
  };
  return table[dtype];
}

kd_store_fn *KD_V(store_fn)(kd_dtype dtype) {
  static kd_store_fn *const table[KD_N_DTYPES] = {
      [KD_F32] = store_f32, [KD_BF16] = store_bf16, [KD_F16] = store_f16, [KD_F64] = store_f64,
      [KD_I32] = store_i32, [KD_I64] = store_i64,   [KD_U8] = store_u8,   [KD_U32] = store_u32,
  };
  return table[dtype];
}
