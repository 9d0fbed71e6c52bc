/* Maximum, sums and scaling of a row, for vector_softmax.c, vector_xent.c and vector_attention.c. Four
 * accumulators hide the latency of the additions; their order depends on the length of the row only. */
#ifndef KD_CPU_VECTOR_ROWS_H
#define KD_CPU_VECTOR_ROWS_H

#include "device/cpu/vector_math.h"

/* NaNs are passed over: they come back in the sum of exponentials. */
static inline float row_largest(const float *x, int64_t n) {
  vf low = v_set(-__builtin_inff());
  vf best[4] = {low, low, low, low};
  int64_t i = 0;
  for (; i + 4 * KD_W <= n; i += 4 * KD_W)
    for (int k = 0; k < 4; k++) best[k] = v_max_number(v_load(x + i + k * KD_W), best[k]);
  for (; i + KD_W <= n; i += KD_W) best[0] = v_max_number(v_load(x + i), best[0]);
  if (i < n) best[1] = v_max_number(v_load_part_or(x + i, n - i, low), best[1]);
  return v_largest_number(v_max_number(v_max_number(best[0], best[1]), v_max_number(best[2], best[3])));
}

/* Sum of exp(x - shift); the terms are stored in e unless it is NULL. */
KD_INLINE float row_exp_sum(const float *x, float shift, int64_t n, float *e) {
  vf sum[4] = {v_set(0.0f), v_set(0.0f), v_set(0.0f), v_set(0.0f)}, by = v_set(shift);
  int64_t i = 0;
  for (; i + 4 * KD_W <= n; i += 4 * KD_W)
    for (int k = 0; k < 4; k++) {
      vf term = v_exp(v_load(x + i + k * KD_W) - by);
      if (e) v_store(e + i + k * KD_W, term);
      sum[k] += term;
    }
  for (; i + KD_W <= n; i += KD_W) {
    vf term = v_exp(v_load(x + i) - by);
    if (e) v_store(e + i, term);
    sum[0] += term;
  }
  if (i < n) {
    vf term = v_exp(v_load_part_or(x + i, n - i, v_set(-__builtin_inff())) - by);
    if (e) v_store_part(e + i, term, n - i);
    sum[1] += term;
  }
  return v_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

KD_INLINE void scale_row(float *y, float factor, int64_t n) {
  int64_t i = 0;
  for (; i + KD_W <= n; i += KD_W) v_store(y + i, v_load(y + i) * v_set(factor));
  if (i < n) v_store_part(y + i, v_load_part(y + i, n - i) * v_set(factor), n - i);
}

/* Sum of dy * y, or of dy alone. */
KD_INLINE float row_dot(const float *y, const float *dy, int64_t n, bool alone) {
  vf sum[4] = {v_set(0.0f), v_set(0.0f), v_set(0.0f), v_set(0.0f)};
  int64_t i = 0;
  for (; i + 4 * KD_W <= n; i += 4 * KD_W)
    for (int k = 0; k < 4; k++) {
      vf term = v_load(dy + i + k * KD_W);
      if (!alone) term *= v_load(y + i + k * KD_W);
      sum[k] += term;
    }
  for (; i < n; i += KD_W) {
    int64_t part = n - i < KD_W ? n - i : KD_W;
    vf term = v_load_n(dy + i, part);
    if (!alone) term *= v_load_n(y + i, part);
    sum[0] += term;
  }
  return v_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

#endif
