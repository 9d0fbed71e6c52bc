/* Layer normalisation of rows: a row is read from the cache for the mean, the variance and the result. */
#include "device/cpu/channel_fold.h"
#include "device/cpu/vector_simd.h"

enum { GROUP = 4 }; /* rows whose part of dgamma and dbeta is added in registers */

/* --- forward -------------------------------------------------------------------------------------- */

/* Lanes of x - shift, or of its square; lanes from n on are 0. */
KD_INLINE vf deviation(const float *x, float shift, bool square, int64_t n) {
  vf by = v_set(shift), d = (n < KD_W ? v_load_part_or(x, n, by) : v_load(x)) - by;
  if (square) d *= d;
  return d;
}

/* Sum of x - shift over a row, or of its square. Four accumulators hide the latency of the additions. */
KD_INLINE float deviation_sum(const float *x, float shift, bool square, int64_t n) {
  vf sum[4] = {v_set(0.0f), v_set(0.0f), v_set(0.0f), v_set(0.0f)};
  int64_t i = 0;
  for (; i + 4 * KD_W <= n; i += 4 * KD_W)
    for (int k = 0; k < 4; k++) sum[k] += deviation(x + i + k * KD_W, shift, square, KD_W);
  for (; i + KD_W <= n; i += KD_W) sum[0] += deviation(x + i, shift, square, KD_W);
  if (i < n) sum[1] += deviation(x + i, shift, square, n - i);
  return v_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

KD_INLINE void write_part(const float *x, float mean, float rstd, const float *gamma, const float *beta,
                          float *y, int64_t n) {
  vf hat = (v_load_n(x, n) - v_set(mean)) * v_set(rstd);
  v_store_n(y, hat * v_load_n(gamma, n) + v_load_n(beta, n), n);
}

void KD_V(layer_norm)(int64_t n, float epsilon, const float *x, const float *gamma, const float *beta,
                      float *y, float *mean, float *rstd, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const float *from = x + row * n;
    float *to = y + row * n;
    /* The first element as shift keeps the digits of rows far from 0. */
    float centre = from[0] + deviation_sum(from, from[0], false, n) / (float)n;
    float variance = deviation_sum(from, centre, true, n) / (float)n;
    float scale = 1.0f / __builtin_sqrtf(variance + epsilon);
    int64_t i = 0;
    for (; i + KD_W <= n; i += KD_W) write_part(from + i, centre, scale, gamma + i, beta + i, to + i, KD_W);
    if (i < n) write_part(from + i, centre, scale, gamma + i, beta + i, to + i, n - i);
    mean[row] = centre;
    rstd[row] = scale;
  }
}

/* --- gradient ------------------------------------------------------------------------------------- */

/* What dx of a row needs: with g = dy gamma and h = (x - mean) rstd, the means of g and of g h. */
typedef struct row_values {
  float mean, rstd, g_mean, gh_mean;
} row_values;

KD_INLINE void add_part(const float *x, const float *dy, const float *gamma, float mean, int64_t n, vf *g,
                        vf *gh) {
  vf slope = v_load_n(dy, n) * v_load_n(gamma, n), centred = v_load_n(x, n) - v_set(mean);
  *g += slope;
  *gh += slope * centred; /* lanes from n on: slope is 0 there */
}

static inline row_values read_row(const float *x, const float *dy, const float *gamma, float mean, float rstd,
                                  int64_t n) {
  vf g[2] = {v_set(0.0f), v_set(0.0f)}, gh[2] = {v_set(0.0f), v_set(0.0f)};
  int64_t i = 0;
  for (; i + 2 * KD_W <= n; i += 2 * KD_W)
    for (int k = 0; k < 2; k++)
      add_part(x + i + k * KD_W, dy + i + k * KD_W, gamma + i + k * KD_W, mean, KD_W, &g[k], &gh[k]);
  for (; i + KD_W <= n; i += KD_W) add_part(x + i, dy + i, gamma + i, mean, KD_W, &g[0], &gh[0]);
  if (i < n) add_part(x + i, dy + i, gamma + i, mean, n - i, &g[1], &gh[1]);
  float count = (float)n;
  return (row_values){mean, rstd, v_sum(g[0] + g[1]) / count, v_sum(gh[0] + gh[1]) * rstd / count};
}

/* dx of `rows` rows at one place, and their part of the sums of dy and dy h. */
KD_INLINE void grad_place(const row_values *values, const float *x, const float *dy, const float *gamma,
                          int64_t rows, int64_t stride, int64_t n, float *dx, float *sums, float *products) {
  vf weight = v_load_n(gamma, n), sum = v_set(0.0f), product = v_set(0.0f);
  for (int64_t r = 0; r < rows; r++) {
    vf rstd = v_set(values[r].rstd), hat = (v_load_n(x + r * stride, n) - v_set(values[r].mean)) * rstd;
    vf slope = v_load_n(dy + r * stride, n);
    sum += slope;
    product += slope * hat;
    vf result = ((slope * weight - v_set(values[r].g_mean)) - hat * v_set(values[r].gh_mean)) * rstd;
    v_store_n(dx + r * stride, result, n);
  }
  v_store_n(sums, v_load_n(sums, n) + sum, n);
  v_store_n(products, v_load_n(products, n) + product, n);
}

KD_INLINE void grad_rows(const float *x, const float *gamma, const float *mean, const float *rstd,
                         const float *dy, int64_t rows, int64_t n, float *dx, float *sums, float *products) {
  row_values values[GROUP];
  for (int64_t r = 0; r < rows; r++) values[r] = read_row(x + r * n, dy + r * n, gamma, mean[r], rstd[r], n);
  int64_t i = 0;
  for (; i + KD_W <= n; i += KD_W)
    grad_place(values, x + i, dy + i, gamma + i, rows, n, KD_W, dx + i, sums + i, products + i);
  if (i < n) grad_place(values, x + i, dy + i, gamma + i, rows, n, n - i, dx + i, sums + i, products + i);
}

/* dx of the rows of blocks begin .. end-1, and each block's sums of dy and dy h. */
void KD_V(layer_norm_grad)(const kd_channel_fold *fold, const float *x, const float *gamma, const float *mean,
                           const float *rstd, const float *dy, float *dx, float *all, int64_t begin,
                           int64_t end) {
  int64_t n = fold->period, n_rows = fold->count / n;
  for (int64_t block = begin; block < end; block++) {
    float *sums = all + block * 2 * n, *products = sums + n;
    memset(sums, 0, (size_t)(2 * n) * sizeof(float));
    int64_t row = block * fold->block_rows, last = row + fold->block_rows;
    if (last > n_rows) last = n_rows;
    for (; row + GROUP <= last; row += GROUP)
      grad_rows(x + row * n, gamma, mean + row, rstd + row, dy + row * n, GROUP, n, dx + row * n, sums,
                products);
    for (; row < last; row++)
      grad_rows(x + row * n, gamma, mean + row, rstd + row, dy + row * n, 1, n, dx + row * n, sums, products);
  }
}
