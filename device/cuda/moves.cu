/* Strided copies, fills, and rows of a table by number. */
#include "device/cuda/platform.cuh"

#include "device/op.h"

template <typename T> static __global__ void copy_elements(kd_job_copy c, const T *from, T *to) {
  KD_EACH(i, c.count) {
    int64_t rest = i, source = 0, target = 0;
    for (int d = c.rank - 1; d >= 0; d--) {
      int64_t at = rest % c.size[d];
      rest /= c.size[d];
      source += at * c.from[d];
      target += at * c.to[d];
    }
    to[target] = from[source];
  }
}

/* The same with indices of 32 bits, whose divisions are several times as fast. */
template <typename T> static __global__ void copy_small(kd_job_copy c, const T *from, T *to) {
  KD_EACH(i, c.count) {
    uint32_t rest = (uint32_t)i;
    int64_t source = 0, target = 0;
    for (int d = c.rank - 1; d >= 0; d--) {
      uint32_t size = (uint32_t)c.size[d], at = rest % size;
      rest /= size;
      source += at * c.from[d];
      target += at * c.to[d];
    }
    to[target] = from[source];
  }
}

/* Matrices (batch, rows, columns) to (batch, columns, rows), by tiles in shared memory: both sides are read
 * and written along their rows. */
enum { TILE = 32, TILE_ROWS = 8 };
template <typename T>
static __global__ void transpose(int64_t rows, int64_t columns, int64_t tiles_r, int64_t tiles_c,
                                 const T *from, T *to) {
  __shared__ T tile[TILE][TILE + 1];
  int64_t number = blockIdx.x, c0 = number % tiles_c * TILE, r0 = number / tiles_c % tiles_r * TILE;
  int64_t base = number / tiles_c / tiles_r * rows * columns;
  for (int r = threadIdx.y; r < TILE; r += TILE_ROWS)
    if (r0 + r < rows && c0 + threadIdx.x < columns)
      tile[r][threadIdx.x] = from[base + (r0 + r) * columns + c0 + threadIdx.x];
  __syncthreads();
  for (int c = threadIdx.y; c < TILE; c += TILE_ROWS)
    if (c0 + c < columns && r0 + threadIdx.x < rows)
      to[base + (c0 + c) * rows + r0 + threadIdx.x] = tile[threadIdx.x][c];
}

/* A copy that swaps its last two merged axes: results lie dense, sources are dense but for the swap. */
static bool is_transpose(const kd_job_copy *c) {
  if (c->rank < 2 || c->rank > 3) return false;
  int r = c->rank - 1;
  int64_t columns = c->size[r - 1], rows = c->size[r]; /* of the source */
  bool swapped = c->from[r] == columns && c->from[r - 1] == 1 && c->to[r] == 1 && c->to[r - 1] == rows;
  return swapped && (c->rank == 2 || (c->from[0] == rows * columns && c->to[0] == rows * columns));
}

template <typename T> static int copy(const kd_job_copy *c, const void *from, void *to, void *stream) {
  if (is_transpose(c)) {
    int64_t rows = c->size[c->rank - 1], columns = c->size[c->rank - 2];
    int64_t tiles_r = kd_ceil_div(rows, TILE), tiles_c = kd_ceil_div(columns, TILE);
    int64_t blocks = tiles_r * tiles_c * (c->rank == 3 ? c->size[0] : 1);
    if (blocks <= INT32_MAX)
      return kd_start(transpose<T>, dim3((unsigned)blocks), dim3(TILE, TILE_ROWS), stream, rows, columns,
                      tiles_r, tiles_c, (const T *)from, (T *)to);
  }
  if (c->count <= INT32_MAX)
    return kd_start(copy_small<T>, kd_blocks(c->count), dim3(KD_BLOCK), stream, *c, (const T *)from, (T *)to);
  return kd_start(copy_elements<T>, kd_blocks(c->count), dim3(KD_BLOCK), stream, *c, (const T *)from,
                  (T *)to);
}

int kd_cuda_copy_start(const kd_job_copy *c, const void *from, void *to, void *stream) {
  if (c->count == 0) return 0;
  switch (c->element) {
  case 1:
    return copy<uint8_t>(c, from, to, stream);
  case 2:
    return copy<uint16_t>(c, from, to, stream);
  case 4:
    return copy<uint32_t>(c, from, to, stream);
  default:
    return copy<uint64_t>(c, from, to, stream);
  }
}

template <typename T> static __global__ void fill(T value, int64_t count, T *to) {
  KD_EACH(i, count) to[i] = value;
}

int kd_cuda_fill_start(int element, uint64_t pattern, int64_t count, void *to, void *stream) {
  if (count == 0) return 0;
  dim3 blocks = kd_blocks(count), threads(KD_BLOCK);
  switch (element) {
  case 1:
    return kd_start(fill<uint8_t>, blocks, threads, stream, (uint8_t)pattern, count, (uint8_t *)to);
  case 2:
    return kd_start(fill<uint16_t>, blocks, threads, stream, (uint16_t)pattern, count, (uint16_t *)to);
  case 4:
    return kd_start(fill<uint32_t>, blocks, threads, stream, (uint32_t)pattern, count, (uint32_t *)to);
  default:
    return kd_start(fill<uint64_t>, blocks, threads, stream, pattern, count, (uint64_t *)to);
  }
}

static __global__ void iota(int64_t count, int64_t n, int64_t inner, float *y) {
  KD_EACH(i, count) y[i] = (float)(i / inner % n);
}

int kd_cuda_iota_start(int64_t count, int64_t n, int64_t inner, float *y, void *stream) {
  if (count == 0) return 0;
  return kd_start(iota, kd_blocks(count), dim3(KD_BLOCK), stream, count, n, inner, y);
}

template <typename T>
static __global__ void gather(kd_dtype id_type, const void *ids, int64_t count, int64_t rows, int64_t width,
                              const T *table, T *to) {
  KD_EACH(i, count) {
    int64_t id = kd_index(id_type, ids, i / width);
    id = id < 0 ? 0 : id >= rows ? rows - 1 : id;
    to[i] = table[id * width + i % width];
  }
}

template <typename T>
static int gather_rows(kd_dtype id_type, const void *ids, int64_t n_ids, int64_t rows, int64_t row_bytes,
                       const void *table, void *to, void *stream) {
  int64_t width = row_bytes / (int64_t)sizeof(T), count = n_ids * width;
  return kd_start(gather<T>, kd_blocks(count), dim3(KD_BLOCK), stream, id_type, ids, count, rows, width,
                  (const T *)table, (T *)to);
}

int kd_cuda_gather_start(kd_dtype id_type, const void *ids, int64_t n_ids, int64_t rows, int64_t row_bytes,
                         const void *table, void *to, void *stream) {
  if (n_ids == 0 || row_bytes == 0) return 0;
  uintptr_t places = (uintptr_t)table | (uintptr_t)to | (uintptr_t)row_bytes;
  if (places % 8 == 0) return gather_rows<uint64_t>(id_type, ids, n_ids, rows, row_bytes, table, to, stream);
  if (places % 4 == 0) return gather_rows<uint32_t>(id_type, ids, n_ids, rows, row_bytes, table, to, stream);
  return gather_rows<uint8_t>(id_type, ids, n_ids, rows, row_bytes, table, to, stream);
}

static __global__ void epilogue(int kind, const float *bias, int64_t count, int64_t width, const float *x,
                                kd_dtype y_type, void *y) {
  KD_EACH(i, count) {
    float value = x[i] + (bias ? bias[i % width] : 0.0f);
    if (kind == KD_EPI_RELU) value = value < 0 ? 0.0f : value;
    if (kind == KD_EPI_TANH) value = tanhf(value);
    if (kind == KD_EPI_SIGMOID) value = 1.0f / (1.0f + expf(-value));
    kd_store(y_type, y, i, value);
  }
}

int kd_cuda_epilogue_start(int kind, const float *bias, int64_t rows, int64_t width, const float *x,
                           kd_dtype y_type, void *y, void *stream) {
  int64_t count = rows * width;
  if (count == 0 || (!bias && kind == KD_EPI_NONE && x == y)) return 0;
  return kd_start(epilogue, kd_blocks(count), dim3(KD_BLOCK), stream, kind, bias, count, width, x, y_type, y);
}

static __global__ void convert(kd_dtype from_type, kd_dtype to_type, kd_dtype rounding, int64_t count,
                               const void *from, void *to) {
  KD_EACH(i, count) {
    float value = kd_load(from_type, from, i);
    if (rounding == KD_BF16) value = kd_bf16_to_float(kd_float_to_bf16(value));
    if (rounding == KD_F16) value = kd_half_to_float(kd_float_to_half(value));
    kd_store(to_type, to, i, value);
  }
}

int kd_cuda_convert_start(kd_dtype from_type, kd_dtype to_type, kd_dtype rounding, int64_t count,
                          const void *from, void *to, void *stream) {
  if (count == 0) return 0;
  return kd_start(convert, kd_blocks(count), dim3(KD_BLOCK), stream, from_type, to_type, rounding, count,
                  from, to);
}
