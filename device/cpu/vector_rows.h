/* Maximum, sums and scaling of a row, for vector_softmax.c, vector_xent.c and vector_attention.c. Four
 * accumulators hide the latency of the additions; their order depends on the length of the row only. */
#ifndef KD_CPU_VECTOR_ROWS_H
#define KD_CPU_VECTOR_ROWS_H

#include "device/cpu/vector_element.h"
#include "device/cpu/vector_math.h"

/* NaNs are passed over: they come back in the sum of exponentials. */
KD_INLINE float row_largest(kd_dtype type, const void *x, int64_t n) {
  vf low = v_set(-__builtin_inff());
  vf best[4] = {low, low, low, low};
  int64_t i = 0;
  for (; i + 4 * KD_W <= n; i += 4 * KD_W)
    for (int k = 0; k < 4; k++) best[k] = v_max_number(e_load(type, x, i + k * KD_W, KD_W), best[k]);
  for (; i + KD_W <= n; i += KD_W) best[0] = v_max_number(e_load(type, x, i, KD_W), best[0]);
  if (i < n) best[1] = v_max_number(e_load_or(type, x, i, n - i, low), best[1]);
  return v_largest_number(v_max_number(v_max_number(best[0], best[1]), v_max_number(best[2], best[3])));
}

/* Sum of exp(x - shift); the terms are stored in e unless it is NULL. */
KD_INLINE float row_exp_sum(kd_dtype type, const void *x, float shift, int64_t n, float *e) {
  vf sum[4] = {v_set(0.0f), v_set(0.0f), v_set(0.0f), v_set(0.0f)}, by = v_set(shift);
  int64_t i = 0;
  for (; i + 4 * KD_W <= n; i += 4 * KD_W)
    for (int k = 0; k < 4; k++) {
      vf term = v_exp(e_load(type, x, i + k * KD_W, KD_W) - by);
      if (e) v_store(e + i + k * KD_W, term);
      sum[k] += term;
    }
  for (; i + KD_W <= n; i += KD_W) {
    vf term = v_exp(e_load(type, x, i, KD_W) - by);
    if (e) v_store(e + i, term);
    sum[0] += term;
  }
  if (i < n) {
    vf term = v_exp(e_load_or(type, x, i, n - i, v_set(-__builtin_inff())) - by);
    if (e) v_store_part(e + i, term, n - i);
    sum[1] += term;
  }
  return v_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

/* Terms of rows of half types stand in a buffer on the stack before they are rounded; longer rows compute
 * them again. */
enum { KEPT_ROW = 8192 };

KD_INLINE void store_row(kd_dtype type, const float *from, int64_t n, void *y) {
  for (int64_t i = 0; i < n; i += KD_W) {
    int64_t part = n - i < KD_W ? n - i : KD_W;
    e_store(type, y, i, v_load_n(from + i, part), part);
  }
}

/* y = exp(x - shift) factor, with the terms of row_exp_sum computed again. */
KD_INLINE void write_exp(kd_dtype type, const void *x, float shift, float factor, int64_t n, void *y) {
  vf by = v_set(shift);
  for (int64_t i = 0; i < n; i += KD_W) {
    int64_t part = n - i < KD_W ? n - i : KD_W;
    e_store(type, y, i, v_exp(e_load_or(type, x, i, part, by) - by) * v_set(factor), part);
  }
}

KD_INLINE void scale_row(float *y, float factor, int64_t n) {
  int64_t i = 0;
  for (; i + KD_W <= n; i += KD_W) v_store(y + i, v_load(y + i) * v_set(factor));
  if (i < n) v_store_part(y + i, v_load_part(y + i, n - i) * v_set(factor), n - i);
}

/* Sum of dy * y, or of dy alone. */
KD_INLINE float row_dot(kd_dtype type, const void *y, const void *dy, int64_t n, bool alone) {
  vf sum[4] = {v_set(0.0f), v_set(0.0f), v_set(0.0f), v_set(0.0f)};
  int64_t i = 0;
  for (; i + 4 * KD_W <= n; i += 4 * KD_W)
    for (int k = 0; k < 4; k++) {
      vf term = e_load(type, dy, i + k * KD_W, KD_W);
      if (!alone) term *= e_load(type, y, i + k * KD_W, KD_W);
      sum[k] += term;
    }
  for (; i < n; i += KD_W) {
    int64_t part = n - i < KD_W ? n - i : KD_W;
    vf term = e_load(type, dy, i, part);
    if (!alone) term *= e_load(type, y, i, part);
    sum[0] += term;
  }
  return v_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

#endif
