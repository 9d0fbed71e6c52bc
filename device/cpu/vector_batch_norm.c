/* Batch normalisation in two passes over the tensor per direction; see channel_fold.h for the order of sums.
 * The second pass walks the blocks backwards, because the last ones are still in a cache. */
#include "device/cpu/batch_norm.h"
#include "device/cpu/vector_element.h"

enum { GROUP = 8 }; /* rows that are added in registers before the sums in memory are touched */

/* The part of a block: whole rows, then the floats of a shorter last row. */
typedef struct extent {
  int64_t first, rows, rest;
} extent;

static inline extent block_extent(const kd_channel_fold *fold, int64_t block) {
  int64_t size = fold->block_rows * fold->period, first = block * size, left = fold->count - first;
  if (left > size) left = size;
  return (extent){first, left / fold->period, left % fold->period};
}

/* --- sums ----------------------------------------------------------------------------------------- */

/* The same normalised value in both directions: gradients recompute the mask of relu from it. */
KD_INLINE vf normalised(vf centred, vf scale, vf beta) {
  return centred * scale + beta;
}

KD_INLINE const void *slopes_at(kd_dtype type, const void *dy, bool grad, int64_t at) {
  return grad ? e_at(type, dy, at) : NULL;
}

/* Adds `rows` rows at one place of the period, n lanes: of x - shift and its square (not grad), or of dy
 * and dy (x - mean), where dy is masked by y > 0 when relu was fused. */
KD_INLINE void add_place(kd_dtype type, const kd_batch_norm_places *p, const void *x, const void *dy,
                         bool grad, bool relu, int64_t j, int64_t rows, int64_t stride, int64_t n,
                         float *sums, float *products) {
  vf first[2] = {v_set(0.0f), v_set(0.0f)}, second[2] = {v_set(0.0f), v_set(0.0f)};
  vf mean = v_load_n(p->mean + j, n), scale = mean, beta = mean;
  if (relu) scale = v_load_n(p->scale + j, n), beta = v_load_n(p->beta + j, n);
  for (int64_t r = 0; r < rows; r++) {
    vf centred = e_load(type, x, r * stride + j, n) - mean, slope = centred;
    if (grad) slope = e_load(type, dy, r * stride + j, n);
    if (relu) slope = v_select(v_lt(v_set(0.0f), normalised(centred, scale, beta)), slope, v_set(0.0f));
    first[r % 2] += slope;
    second[r % 2] += slope * centred;
  }
  v_store_n(sums + j, v_load_n(sums + j, n) + (first[0] + first[1]), n);
  v_store_n(products + j, v_load_n(products + j, n) + (second[0] + second[1]), n);
}

KD_INLINE void add_rows(kd_dtype type, const kd_batch_norm_places *p, const void *x, const void *dy,
                        bool grad, bool relu, int64_t rows, int64_t stride, int64_t length, float *sums,
                        float *products) {
  int64_t j = 0;
  for (; j + KD_W <= length; j += KD_W)
    add_place(type, p, x, dy, grad, relu, j, rows, stride, KD_W, sums, products);
  if (j < length) add_place(type, p, x, dy, grad, relu, j, rows, stride, length - j, sums, products);
}

KD_INLINE void add_blocks(kd_dtype type, const kd_channel_fold *fold, const kd_batch_norm_places *p,
                          const void *x, const void *dy, bool grad, bool relu, float *all, int64_t begin,
                          int64_t end) {
  int64_t period = fold->period;
  for (int64_t block = begin; block < end; block++) {
    extent e = block_extent(fold, block);
    float *sums = all + block * 2 * period, *products = sums + period;
    memset(sums, 0, (size_t)(2 * period) * sizeof(float));
    int64_t row = 0, at = e.first;
    for (; row + GROUP <= e.rows; row += GROUP, at += GROUP * period)
      add_rows(type, p, e_at(type, x, at), slopes_at(type, dy, grad, at), grad, relu, GROUP, period, period,
               sums, products);
    for (; row < e.rows; row++, at += period)
      add_rows(type, p, e_at(type, x, at), slopes_at(type, dy, grad, at), grad, relu, 1, period, period, sums,
               products);
    if (e.rest)
      add_rows(type, p, e_at(type, x, at), slopes_at(type, dy, grad, at), grad, relu, 1, period, e.rest, sums,
               products);
  }
}

/* Of each block: sums of x - p->mean (any shift) and of its square. */
void KD_V(batch_norm_sums)(kd_dtype type, const kd_channel_fold *fold, const kd_batch_norm_places *p,
                           const void *x, float *sums, int64_t begin, int64_t end) {
#define SUMS(T) add_blocks(T, fold, p, x, NULL, false, false, sums, begin, end)
  KD_FOR_TYPE(type, SUMS)
#undef SUMS
}

/* Of each block: sums of dy and of dy (x - mean). */
void KD_V(batch_norm_grad_sums)(kd_dtype type, const kd_channel_fold *fold, const kd_batch_norm_places *p,
                                bool relu, const void *x, const void *dy, float *sums, int64_t begin,
                                int64_t end) {
#define SUMS(T)                                                                                              \
  if (relu)                                                                                                  \
    add_blocks(T, fold, p, x, dy, true, true, sums, begin, end);                                             \
  else                                                                                                       \
    add_blocks(T, fold, p, x, dy, true, false, sums, begin, end)
  KD_FOR_TYPE(type, SUMS)
#undef SUMS
}

/* --- results -------------------------------------------------------------------------------------- */

/* y, or dx (grad), of `rows` rows at one place of the period. */
KD_INLINE void write_place(kd_dtype type, const kd_batch_norm_places *p, const void *x, const void *dy,
                           bool grad, bool relu, int64_t j, int64_t rows, int64_t stride, int64_t n,
                           void *out) {
  vf mean = v_load_n(p->mean + j, n), scale = v_load_n(p->scale + j, n), zero = v_set(0.0f);
  vf beta = zero, dy_mean = zero, slope = zero;
  if (!grad || relu) beta = v_load_n(p->beta + j, n);
  if (grad) dy_mean = v_load_n(p->dy_mean + j, n), slope = v_load_n(p->slope + j, n);
  for (int64_t r = 0; r < rows; r++) {
    vf centred = e_load(type, x, r * stride + j, n) - mean, result;
    if (grad) {
      vf own = e_load(type, dy, r * stride + j, n);
      if (relu) own = v_select(v_lt(zero, normalised(centred, scale, beta)), own, zero);
      result = ((own - dy_mean) - centred * slope) * scale;
    } else {
      result = normalised(centred, scale, beta);
      if (relu) result = v_max(result, zero);
    }
    e_store(type, out, r * stride + j, result, n);
  }
}

KD_INLINE void write_rows(kd_dtype type, const kd_batch_norm_places *p, const void *x, const void *dy,
                          bool grad, bool relu, int64_t rows, int64_t stride, int64_t length, void *out) {
  int64_t j = 0;
  for (; j + KD_W <= length; j += KD_W) write_place(type, p, x, dy, grad, relu, j, rows, stride, KD_W, out);
  if (j < length) write_place(type, p, x, dy, grad, relu, j, rows, stride, length - j, out);
}

KD_INLINE void write_blocks(kd_dtype type, const kd_channel_fold *fold, const kd_batch_norm_places *p,
                            const void *x, const void *dy, bool grad, bool relu, void *out, int64_t begin,
                            int64_t end) {
  enum { WRITTEN = 4 }; /* rows for one load of the values per channel */
  int64_t period = fold->period;
  for (int64_t block = end; block-- > begin;) {
    extent e = block_extent(fold, block);
    int64_t row = 0, at = e.first;
    for (; row + WRITTEN <= e.rows; row += WRITTEN, at += WRITTEN * period)
      write_rows(type, p, e_at(type, x, at), slopes_at(type, dy, grad, at), grad, relu, WRITTEN, period,
                 period, e_place(type, out, at));
    for (; row < e.rows; row++, at += period)
      write_rows(type, p, e_at(type, x, at), slopes_at(type, dy, grad, at), grad, relu, 1, period, period,
                 e_place(type, out, at));
    if (e.rest)
      write_rows(type, p, e_at(type, x, at), slopes_at(type, dy, grad, at), grad, relu, 1, period, e.rest,
                 e_place(type, out, at));
  }
}

void KD_V(batch_norm)(kd_dtype type, const kd_channel_fold *fold, const kd_batch_norm_places *p, bool relu,
                      const void *x, void *y, int64_t begin, int64_t end) {
#define WRITE(T)                                                                                             \
  if (relu)                                                                                                  \
    write_blocks(T, fold, p, x, NULL, false, true, y, begin, end);                                           \
  else                                                                                                       \
    write_blocks(T, fold, p, x, NULL, false, false, y, begin, end)
  KD_FOR_TYPE(type, WRITE)
#undef WRITE
}

void KD_V(batch_norm_grad)(kd_dtype type, const kd_channel_fold *fold, const kd_batch_norm_places *p,
                           bool relu, const void *x, const void *dy, void *dx, int64_t begin, int64_t end) {
#define WRITE(T)                                                                                             \
  if (relu)                                                                                                  \
    write_blocks(T, fold, p, x, dy, true, true, dx, begin, end);                                             \
  else                                                                                                       \
    write_blocks(T, fold, p, x, dy, true, false, dx, begin, end)
  KD_FOR_TYPE(type, WRITE)
#undef WRITE
}
