/* Cross-entropy of rows of logits with one integer label each. */
#include "device/cpu/vector_rows.h"

static int64_t label_of(const kd_tensor *labels, int64_t row) {
  switch (labels->dtype) {
  case KD_I32:
    return ((const int32_t *)labels->data)[row];
  case KD_I64:
    return ((const int64_t *)labels->data)[row];
  case KD_U32:
    return ((const uint32_t *)labels->data)[row];
  default:
    return ((const uint8_t *)labels->data)[row];
  }
}

static bool outside(int64_t label, int64_t n) {
  return label < 0 || label >= n;
}

/* The loss of a row is log(sum) - margin with sum = sum(exp(x - m)) and margin = x[label] - m for the maximum
 * m. Rows whose label is ignored or outside are not read. */
KD_INLINE float read_row(kd_dtype type, int64_t n, int ignore, const void *x, int64_t label, float *most,
                         float *sum) {
  *most = 0.0f;
  *sum = 1.0f;
  if (ignore != INT32_MIN && label == ignore) return 0.0f;
  if (outside(label, n)) return __builtin_nanf("");
  row_measure(type, x, n, most, sum);
  return e_value(type, x, label) - *most;
}

KD_INLINE void loss_rows(kd_dtype type, int64_t n, int ignore, const void *x, const kd_tensor *labels,
                         float *loss, float *most, float *sum, int64_t begin, int64_t end) {
  for (int64_t first = begin; first < end; first += KD_W) {
    float margin[KD_W] = {0};
    int64_t rows = end - first < KD_W ? end - first : KD_W;
    for (int64_t r = 0; r < rows; r++)
      margin[r] = read_row(type, n, ignore, e_at(type, x, (first + r) * n), label_of(labels, first + r),
                           &most[first + r], &sum[first + r]);
    v_store_n(loss + first, v_log(v_load_n(sum + first, rows)) - v_load(margin), rows);
  }
}

void KD_V(xent)(kd_dtype type, int64_t n, int ignore, const void *x, const kd_tensor *labels, float *loss,
                float *most, float *sum, int64_t begin, int64_t end){
#define LOSS(T) loss_rows(T, n, ignore, x, labels, loss, most, sum, begin, end)
    KD_FOR_TYPE(type, LOSS)
#undef LOSS
}

/* The label's element. Volatile: the product is rounded before the difference, as it is in the others. */
KD_INLINE void write_label(kd_dtype type, const void *x, int64_t label, float most, float factor, float slope,
                           void *dx) {
  vf by = v_set(most), term = v_exp(e_load_or(type, x, label, 1, by) - by) * v_set(factor);
  volatile float product = term[0];
  e_store(type, dx, label, v_set(product - slope), 1);
}

/* One pass over each row: maximum and sum are those of the forward pass. */
KD_INLINE void grad_rows(kd_dtype type, int64_t n, int ignore, const void *x, const kd_tensor *labels,
                         const float *most, const float *sum, const float *dloss, void *dx, int64_t begin,
                         int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    int64_t label = label_of(labels, row);
    const void *logits = e_at(type, x, row * n);
    void *to = e_place(type, dx, row * n);
    if (ignore != INT32_MIN && label == ignore) {
      memset(to, 0, (size_t)n * (type == KD_F32 ? 4 : 2));
      continue;
    }
    float factor = outside(label, n) ? __builtin_nanf("") : dloss[row] / sum[row];
    write_exp(type, logits, most[row], factor, n, to);
    if (!outside(label, n)) write_label(type, logits, label, most[row], factor, dloss[row], to);
  }
}

/* dx = dloss (softmax(x) - onehot(label)) */
void KD_V(xent_grad)(kd_dtype type, int64_t n, int ignore, const void *x, const kd_tensor *labels,
                     const float *most, const float *sum, const float *dloss, void *dx, int64_t begin,
                     int64_t end) {
#define GRAD(T) grad_rows(T, n, ignore, x, labels, most, sum, dloss, dx, begin, end)
  KD_FOR_TYPE(type, GRAD)
#undef GRAD
}
