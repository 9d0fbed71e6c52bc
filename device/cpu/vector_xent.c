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

/* loss = log(sum(exp(x - m))) - (x[label] - m) for the maximum m. */
void KD_V(xent)(int64_t n, int ignore, const float *x, const kd_tensor *labels, float *loss, int64_t begin,
                int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    int64_t label = label_of(labels, row);
    if (ignore != INT32_MIN && label == ignore) {
      loss[row] = 0.0f;
    } else if (outside(label, n)) {
      loss[row] = __builtin_nanf("");
    } else {
      const float *logits = x + row * n;
      float shift = row_largest(logits, n);
      vf log_sum = v_log(v_set(row_exp_sum(logits, shift, n, NULL)));
      loss[row] = log_sum[0] - (logits[label] - shift);
    }
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
