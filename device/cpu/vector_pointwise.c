/* Steps of pointwise programs: exact arithmetic, comparisons, selection. */
#include "device/cpu/vector_steps.h"

#include <math.h>

KD_STEP1(copy, x)
KD_STEP1(neg, -x)
KD_STEP1(abs, v_abs(x))
KD_STEP1(square, x *x)
KD_STEP1(sqrt, v_sqrt(x))
KD_STEP1(rsqrt, v_set(1.0f) / v_sqrt(x))
KD_STEP1(recip, v_set(1.0f) / x)
KD_STEP1(floor, v_floor(x))
KD_STEP1(round, v_round(x))
KD_STEP1(relu, v_select(v_lt(x, v_set(0.0f)), v_set(0.0f), x))
KD_STEP1(not, v_one_where(v_eq(x, v_set(0.0f))))
KD_STEP1(finite, v_one_where(v_lt(v_abs(x), v_set(INFINITY))))
/* The same bits as store_bf16 of vector_convert.c. */
static inline vf cut_to_bf16(vi bits) {
  return (vf)(bits & v_seti((int32_t)0xFFFF0000));
}
KD_STEP1(to_bf16, v_select(v_nan(x), cut_to_bf16((vi)x | v_seti(0x400000)),
                           cut_to_bf16((vi)x + v_seti(0x7FFF) + ((vi)x >> 16 & v_seti(1)))))
/* Zeros and NaN are their own sign. */
KD_STEP1(sign, v_select(v_eq(x, v_set(0.0f)) | v_nan(x), x, v_copysign(v_set(1.0f), x)))

KD_STEP2(add, x + y)
KD_STEP2(sub, x - y)
KD_STEP2(mul, x *y)
KD_STEP2(div, x / y)
KD_STEP2(max, v_max(x, y))
KD_STEP2(min, v_min(x, y))
KD_STEP2(lt, v_one_where(v_lt(x, y)))
KD_STEP2(le, v_one_where(v_le(x, y)))
KD_STEP2(eq, v_one_where(v_eq(x, y)))
KD_STEP2(and, v_select(v_eq(x, v_set(0.0f)) | v_eq(y, v_set(0.0f)), v_set(0.0f), v_set(1.0f)))
KD_STEP2(or, v_select(v_eq(x, v_set(0.0f)) & v_eq(y, v_set(0.0f)), v_set(0.0f), v_set(1.0f)))

KD_STEP3(select, v_select(v_eq(x, v_set(0.0f)), z, y))
KD_STEP3(fma, x *y + z)

/* fmod is exact for any quotient; the sign then follows the divisor, as NumPy and Python have it. */
static void step_mod(float *out, const float *a, const float *b, const float *c, int64_t n) {
  (void)c;
  for (int64_t i = 0; i < n; i++) {
    float divisor = b[i], rest = fmodf(a[i], divisor);
    if (rest != 0.0f && (rest < 0.0f) != (divisor < 0.0f)) rest += divisor;
    out[i] = rest;
  }
}

static void step_to_f16(float *out, const float *a, const float *b, const float *c, int64_t n) {
  enum { PART = 64 };
  uint16_t half[PART];
  (void)b, (void)c;
  for (int64_t i = 0; i < n; i += PART) {
    int64_t part = n - i < PART ? n - i : PART;
    KD_V(store_fn)(KD_F16)(half, a + i, part);
    KD_V(load_fn)(KD_F16)(out + i, half, part);
  }
}

kd_step_fn *KD_V(pointwise_step)(kd_pw op) {
  static kd_step_fn *const table[KD_N_PW] = {
      [KD_PW_COPY] = step_copy,     [KD_PW_NEG] = step_neg,         [KD_PW_ABS] = step_abs,
      [KD_PW_SIGN] = step_sign,     [KD_PW_SQUARE] = step_square,   [KD_PW_SQRT] = step_sqrt,
      [KD_PW_RSQRT] = step_rsqrt,   [KD_PW_RECIP] = step_recip,     [KD_PW_FLOOR] = step_floor,
      [KD_PW_ROUND] = step_round,   [KD_PW_RELU] = step_relu,       [KD_PW_NOT] = step_not,
      [KD_PW_FINITE] = step_finite, [KD_PW_TO_BF16] = step_to_bf16, [KD_PW_TO_F16] = step_to_f16,
      [KD_PW_ADD] = step_add,       [KD_PW_SUB] = step_sub,         [KD_PW_MUL] = step_mul,
      [KD_PW_DIV] = step_div,       [KD_PW_MAX] = step_max,         [KD_PW_MIN] = step_min,
      [KD_PW_MOD] = step_mod,       [KD_PW_LT] = step_lt,           [KD_PW_LE] = step_le,
      [KD_PW_EQ] = step_eq,         [KD_PW_AND] = step_and,         [KD_PW_OR] = step_or,
      [KD_PW_SELECT] = step_select, [KD_PW_FMA] = step_fma,
  };
  return table[op] ? table[op] : KD_V(pointwise_math_step)(op);
}
