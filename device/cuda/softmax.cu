/* Softmax and cross-entropy over rows. */
#include <float.h>

#include "device/cuda/platform.cuh"

/* The logarithm of the sum of exp(x) as largest element and sum of the rest. Reads the row once: of the
 * larger element so far and the next one exp(0) = 1, the other one is scaled to it. NaN comes through in the
 * sum, and so do two infinities; the sum of a row without a number above -inf is 0, from which all becomes
 * NaN too. */
template <int THREADS>
static __device__ __forceinline__ void measure(const float *x, int64_t n, float *most, float *sum) {
  float top = -FLT_MAX, total = 0;
  for (int64_t i = threadIdx.x; i < n; i += THREADS) {
    float value = x[i], term = expf(-fabsf(value - top));
    total = value > top ? total * term + 1.0f : total + term;
    top = value > top ? value : top;
  }
  *most = kd_row_max<THREADS>(top);
  *sum = kd_row_sum<THREADS>(total * expf(top - *most));
}

template <int THREADS>
static __global__ void softmax(bool log, const float *x, int64_t rows, int64_t n, float *y) {
  int64_t row = KD_ROW(THREADS);
  if (row >= rows) return;
  float most, sum;
  x += row * n;
  y += row * n;
  measure<THREADS>(x, n, &most, &sum);
  float log_sum = logf(sum), scale = 1.0f / sum;
  for (int64_t i = threadIdx.x; i < n; i += THREADS)
    y[i] = log ? x[i] - most - log_sum : expf(x[i] - most) * scale;
}

int kd_cuda_softmax_start(bool log, const float *x, int64_t rows, int64_t n, float *y, void *stream) {
  if (rows * n == 0) return 0;
  return KD_START_ROWS(softmax, rows, n, stream, log, x, rows, n, y);
}

template <int THREADS>
static __global__ void softmax_grad(bool log, const float *y, const float *dy, int64_t rows, int64_t n,
                                    float *dx) {
  int64_t row = KD_ROW(THREADS);
  if (row >= rows) return;
  float sum = 0;
  y += row * n;
  dy += row * n;
  dx += row * n;
  for (int64_t i = threadIdx.x; i < n; i += THREADS) sum += log ? dy[i] : y[i] * dy[i];
  sum = kd_row_sum<THREADS>(sum);
  for (int64_t i = threadIdx.x; i < n; i += THREADS)
    dx[i] = log ? dy[i] - expf(y[i]) * sum : y[i] * (dy[i] - sum);
}

int kd_cuda_softmax_grad_start(bool log, const float *y, const float *dy, int64_t rows, int64_t n, float *dx,
                               void *stream) {
  if (rows * n == 0) return 0;
  return KD_START_ROWS(softmax_grad, rows, n, stream, log, y, dy, rows, n, dx);
}

template <int THREADS>
static __global__ void xent(int ignore, const float *x, kd_dtype label_type, const void *labels, int64_t rows,
                            int64_t n, float *loss, float *most, float *sum) {
  int64_t row = KD_ROW(THREADS);
  if (row >= rows) return;
  int64_t label = kd_index(label_type, labels, row);
  bool inside = label >= 0 && label < n && label != ignore;
  float top = 0, total = 1;
  x += row * n;
  if (inside) measure<THREADS>(x, n, &top, &total);
  if (threadIdx.x > 0) return;
  most[row] = top;
  sum[row] = total;
  loss[row] = label == ignore ? 0.0f : inside ? top - x[label] + logf(total) : NAN;
}

int kd_cuda_xent_start(int ignore, const float *x, kd_dtype label_type, const void *labels, int64_t rows,
                       int64_t n, float *loss, float *most, float *sum, void *stream) {
  if (rows == 0) return 0;
  return KD_START_ROWS(xent, rows, n, stream, ignore, x, label_type, labels, rows, n, loss, most, sum);
}

/* One pass over each row: maximum and sum are those of the forward pass. */
template <int THREADS>
static __global__ void xent_grad(int ignore, const float *x, kd_dtype label_type, const void *labels,
                                 const float *most, const float *sum, const float *dloss, int64_t rows,
                                 int64_t n, float *dx) {
  int64_t row = KD_ROW(THREADS);
  if (row >= rows) return;
  int64_t label = kd_index(label_type, labels, row);
  float top = most[row], scale = 1.0f / sum[row], d = dloss[row];
  x += row * n;
  dx += row * n;
  bool inside = label >= 0 && label < n;
  for (int64_t i = threadIdx.x; i < n; i += THREADS) {
    float slope = expf(x[i] - top) * scale - (i == label ? 1.0f : 0.0f);
    dx[i] = label == ignore ? 0.0f : inside ? d * slope : NAN;
  }
}

int kd_cuda_xent_grad_start(int ignore, const float *x, kd_dtype label_type, const void *labels,
                            const float *most, const float *sum, const float *dloss, int64_t rows, int64_t n,
                            float *dx, void *stream) {
  if (rows * n == 0) return 0;
  return KD_START_ROWS(xent_grad, rows, n, stream, ignore, x, label_type, labels, most, sum, dloss, rows, n,
                       dx);
}
