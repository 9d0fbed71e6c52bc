/* How a step of a pointwise program is written: an expression over vectors x, y, z becomes a kd_step_fn. */
#ifndef KD_CPU_VECTOR_STEPS_H
#define KD_CPU_VECTOR_STEPS_H

#include "device/cpu/vector_simd.h"

static inline vf v_one_where(vm mask) {
  return v_select(mask, v_set(1.0f), v_set(0.0f));
}

#define KD_STEP1(name, expression)                                                                           \
  static inline vf apply_##name(vf x) {                                                                      \
    return expression;                                                                                       \
  }                                                                                                          \
  static void step_##name(float *out, const float *a, const float *b, const float *c, int64_t n) {           \
    (void)b, (void)c;                                                                                        \
    int64_t i = 0;                                                                                           \
    for (; i + KD_W <= n; i += KD_W) v_store(out + i, apply_##name(v_load(a + i)));                          \
    if (i < n) v_store_part(out + i, apply_##name(v_load_part(a + i, n - i)), n - i);                        \
  }

#define KD_STEP2(name, expression)                                                                           \
  static inline vf apply_##name(vf x, vf y) {                                                                \
    return expression;                                                                                       \
  }                                                                                                          \
  static void step_##name(float *out, const float *a, const float *b, const float *c, int64_t n) {           \
    (void)c;                                                                                                 \
    int64_t i = 0;                                                                                           \
    for (; i + KD_W <= n; i += KD_W) v_store(out + i, apply_##name(v_load(a + i), v_load(b + i)));           \
    if (i == n) return;                                                                                      \
    v_store_part(out + i, apply_##name(v_load_part(a + i, n - i), v_load_part(b + i, n - i)), n - i);        \
  }

#define KD_STEP3(name, expression)                                                                           \
  static inline vf apply_##name(vf x, vf y, vf z) {                                                          \
    return expression;                                                                                       \
  }                                                                                                          \
  static void step_##name(float *out, const float *a, const float *b, const float *c, int64_t n) {           \
    int64_t i = 0;                                                                                           \
    for (; i + KD_W <= n; i += KD_W)                                                                         \
      v_store(out + i, apply_##name(v_load(a + i), v_load(b + i), v_load(c + i)));                           \
    if (i == n) return;                                                                                      \
    vf x = v_load_part(a + i, n - i), y = v_load_part(b + i, n - i), z = v_load_part(c + i, n - i);          \
    v_store_part(out + i, apply_##name(x, y, z), n - i);                                                     \
  }

#endif
