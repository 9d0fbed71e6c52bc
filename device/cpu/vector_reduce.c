/* Reductions of float32 rows and columns. The order of a sum is a function of its length alone, so a row's
 * bits depend neither on its neighbours nor on threads. */
#include <math.h>

#include "device/cpu/vector_simd.h"

/* `kind` is a constant wherever these are used, so each kind gets loops of its own. */
static inline vf identity(kd_reduce_kind kind) {
  if (kind == KD_REDUCE_MAX) return v_set(-INFINITY);
  if (kind == KD_REDUCE_MIN) return v_set(INFINITY);
  return v_set(kind == KD_REDUCE_PROD ? 1.0f : 0.0f);
}

/* Two partial results. */
static inline vf join(kd_reduce_kind kind, vf a, vf b) {
  if (kind == KD_REDUCE_MAX) return v_max(a, b);
  if (kind == KD_REDUCE_MIN) return v_min(a, b);
  return kind == KD_REDUCE_PROD ? a * b : a + b;
}

/* A partial result and a new element. */
static inline vf take(kd_reduce_kind kind, vf a, vf x) {
  if (kind == KD_REDUCE_SUMSQ) return a + x * x;
  return join(kind, a, x);
}

/* --- rows ------------------------------------------------------------------------------------------ */

/* Four accumulators hide the latency of the addition. */
static inline vf row_lanes(kd_reduce_kind kind, const float *x, int64_t n) {
  vf a = identity(kind), b = a, c = a, d = a;
  int64_t i = 0;
  for (; i + 4 * KD_W <= n; i += 4 * KD_W) {
    a = take(kind, a, v_load(x + i));
    b = take(kind, b, v_load(x + i + KD_W));
    c = take(kind, c, v_load(x + i + 2 * KD_W));
    d = take(kind, d, v_load(x + i + 3 * KD_W));
  }
  for (; i + KD_W <= n; i += KD_W) a = take(kind, a, v_load(x + i));
  if (i < n) b = take(kind, b, v_load_part_or(x + i, n - i, identity(kind)));
  return join(kind, join(kind, a, b), join(kind, c, d));
}

/* Zips vector i with vector i + count and joins the halves: half as many vectors, each with lanes of twice as
 * many rows. */
KD_INLINE void fold_lanes(kd_reduce_kind kind, vf *lane, int count) {
#pragma GCC unroll 8
  for (int i = 0; i < count; i++) {
    vf low = v_zip_low(lane[i], lane[i + count]), high = v_zip_high(lane[i], lane[i + count]);
    lane[i] = join(kind, low, high);
  }
}

/* The lanes of KD_W rows to one result per row, in the order of the rows. */
KD_INLINE vf join_lanes(kd_reduce_kind kind, vf lane[KD_W]) {
  if (KD_W >= 16) fold_lanes(kind, lane, 8);
  if (KD_W >= 8) fold_lanes(kind, lane, 4);
  fold_lanes(kind, lane, 2);
  fold_lanes(kind, lane, 1);
  return lane[0];
}

KD_INLINE vf short_row(kd_reduce_kind kind, const float *x, int64_t n) {
  return take(kind, identity(kind), v_load_part_or(x, n, identity(kind)));
}

/* Rows shorter than a vector: their lanes stay in registers. */
static inline void short_rows_of(kd_reduce_kind kind, const float *x, int64_t rows, int64_t n, int64_t stride,
                                 float *out) {
  int64_t r = 0;
  for (; r + KD_W <= rows; r += KD_W) {
    vf lane[KD_W];
#pragma GCC unroll 16
    for (int i = 0; i < KD_W; i++) lane[i] = short_row(kind, x + (r + i) * stride, n);
    v_store(out + r, join_lanes(kind, lane));
  }
  if (r == rows) return;
  vf lane[KD_W];
  for (int i = 0; i < KD_W; i++)
    lane[i] = r + i < rows ? short_row(kind, x + (r + i) * stride, n) : identity(kind);
  v_store_part(out + r, join_lanes(kind, lane), rows - r);
}

static inline void rows_of(kd_reduce_kind kind, const float *x, int64_t rows, int64_t n, int64_t stride,
                           float *out) {
  if (n < KD_W) {
    short_rows_of(kind, x, rows, n, stride, out);
    return;
  }
  for (int64_t r = 0; r < rows; r += KD_W) {
    int64_t here = rows - r < KD_W ? rows - r : KD_W;
    vf lane[KD_W];
    for (int64_t i = 0; i < here; i++) lane[i] = row_lanes(kind, x + (r + i) * stride, n);
    for (int64_t i = here; i < KD_W; i++) lane[i] = identity(kind);
    v_store_n(out + r, join_lanes(kind, lane), here);
  }
}

void KD_V(reduce_rows)(kd_reduce_kind kind, const float *x, int64_t rows, int64_t n, int64_t stride,
                       float *out) {
  if (kind == KD_REDUCE_MAX)
    rows_of(KD_REDUCE_MAX, x, rows, n, stride, out);
  else if (kind == KD_REDUCE_MIN)
    rows_of(KD_REDUCE_MIN, x, rows, n, stride, out);
  else if (kind == KD_REDUCE_PROD)
    rows_of(KD_REDUCE_PROD, x, rows, n, stride, out);
  else if (kind == KD_REDUCE_SUMSQ)
    rows_of(KD_REDUCE_SUMSQ, x, rows, n, stride, out);
  else
    rows_of(KD_REDUCE_SUM, x, rows, n, stride, out);
}

/* --- columns --------------------------------------------------------------------------------------- */

enum { DEEP = 8 }; /* rows joined before the running result is touched */

static inline vf column_of_eight(kd_reduce_kind kind, const vf row[DEEP]) {
  vf part[DEEP / 2];
  for (int i = 0; i < DEEP / 2; i++)
    part[i] = take(kind, take(kind, identity(kind), row[2 * i]), row[2 * i + 1]);
  return join(kind, join(kind, part[0], part[1]), join(kind, part[2], part[3]));
}

static inline void columns_of(kd_reduce_kind kind, const float *x, int64_t rows, int64_t stride,
                              int64_t columns, float *out) {
  int64_t whole = columns / KD_W * KD_W, rest = columns - whole;
  for (int64_t c = 0; c < whole; c += KD_W) v_store(out + c, identity(kind));
  if (rest) v_store_part(out + whole, identity(kind), rest);
  int64_t r = 0;
  for (; r + DEEP <= rows; r += DEEP) {
    const float *from = x + r * stride;
    vf row[DEEP];
    for (int64_t c = 0; c < whole; c += KD_W) {
      for (int i = 0; i < DEEP; i++) row[i] = v_load(from + i * stride + c);
      v_store(out + c, join(kind, v_load(out + c), column_of_eight(kind, row)));
    }
    if (!rest) continue;
    for (int i = 0; i < DEEP; i++) row[i] = v_load_part(from + i * stride + whole, rest);
    v_store_part(out + whole, join(kind, v_load_part(out + whole, rest), column_of_eight(kind, row)), rest);
  }
  for (; r < rows; r++) {
    const float *from = x + r * stride;
    for (int64_t c = 0; c < whole; c += KD_W) v_store(out + c, take(kind, v_load(out + c), v_load(from + c)));
    if (!rest) continue;
    vf last = take(kind, v_load_part(out + whole, rest), v_load_part(from + whole, rest));
    v_store_part(out + whole, last, rest);
  }
}

void KD_V(reduce_columns)(kd_reduce_kind kind, const float *x, int64_t rows, int64_t stride, int64_t columns,
                          float *out) {
  if (kind == KD_REDUCE_MAX)
    columns_of(KD_REDUCE_MAX, x, rows, stride, columns, out);
  else if (kind == KD_REDUCE_MIN)
    columns_of(KD_REDUCE_MIN, x, rows, stride, columns, out);
  else if (kind == KD_REDUCE_PROD)
    columns_of(KD_REDUCE_PROD, x, rows, stride, columns, out);
  else if (kind == KD_REDUCE_SUMSQ)
    columns_of(KD_REDUCE_SUMSQ, x, rows, stride, columns, out);
  else
    columns_of(KD_REDUCE_SUM, x, rows, stride, columns, out);
}
