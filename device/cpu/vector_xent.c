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
KD_INLINE void read_row(kd_dtype type, int64_t n, int ignore, const void *x, int64_t label, float *sum,
                        float *margin) {
  *sum = 1.0f;
  if (ignore != INT32_MIN && label == ignore) {
    *margin = 0.0f;
  } else if (outside(label, n)) {
    *margin = __builtin_nanf("");
  } else {
    float shift = row_largest(type, x, n);
    *sum = row_exp_sum(type, x, shift, n, NULL);
    *margin = e_value(type, x, label) - shift;
  }
}

KD_INLINE void loss_rows(kd_dtype type, int64_t n, int ignore, const void *x, const kd_tensor *labels,
                         float *loss, int64_t begin, int64_t end) {
  for (int64_t first = begin; first < end; first += KD_W) {
    float sum[KD_W] = {0}, margin[KD_W] = {0};
    int64_t rows = end - first < KD_W ? end - first : KD_W;
    for (int64_t r = 0; r < rows; r++)
      read_row(type, n, ignore, e_at(type, x, (first + r) * n), label_of(labels, first + r), &sum[r],
               &margin[r]);
    v_store_n(loss + first, v_log(v_load(sum)) - v_load(margin), rows);
  }
}

void KD_V(xent)(kd_dtype type, int64_t n, int ignore, const void *x, const kd_tensor *labels, float *loss,
                int64_t begin, int64_t end){
#define LOSS(T) loss_rows(T, n, ignore, x, labels, loss, begin, end)
    KD_FOR_TYPE(type, LOSS)
#undef LOSS
}

/* The label's element of a long row. Volatile: the product is rounded before the difference, as in rows that
 * are kept. */
KD_INLINE void write_label(kd_dtype type, const void *x, int64_t label, float shift, float factor,
                           float slope, void *dx) {
  vf by = v_set(shift), term = v_exp(e_load_or(type, x, label, 1, by) - by) * v_set(factor);
  volatile float product = term[0];
  e_store(type, dx, label, v_set(product - slope), 1);
}

KD_INLINE void grad_rows(kd_dtype type, int64_t n, int ignore, const void *x, const kd_tensor *labels,
                         const float *dloss, void *dx, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    int64_t label = label_of(labels, row);
    const void *logits = e_at(type, x, row * n);
    void *to = e_place(type, dx, row * n);
    if (ignore != INT32_MIN && label == ignore) {
      memset(to, 0, (size_t)n * (type == KD_F32 ? 4 : 2));
      continue;
    }
    float kept[KEPT_ROW], *terms = type == KD_F32 ? to : n <= KEPT_ROW ? kept : NULL;
    float shift = row_largest(type, logits, n);
    float factor = dloss[row] / row_exp_sum(type, logits, shift, n, terms);
    if (outside(label, n)) factor = __builtin_nanf("");
    if (terms) {
      scale_row(terms, factor, n);
      if (!outside(label, n)) terms[label] -= dloss[row];
      if (type != KD_F32) store_row(type, terms, n, to);
    } else {
      write_exp(type, logits, shift, factor, n, to);
      if (!outside(label, n)) write_label(type, logits, label, shift, factor, dloss[row], to);
    }
  }
}

/* dx = dloss (softmax(x) - onehot(label)) */
void KD_V(xent_grad)(kd_dtype type, int64_t n, int ignore, const void *x, const kd_tensor *labels,
                     const float *dloss, void *dx, int64_t begin, int64_t end) {
#define GRAD(T) grad_rows(T, n, ignore, x, labels, dloss, dx, begin, end)
  KD_FOR_TYPE(type, GRAD)
#undef GRAD
}
