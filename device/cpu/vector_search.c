/* Searches in float32 rows: position of the maximum, number of larger elements. */
#include <math.h>

#include "device/cpu/vector_simd.h"

static int64_t first_match(const float *x, int64_t n, float value) {
  bool nan = value != value;
  for (int64_t i = 0; i < n; i += KD_W) {
    int64_t left = n - i < KD_W ? n - i : KD_W;
    vf v = left == KD_W ? v_load(x + i) : v_load_part(x + i, left);
    unsigned found = v_bits(nan ? v_nan(v) : v_eq(v, v_set(value))) & ((1u << left) - 1);
    if (found) return i + __builtin_ctz(found);
  }
  return 0;
}

int64_t KD_V(argmax_row)(const float *x, int64_t n) {
  enum { CHAINS = 4 };
  vf best[CHAINS];
  for (int k = 0; k < CHAINS; k++) best[k] = v_set(-INFINITY);
  int64_t i = 0;
  for (; i + CHAINS * KD_W <= n; i += CHAINS * KD_W)
    for (int k = 0; k < CHAINS; k++) best[k] = v_max(best[k], v_load(x + i + k * KD_W));
  for (; i + KD_W <= n; i += KD_W) best[0] = v_max(best[0], v_load(x + i));
  if (i < n) best[1] = v_max(best[1], v_load_part_or(x + i, n - i, best[1]));
  return first_match(x, n, v_largest(v_max(v_max(best[0], best[1]), v_max(best[2], best[3]))));
}

/* Plain loops over columns: the compiler turns the choices into blends. A NaN is larger than any number. */
void KD_V(argmax_columns)(const float *x, int64_t rows, int64_t stride, int64_t columns, int32_t *index) {
  enum { PIECE = 256 };
  float best[PIECE];
  for (int64_t start = 0; start < columns; start += PIECE) {
    int64_t n = columns - start < PIECE ? columns - start : PIECE;
    memcpy(best, x + start, (size_t)n * sizeof(float));
    memset(index + start, 0, (size_t)n * sizeof(int32_t));
    for (int64_t r = 1; r < rows; r++) {
      const float *row = x + r * stride + start;
      for (int64_t c = 0; c < n; c++) {
        bool larger = row[c] > best[c] || (row[c] != row[c] && best[c] == best[c]);
        best[c] = larger ? row[c] : best[c];
        index[start + c] = larger ? (int32_t)r : index[start + c];
      }
    }
  }
}

int64_t KD_V(count_larger)(const float *x, int64_t n, float limit) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; i += KD_W) {
    int64_t left = n - i < KD_W ? n - i : KD_W;
    vf v = left == KD_W ? v_load(x + i) : v_load_part_or(x + i, left, v_set(-INFINITY));
    count += __builtin_popcount(v_bits(v_lt(v_set(limit), v)));
  }
  return count;
}
