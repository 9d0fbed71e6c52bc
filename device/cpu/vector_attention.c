/* Softmax of attention scores under masks, and its gradient, row by row. */
#include "device/cpu/vector_rows.h"

/* Keys that a query may see by its place: low .. high-1. */
typedef struct span {
  int64_t low, high;
} span;

static inline span span_of(const kd_attention_rows *rows, int64_t query) {
  int64_t i = rows->first + query;
  span s = {0, rows->keys};
  if (rows->causal && i + 1 < s.high) s.high = i + 1;
  if (rows->window > 0) {
    if (i - rows->window + 1 > 0) s.low = i - rows->window + 1;
    if (i + rows->window < s.high) s.high = i + rows->window;
  }
  for (int m = 0; m < rows->n_masks; m++)
    if (!rows->mask_keys[m] && rows->mask[m][query * rows->mask_row[m]] == 0.0f) s.high = s.low;
  if (s.low > s.high) s.low = s.high;
  return s;
}

/* Scores of keys that a mask hides become -inf. */
static inline void hide(const kd_attention_rows *rows, int64_t query, span s, float *x) {
  vf hidden = v_set(-__builtin_inff()), zero = v_set(0.0f);
  for (int m = 0; m < rows->n_masks; m++) {
    if (!rows->mask_keys[m]) continue;
    const float *mask = rows->mask[m] + query * rows->mask_row[m];
    for (int64_t j = s.low; j < s.high; j += KD_W) {
      int64_t n = s.high - j < KD_W ? s.high - j : KD_W;
      v_store_n(x + j, v_select(v_eq(v_load_n(mask + j, n), zero), hidden, v_load_n(x + j, n)), n);
    }
  }
}

/* Asked only when no score is above -inf: overflow and NaN are no hidden keys. */
static bool sees_any(const kd_attention_rows *rows, int64_t query, span s) {
  for (int64_t j = s.low; j < s.high; j++) {
    bool seen = true;
    for (int m = 0; m < rows->n_masks && seen; m++)
      seen = !rows->mask_keys[m] || rows->mask[m][query * rows->mask_row[m] + j] != 0.0f;
    if (seen) return true;
  }
  return false;
}

static inline void fill_row(float *x, float value, int64_t n) {
  for (int64_t j = 0; j < n; j++) x[j] = value;
}

/* p times 1 / (1 - dropout), or 0 where the number is below dropout. */
static inline void drop_row(float *p, const float *numbers, float dropout, int64_t n) {
  vf rate = v_set(dropout), factor = v_set(1.0f / (1.0f - dropout)), zero = v_set(0.0f);
  for (int64_t j = 0; j < n; j += KD_W) {
    int64_t part = n - j < KD_W ? n - j : KD_W;
    vm kept = v_le(rate, v_load_n(numbers + j, part));
    v_store_n(p + j, v_select(kept, v_load_n(p + j, part) * factor, zero), part);
  }
}

/* Returns the logarithm of the sum of exponentials, -inf when the query sees no key. */
static inline float softmax_row(const kd_attention_rows *rows, int64_t query, float *x) {
  span s = span_of(rows, query);
  int64_t n = s.high - s.low;
  hide(rows, query, s, x);
  float shift = row_largest(x + s.low, n);
  if (shift == -__builtin_inff() && !sees_any(rows, query, s)) {
    fill_row(x, rows->unseen == KD_UNSEEN_ZERO ? 0.0f : 1.0f / (float)rows->keys, rows->keys);
    return -__builtin_inff();
  }
  float sum = row_exp_sum(x + s.low, shift, n, x + s.low);
  scale_row(x + s.low, 1.0f / sum, n);
  memset(x, 0, (size_t)s.low * sizeof *x);
  memset(x + s.high, 0, (size_t)(rows->keys - s.high) * sizeof *x);
  return shift + v_log(v_set(sum))[0];
}

/* Scores become probabilities after dropout. */
void KD_V(attention_softmax)(const kd_attention_rows *rows, float *scores, float *lse) {
  for (int64_t i = 0; i < rows->count; i++) {
    float *x = scores + i * rows->stride;
    lse[i] = softmax_row(rows, i, x);
    if (rows->numbers) drop_row(x, rows->numbers + i * rows->stride, rows->dropout, rows->keys);
  }
}

/* The probabilities of a row, before dropout, from its scores. */
static inline void probability_row(const kd_attention_rows *rows, int64_t query, float lse, float *x) {
  span s = span_of(rows, query);
  if (lse == -__builtin_inff()) {
    fill_row(x, rows->unseen == KD_UNSEEN_ZERO ? 0.0f : 1.0f / (float)rows->keys, rows->keys);
    return;
  }
  hide(rows, query, s, x);
  for (int64_t j = s.low; j < s.high; j += KD_W) {
    int64_t n = s.high - j < KD_W ? s.high - j : KD_W;
    v_store_n(x + j, v_exp(v_load_n(x + j, n) - v_set(lse)), n);
  }
  memset(x, 0, (size_t)s.low * sizeof *x);
  memset(x + s.high, 0, (size_t)(rows->keys - s.high) * sizeof *x);
}

/* slope, the gradient of the dropped probabilities, becomes that of the scores: p (drop'(slope) - y dy). The
 * sum over keys of p times its gradient is y dy whatever was dropped. */
static inline void slope_row(const float *p, float total, float *slope, int64_t n) {
  for (int64_t j = 0; j < n; j += KD_W) {
    int64_t part = n - j < KD_W ? n - j : KD_W;
    v_store_n(slope + j, (v_load_n(slope + j, part) - v_set(total)) * v_load_n(p + j, part), part);
  }
}

/* Scores become probabilities after dropout, slopes of those become slopes of the scores. */
void KD_V(attention_grad)(const kd_attention_rows *rows, const kd_attention_slopes *slopes, const float *lse,
                          float *scores, float *slope) {
  for (int64_t i = 0; i < rows->count; i++) {
    float *p = scores + i * rows->stride, *dp = slope + i * rows->stride;
    const float *numbers = rows->numbers ? rows->numbers + i * rows->stride : NULL;
    float total = row_dot(slopes->y + i * slopes->row, slopes->dy + i * slopes->row, slopes->width, false);
    probability_row(rows, i, lse[i], p);
    if (numbers) drop_row(dp, numbers, rows->dropout, rows->keys);
    if (lse[i] == -__builtin_inff() && rows->unseen != KD_UNSEEN_SHIFT)
      fill_row(dp, 0.0f, rows->keys); /* these scores are constants */
    else
      slope_row(p, total, dp, rows->keys);
    if (numbers) drop_row(p, numbers, rows->dropout, rows->keys);
  }
}
