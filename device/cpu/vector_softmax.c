/* Softmax and log-softmax of rows. A row is read again from the cache for each pass over it. */
#include "device/cpu/vector_rows.h"

/* y = (x - shift) - log(sum): two steps, because the sum of both numbers would lose the logarithm's last
 * bits. */
KD_INLINE void log_row(const float *x, float shift, float sum, int64_t n, float *y) {
  vf largest = v_set(shift), logarithm = v_log(v_set(sum));
  int64_t i = 0;
  for (; i + KD_W <= n; i += KD_W) v_store(y + i, (v_load(x + i) - largest) - logarithm);
  if (i < n) v_store_part(y + i, (v_load_part(x + i, n - i) - largest) - logarithm, n - i);
}

void KD_V(softmax)(int64_t n, bool log, const float *x, float *y, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const float *from = x + row * n;
    float *to = y + row * n, shift = row_largest(from, n), sum = row_exp_sum(from, shift, n, log ? NULL : to);
    if (log)
      log_row(from, shift, sum, n, to);
    else
      scale_row(to, 1.0f / sum, n);
  }
}

KD_INLINE void grad_part(const float *y, const float *dy, float dot, bool log, float *dx, int64_t n) {
  vf value = v_load_n(y, n), slope = v_load_n(dy, n);
  if (log)
    slope = slope - v_exp(value) * v_set(dot);
  else
    slope = (slope - v_set(dot)) * value;
  v_store_n(dx, slope, n);
}

KD_INLINE void grad_rows(int64_t n, bool log, const float *y, const float *dy, float *dx, int64_t begin,
                         int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const float *values = y + row * n, *slopes = dy + row * n;
    float dot = row_dot(values, slopes, n, log);
    int64_t i = 0;
    for (; i + KD_W <= n; i += KD_W) grad_part(values + i, slopes + i, dot, log, dx + row * n + i, KD_W);
    if (i < n) grad_part(values + i, slopes + i, dot, log, dx + row * n + i, n - i);
  }
}

/* softmax: y (dy - sum(dy y)); log-softmax: dy - exp(y) sum(dy) */
void KD_V(softmax_grad)(int64_t n, bool log, const float *y, const float *dy, float *dx, int64_t begin,
                        int64_t end) {
  if (log)
    grad_rows(n, true, y, dy, dx, begin, end);
  else
    grad_rows(n, false, y, dy, dx, begin, end);
}
