/* Transposition of 4-byte elements in registers; any bits, floats are not computed with. */
#include "device/cpu/vector_simd.h"

static inline void transpose_square(float *to, int64_t to_stride, const float *from, int64_t from_stride) {
  vf x[KD_W];
  for (int i = 0; i < KD_W; i++) x[i] = v_load(from + i * from_stride);
  v_transpose(x);
  for (int i = 0; i < KD_W; i++) v_store(to + i * to_stride, x[i]);
}

void KD_V(transpose4)(void *to, int64_t to_stride, const void *from, int64_t from_stride, int64_t rows,
                      int64_t columns) {
  typedef uint32_t bits __attribute__((may_alias));
  bits *y = to;
  const bits *x = from;
  int64_t square_rows = rows / KD_W * KD_W, square_columns = columns / KD_W * KD_W;
  for (int64_t c = 0; c < square_columns; c += KD_W)
    for (int64_t r = 0; r < square_rows; r += KD_W)
      transpose_square((float *)(y + r * to_stride + c), to_stride, (const float *)(x + c * from_stride + r),
                       from_stride);
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = r < square_rows ? square_columns : 0; c < columns; c++)
      y[r * to_stride + c] = x[c * from_stride + r];
}
