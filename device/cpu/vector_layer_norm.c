/* Layer normalisation of rows: a row is read from the cache for the mean, the variance and the result. */
#include "device/cpu/channel_fold.h"
#include "device/cpu/vector_element.h"

enum { GROUP = 4 }; /* rows whose part of dgamma and dbeta is added in registers */

/* --- forward -------------------------------------------------------------------------------------- */

/* Lanes of x - shift, or of its square; lanes from n on are 0. */
KD_INLINE vf deviation(kd_dtype type, const void *x, int64_t i, float shift, bool square, int64_t n) {
  vf by = v_set(shift), d = e_load_or(type, x, i, n, by) - by;
  if (square) d *= d;
  return d;
}

/* Sum of x - shift over a row, or of its square. Four accumulators hide the latency of the additions. */
KD_INLINE float deviation_sum(kd_dtype type, const void *x, float shift, bool square, int64_t n) {
  vf sum[4] = {v_set(0.0f), v_set(0.0f), v_set(0.0f), v_set(0.0f)};
  int64_t i = 0;
  for (; i + 4 * KD_W <= n; i += 4 * KD_W)
    for (int k = 0; k < 4; k++) sum[k] += deviation(type, x, i + k * KD_W, shift, square, KD_W);
  for (; i + KD_W <= n; i += KD_W) sum[0] += deviation(type, x, i, shift, square, KD_W);
  if (i < n) sum[1] += deviation(type, x, i, shift, square, n - i);
  return v_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

KD_INLINE void write_part(kd_dtype type, const void *x, int64_t i, float mean, float rstd, const float *gamma,
                          const float *beta, void *y, int64_t n) {
  vf hat = (e_load(type, x, i, n) - v_set(mean)) * v_set(rstd);
  e_store(type, y, i, hat * v_load_n(gamma + i, n) + v_load_n(beta + i, n), n);
}

KD_INLINE void norm_rows(kd_dtype type, int64_t n, float epsilon, const void *x, const float *gamma,
                         const float *beta, void *y, float *mean, float *rstd, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const void *from = e_at(type, x, row * n);
    void *to = e_place(type, y, row * n);
    /* The first element as shift keeps the digits of rows far from 0. */
    float shift = e_value(type, from, 0);
    float centre = shift + deviation_sum(type, from, shift, false, n) / (float)n;
    float variance = deviation_sum(type, from, centre, true, n) / (float)n;
    float scale = 1.0f / __builtin_sqrtf(variance + epsilon);
    int64_t i = 0;
    for (; i + KD_W <= n; i += KD_W) write_part(type, from, i, centre, scale, gamma, beta, to, KD_W);
    if (i < n) write_part(type, from, i, centre, scale, gamma, beta, to, n - i);
    mean[row] = centre;
    rstd[row] = scale;
  }
}

void KD_V(layer_norm)(kd_dtype type, int64_t n, float epsilon, const void *x, const float *gamma,
                      const float *beta, void *y, float *mean, float *rstd, int64_t begin, int64_t end) {
#define NORM(T) norm_rows(T, n, epsilon, x, gamma, beta, y, mean, rstd, begin, end)
  KD_FOR_TYPE(type, NORM)
#undef NORM
}

/* --- gradient ------------------------------------------------------------------------------------- */

/* What dx of a row needs: with g = dy gamma and h = (x - mean) rstd, the means of g and of g h. */
typedef struct row_values {
  float mean, rstd, g_mean, gh_mean;
} row_values;

KD_INLINE void add_part(kd_dtype type, const void *x, const void *dy, const float *gamma, int64_t i,
                        float mean, int64_t n, vf *g, vf *gh) {
  vf slope = e_load(type, dy, i, n) * v_load_n(gamma + i, n), centred = e_load(type, x, i, n) - v_set(mean);
  *g += slope;
  *gh += slope * centred; /* lanes from n on: slope is 0 there */
}

KD_INLINE row_values read_row(kd_dtype type, const void *x, const void *dy, const float *gamma, float mean,
                              float rstd, int64_t n) {
  vf g[2] = {v_set(0.0f), v_set(0.0f)}, gh[2] = {v_set(0.0f), v_set(0.0f)};
  int64_t i = 0;
  for (; i + 2 * KD_W <= n; i += 2 * KD_W)
    for (int k = 0; k < 2; k++) add_part(type, x, dy, gamma, i + k * KD_W, mean, KD_W, &g[k], &gh[k]);
  for (; i + KD_W <= n; i += KD_W) add_part(type, x, dy, gamma, i, mean, KD_W, &g[0], &gh[0]);
  if (i < n) add_part(type, x, dy, gamma, i, mean, n - i, &g[1], &gh[1]);
  float count = (float)n;
  return (row_values){mean, rstd, v_sum(g[0] + g[1]) / count, v_sum(gh[0] + gh[1]) * rstd / count};
}

/* dx of `rows` rows at one place, and their part of the sums of dy and dy h. */
KD_INLINE void grad_place(kd_dtype type, const row_values *values, const void *x, const void *dy,
                          const float *gamma, int64_t i, int64_t rows, int64_t stride, int64_t n, void *dx,
                          float *sums, float *products) {
  vf weight = v_load_n(gamma + i, n), sum = v_set(0.0f), product = v_set(0.0f);
  for (int64_t r = 0; r < rows; r++) {
    vf rstd = v_set(values[r].rstd),
       hat = (e_load(type, x, i + r * stride, n) - v_set(values[r].mean)) * rstd;
    vf slope = e_load(type, dy, i + r * stride, n);
    sum += slope;
    product += slope * hat;
    vf result = ((slope * weight - v_set(values[r].g_mean)) - hat * v_set(values[r].gh_mean)) * rstd;
    e_store(type, dx, i + r * stride, result, n);
  }
  v_store_n(sums + i, v_load_n(sums + i, n) + sum, n);
  v_store_n(products + i, v_load_n(products + i, n) + product, n);
}

KD_INLINE void grad_rows(kd_dtype type, const void *x, const float *gamma, const float *mean,
                         const float *rstd, const void *dy, int64_t rows, int64_t n, void *dx, float *sums,
                         float *products) {
  row_values values[GROUP];
  for (int64_t r = 0; r < rows; r++)
    values[r] = read_row(type, e_at(type, x, r * n), e_at(type, dy, r * n), gamma, mean[r], rstd[r], n);
  int64_t i = 0;
  for (; i + KD_W <= n; i += KD_W)
    grad_place(type, values, x, dy, gamma, i, rows, n, KD_W, dx, sums, products);
  if (i < n) grad_place(type, values, x, dy, gamma, i, rows, n, n - i, dx, sums, products);
}

KD_INLINE void grad_blocks(kd_dtype type, const kd_channel_fold *fold, const void *x, const float *gamma,
                           const float *mean, const float *rstd, const void *dy, void *dx, float *all,
                           int64_t begin, int64_t end) {
  int64_t n = fold->period, n_rows = fold->count / n;
  for (int64_t block = begin; block < end; block++) {
    float *sums = all + block * 2 * n, *products = sums + n;
    memset(sums, 0, (size_t)(2 * n) * sizeof(float));
    int64_t row = block * fold->block_rows, last = row + fold->block_rows;
    if (last > n_rows) last = n_rows;
    for (; row + GROUP <= last; row += GROUP)
      grad_rows(type, e_at(type, x, row * n), gamma, mean + row, rstd + row, e_at(type, dy, row * n), GROUP,
                n, e_place(type, dx, row * n), sums, products);
    for (; row < last; row++)
      grad_rows(type, e_at(type, x, row * n), gamma, mean + row, rstd + row, e_at(type, dy, row * n), 1, n,
                e_place(type, dx, row * n), sums, products);
  }
}

/* dx of the rows of blocks begin .. end-1, and each block's sums of dy and dy h. */
void KD_V(layer_norm_grad)(kd_dtype type, const kd_channel_fold *fold, const void *x, const float *gamma,
                           const float *mean, const float *rstd, const void *dy, void *dx, float *all,
                           int64_t begin, int64_t end) {
#define GRAD(T) grad_blocks(T, fold, x, gamma, mean, rstd, dy, dx, all, begin, end)
  KD_FOR_TYPE(type, GRAD)
#undef GRAD
}
