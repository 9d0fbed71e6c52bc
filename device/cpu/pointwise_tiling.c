#include "device/cpu/pointwise_program.h"

/* Stride of each of the program's dimensions in an input of the given shape, 0 where it is broadcast. */
static void natural_strides(const kd_shape *shape, int rank, int64_t *stride) {
  int64_t step = 1;
  for (int i = rank - 1, j = shape->rank - 1; i >= 0; i--, j--) {
    int64_t dim = j >= 0 ? shape->dim[j] : 1;
    stride[i] = dim > 1 ? step : 0;
    step *= dim;
  }
}

/* Dimension d can be joined to the one before it when every input walks both with one stride. */
static bool can_merge(const kd_pw_input *input, int n_inputs, int64_t dim, int d, int before) {
  for (int i = 0; i < n_inputs; i++) {
    if (input[i].access == KD_ACCESS_NONE) continue;
    if (input[i].stride[before] != input[i].stride[d] * dim) return false;
  }
  return true;
}

static void merge_dimensions(const kd_shape *shape, kd_pw_input *input, int n_inputs, kd_tiling *tiling) {
  int rank = 0;
  for (int d = 0; d < shape->rank; d++) {
    if (shape->dim[d] == 1) continue;
    bool merge = rank > 0 && can_merge(input, n_inputs, shape->dim[d], d, rank - 1);
    int to = merge ? rank - 1 : rank;
    tiling->dim[to] = merge ? tiling->dim[to] * shape->dim[d] : shape->dim[d];
    for (int i = 0; i < n_inputs; i++) input[i].stride[to] = input[i].stride[d];
    if (!merge) rank++;
  }
  if (rank == 0) {
    tiling->dim[0] = 1;
    for (int i = 0; i < n_inputs; i++) input[i].stride[0] = 0;
    rank = 1;
  }
  tiling->rank = rank;
}

static int64_t round_up(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}

static void cut(kd_tiling *t) {
  t->inner = t->dim[t->rank - 1];
  t->rows = t->inner ? t->count / t->inner : 0;
  t->by_rows = t->inner <= KD_TILE;
  if (t->count == 0) {
    t->tiles = 0;
  } else if (t->by_rows) {
    t->rows_per_tile = KD_TILE / t->inner;
    if (t->rows_per_tile > t->rows) t->rows_per_tile = t->rows;
    t->tiles = (t->rows + t->rows_per_tile - 1) / t->rows_per_tile;
  } else {
    /* Pieces of about equal length: 257 elements are not cut into 256 and 1. */
    int64_t pieces = (t->inner + KD_TILE - 1) / KD_TILE;
    t->piece = t->rows == 1 ? KD_TILE : round_up((t->inner + pieces - 1) / pieces, 16);
    t->pieces = (t->inner + t->piece - 1) / t->piece;
    t->tiles = t->rows * t->pieces;
  }
}

void kd_tiling_make(const kd_launch *launch, kd_pw_input *input, kd_tiling *tiling) {
  const kd_pointwise_attr *attr = launch->attr;
  for (int i = 0; i < launch->n_inputs; i++) {
    if (input[i].access == KD_ACCESS_NONE) continue;
    natural_strides(&launch->input[i].shape, attr->shape.rank, input[i].stride);
  }
  tiling->count = kd_shape_count(&attr->shape);
  merge_dimensions(&attr->shape, input, launch->n_inputs, tiling);
  cut(tiling);
}

kd_tile kd_tiling_tile(const kd_tiling *t, int64_t index) {
  kd_tile tile = {0};
  if (t->by_rows) {
    tile.row = index * t->rows_per_tile;
    tile.start = tile.row * t->inner;
    int64_t rows = t->rows - tile.row < t->rows_per_tile ? t->rows - tile.row : t->rows_per_tile;
    tile.n = rows * t->inner;
  } else {
    tile.row = t->rows == 1 ? 0 : index / t->pieces;
    tile.column = (index - tile.row * t->pieces) * t->piece;
    tile.start = tile.row * t->inner + tile.column;
    tile.n = t->inner - tile.column < t->piece ? t->inner - tile.column : t->piece;
  }
  return tile;
}

int64_t kd_tiling_offset(const kd_tiling *t, const int64_t *stride, int64_t row) {
  if (t->rank == 1) return 0;
  int64_t offset = 0;
  for (int d = t->rank - 2; d > 0; d--) {
    offset += row % t->dim[d] * stride[d];
    row /= t->dim[d];
  }
  return offset + row * stride[0];
}
