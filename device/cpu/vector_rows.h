/* Maximum, sums and scaling of a row, for vector_softmax.c, vector_xent.c and vector_attention.c. Four
 * accumulators hide the latency of the additions; their order depends on the length of the row only. */
#ifndef KD_CPU_VECTOR_ROWS_H
#define KD_CPU_VECTOR_ROWS_H

#include <float.h>

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

/* Largest element of what was read of a row, in all lanes, and the sum of exp(x - most) in four parts. */
typedef struct row_terms {
  vf most, sum[4];
} row_terms;

/* A larger element was found: the terms so far are scaled to it. */
KD_INLINE void row_raise(row_terms *r, float largest) {
  vf most = v_set(largest), factor = v_exp(r->most - most);
  for (int k = 0; k < 4; k++) r->sum[k] *= factor;
  r->most = most;
}

/* Vectors that stay in registers, of which there are 32 or 16, between the search for their largest element
 * and their exponentials. */
enum { ROW_BLOCK = KD_W == 16 ? 8 : 4 };

KD_INLINE void row_take_block(kd_dtype type, const void *x, int64_t i, row_terms *r) {
  vf part[ROW_BLOCK], best[2] = {r->most, r->most};
  for (int k = 0; k < ROW_BLOCK; k++) {
    part[k] = e_load(type, x, i + k * KD_W, KD_W);
    best[k % 2] = v_max_number(part[k], best[k % 2]);
  }
  best[0] = v_max_number(best[0], best[1]);
  if (v_bits(v_lt(r->most, best[0]))) row_raise(r, v_largest_number(best[0]));
  for (int k = 0; k < ROW_BLOCK; k++) r->sum[k % 4] += v_exp(part[k] - r->most);
}

/* Reads the row once. Without a number above -inf the sum is 0, from which losses and gradients become NaN as
 * they do from the NaN of row_exp_sum. */
KD_INLINE void row_measure_blocks(kd_dtype type, const void *x, int64_t n, float *most, float *sum) {
  row_terms r = {.most = v_set(-FLT_MAX)};
  int64_t i = 0;
  for (; i + ROW_BLOCK * KD_W <= n; i += ROW_BLOCK * KD_W) row_take_block(type, x, i, &r);
  const void *rest = e_at(type, x, i);
  float largest = row_largest(type, rest, n - i);
  if (largest > r.most[0]) row_raise(&r, largest);
  *most = r.most[0];
  *sum = v_sum((r.sum[0] + r.sum[1]) + (r.sum[2] + r.sum[3])) + row_exp_sum(type, rest, *most, n - i, NULL);
}

/* Of shorter rows a second reading, from the nearest cache, costs less than to scale the sums. */
enum { LONG_ROW = 1024 };

/* Largest element and sum of exp(x - most). */
KD_INLINE void row_measure(kd_dtype type, const void *x, int64_t n, float *most, float *sum) {
  if (n >= LONG_ROW) {
    row_measure_blocks(type, x, n, most, sum);
    return;
  }
  *most = row_largest(type, x, n);
  *sum = row_exp_sum(type, x, *most, n, NULL);
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
