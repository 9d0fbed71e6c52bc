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
 * m. */
KD_INLINE void read_row(int64_t n, int ignore, const float *x, int64_t label, float *sum, float *margin) {
  *sum = 1.0f;
  if (ignore != INT32_MIN && label == ignore) {
    *margin = 0.0f;
  } else if (outside(label, n)) {
    *margin = __builtin_nanf("");
  } else {
    float shift = row_largest(x, n);
    *sum = row_exp_sum(x, shift, n, NULL);
    *margin = x[label] - shift;
  }
}

void KD_V(xent)(int64_t n, int ignore, const float *x, const kd_tensor *labels, float *loss, int64_t begin,
                int64_t end) {
  for (int64_t first = begin; first < end; first += KD_W) {
    float sum[KD_W] = {0}, margin[KD_W] = {0};
    int64_t rows = end - first < KD_W ? end - first : KD_W;
    for (int64_t r = 0; r < rows; r++)
      read_row(n, ignore, x + (first + r) * n, label_of(labels, first + r), &sum[r], &margin[r]);
    v_store_n(loss + first, v_log(v_load(sum)) - v_load(margin), rows);
  }
}

/* dx = dloss (softmax(x) - onehot(label)) */
void KD_V(xent_grad)(int64_t n, int ignore, const float *x, const kd_tensor *labels, const float *dloss,
                     float *dx, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    int64_t label = label_of(labels, row);
    const float *logits = x + row * n;
    float *to = dx + row * n, factor;
    if (ignore != INT32_MIN && label == ignore) {
      memset(to, 0, (size_t)n * sizeof(float));
      continue;
    }
    factor = dloss[row] / row_exp_sum(logits, row_largest(logits, n), n, to);
    if (outside(label, n)) factor = __builtin_nanf("");
    scale_row(to, factor, n);
    if (!outside(label, n)) to[label] -= dloss[row];
  }
}
