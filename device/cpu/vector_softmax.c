/* Softmax and log-softmax of rows. A row is read again from the cache for each pass over it. */
#include "device/cpu/vector_rows.h"

/* y = (x - shift) - log(sum): two steps, because the sum of both numbers would lose the logarithm's last
 * bits. */
KD_INLINE void log_row(kd_dtype type, const void *x, float shift, float sum, int64_t n, void *y) {
  vf largest = v_set(shift), logarithm = v_log(v_set(sum));
  int64_t i = 0;
  for (; i + KD_W <= n; i += KD_W)
    e_store(type, y, i, (e_load(type, x, i, KD_W) - largest) - logarithm, KD_W);
  if (i < n) e_store(type, y, i, (e_load(type, x, i, n - i) - largest) - logarithm, n - i);
}

KD_INLINE void softmax_rows(kd_dtype type, int64_t n, bool log, const void *x, void *y, int64_t begin,
                            int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const void *from = e_at(type, x, row * n);
    void *to = e_place(type, y, row * n);
    float kept[KEPT_ROW], *terms = type == KD_F32 ? to : n <= KEPT_ROW ? kept : NULL;
    float shift, sum;
    if (terms && !log) {
      shift = row_largest(type, from, n);
      scale_row(terms, 1.0f / row_exp_sum(type, from, shift, n, terms), n);
      if (type != KD_F32) store_row(type, terms, n, to);
      continue;
    }
    row_measure(type, from, n, &shift, &sum);
    if (log)
      log_row(type, from, shift, sum, n, to);
    else
      write_exp(type, from, shift, 1.0f / sum, n, to);
  }
}

void KD_V(softmax)(kd_dtype type, int64_t n, bool log, const void *x, void *y, int64_t begin, int64_t end){
#define SOFTMAX(T) softmax_rows(T, n, log, x, y, begin, end)
    KD_FOR_TYPE(type, SOFTMAX)
#undef SOFTMAX
}

KD_INLINE void grad_part(kd_dtype type, const void *y, const void *dy, int64_t i, float dot, bool log,
                         void *dx, int64_t n) {
  vf value = e_load(type, y, i, n), slope = e_load(type, dy, i, n);
  if (log)
    slope = slope - v_exp(value) * v_set(dot);
  else
    slope = (slope - v_set(dot)) * value;
  e_store(type, dx, i, slope, n);
}

KD_INLINE void grad_rows(kd_dtype type, int64_t n, bool log, const void *y, const void *dy, void *dx,
                         int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const void *values = e_at(type, y, row * n), *slopes = e_at(type, dy, row * n);
    void *to = e_place(type, dx, row * n);
    float dot = row_dot(type, values, slopes, n, log);
    int64_t i = 0;
    for (; i + KD_W <= n; i += KD_W) grad_part(type, values, slopes, i, dot, log, to, KD_W);
    if (i < n) grad_part(type, values, slopes, i, dot, log, to, n - i);
  }
}

/* softmax: y (dy - sum(dy y)); log-softmax: dy - exp(y) sum(dy) */
void KD_V(softmax_grad)(kd_dtype type, int64_t n, bool log, const void *y, const void *dy, void *dx,
                        int64_t begin, int64_t end) {
#define GRAD(T)                                                                                              \
  if (log)                                                                                                   \
    grad_rows(T, n, true, y, dy, dx, begin, end);                                                            \
  else                                                                                                       \
    grad_rows(T, n, false, y, dy, dx, begin, end)
  KD_FOR_TYPE(type, GRAD)
#undef GRAD
}
