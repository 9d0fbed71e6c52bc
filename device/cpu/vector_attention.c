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

/* Keys before and behind those of the span have probability 0. */
static inline void clear_sides(const kd_attention_rows *rows, span s, float *x) {
  if (s.low > 0) memset(x, 0, (size_t)s.low * sizeof *x);
  if (s.high < rows->keys) memset(x + s.high, 0, (size_t)(rows->keys - s.high) * sizeof *x);
}

static inline void fill_unseen(const kd_attention_rows *rows, float *x) {
  fill_row(x, rows->unseen == KD_UNSEEN_ZERO ? 0.0f : 1.0f / (float)rows->keys, rows->keys);
}

/* One vector of rows: the long chains of each row, its maximum and its sum, overlap with those of the others.
 */
typedef struct group {
  span s[KD_W];
  bool seen[KD_W];
  float shift[KD_W], sum[KD_W];
} group;

static inline void read_group(const kd_attention_rows *rows, int64_t first, int64_t n, float *scores,
                              group *g) {
  for (int64_t r = 0; r < n; r++) {
    float *x = scores + (first + r) * rows->stride;
    g->s[r] = span_of(rows, first + r);
    hide(rows, first + r, g->s[r], x);
    g->shift[r] = row_largest(KD_F32, x + g->s[r].low, g->s[r].high - g->s[r].low);
  }
  for (int64_t r = 0; r < n; r++) {
    float *x = scores + (first + r) * rows->stride + g->s[r].low;
    g->seen[r] = g->shift[r] != -__builtin_inff() || sees_any(rows, first + r, g->s[r]);
    g->sum[r] = g->seen[r] ? row_exp_sum(KD_F32, x, g->shift[r], g->s[r].high - g->s[r].low, x) : 1.0f;
  }
}

/* Scores become probabilities after dropout; lse: the logarithm of the sum of exponentials, -inf when the
 * query sees no key. */
void KD_V(attention_softmax)(const kd_attention_rows *rows, float *scores, float *lse) {
  for (int64_t first = 0; first < rows->count; first += KD_W) {
    int64_t n = rows->count - first < KD_W ? rows->count - first : KD_W;
    group g = {.sum = {0}};
    float factor[KD_W];
    read_group(rows, first, n, scores, &g);
    v_store_n(lse + first, v_load(g.shift) + v_log(v_load(g.sum)), n);
    v_store(factor, v_set(1.0f) / v_load(g.sum));
    for (int64_t r = 0; r < n; r++) {
      float *x = scores + (first + r) * rows->stride;
      if (g.seen[r]) {
        scale_row(x + g.s[r].low, factor[r], g.s[r].high - g.s[r].low);
        clear_sides(rows, g.s[r], x);
      } else {
        fill_unseen(rows, x);
      }
      if (rows->numbers) drop_row(x, rows->numbers + (first + r) * rows->stride, rows->dropout, rows->keys);
    }
  }
}

/* --- gradient ------------------------------------------------------------------------------------- */

/* The gradient of the dropped probabilities becomes that of the scores: p (drop'(slope) - y dy). The sum over
 * keys of p times its gradient is y dy whatever was dropped. */
KD_INLINE void slope_part(vf p, float total, const float *numbers, float dropout, int64_t n, float *to_p,
                          float *slope) {
  vf d = v_load_n(slope, n), dropped = p;
  if (numbers) {
    vf factor = v_set(1.0f / (1.0f - dropout)), zero = v_set(0.0f);
    vm kept = v_le(v_set(dropout), v_load_n(numbers, n));
    d = v_select(kept, d * factor, zero);
    dropped = v_select(kept, p * factor, zero);
  }
  v_store_n(slope, (d - v_set(total)) * p, n);
  v_store_n(to_p, dropped, n);
}

KD_INLINE void seen_row(const kd_attention_rows *rows, span s, const float *numbers, float lse, float total,
                        float *p, float *slope) {
  int64_t j = s.low;
  for (; j + KD_W <= s.high; j += KD_W)
    slope_part(v_exp(v_load(p + j) - v_set(lse)), total, numbers ? numbers + j : NULL, rows->dropout, KD_W,
               p + j, slope + j);
  if (j < s.high)
    slope_part(v_exp(v_load_part(p + j, s.high - j) - v_set(lse)), total, numbers ? numbers + j : NULL,
               rows->dropout, s.high - j, p + j, slope + j);
  clear_sides(rows, s, p);
  clear_sides(rows, s, slope);
}

/* A query that sees no key: its scores are constants, unless they were shifted. */
static void unseen_row(const kd_attention_rows *rows, const float *numbers, float total, float *p,
                       float *slope) {
  fill_unseen(rows, p);
  for (int64_t j = 0; j < rows->keys; j += KD_W) {
    int64_t n = rows->keys - j < KD_W ? rows->keys - j : KD_W;
    slope_part(v_load_n(p + j, n), total, numbers ? numbers + j : NULL, rows->dropout, n, p + j, slope + j);
  }
  if (rows->unseen != KD_UNSEEN_SHIFT) fill_row(slope, 0.0f, rows->keys);
}

/* Scores become probabilities after dropout, slopes of those become slopes of the scores. */
void KD_V(attention_grad)(const kd_attention_rows *rows, const kd_attention_slopes *slopes, const float *lse,
                          float *scores, float *slope) {
  for (int64_t i = 0; i < rows->count; i++) {
    float *p = scores + i * rows->stride, *dp = slope + i * rows->stride;
    const float *numbers = rows->numbers ? rows->numbers + i * rows->stride : NULL;
    float total =
        row_dot(KD_F32, slopes->y + i * slopes->row, slopes->dy + i * slopes->row, slopes->width, false);
    span s = span_of(rows, i);
    if (lse[i] == -__builtin_inff()) {
      unseen_row(rows, numbers, total, p, dp);
      continue;
    }
    hide(rows, i, s, p);
    if (numbers)
      seen_row(rows, s, numbers, lse[i], total, p, dp);
    else
      seen_row(rows, s, NULL, lse[i], total, p, dp);
  }
}
