/* Reductions over (outer, n, inner), and searches for largest elements. The order of every sum follows from
 * the shape alone: no atomic additions. */
#include "device/cuda/platform.cuh"

#include "device/op.h"

enum { COLUMNS = 32, LANES = 8, PART_ROWS = 2048, PART_LENGTH = 1 << 15 };

template <int KIND> static __device__ __forceinline__ float start_value() {
  if (KIND == KD_REDUCE_MAX) return -INFINITY;
  if (KIND == KD_REDUCE_MIN) return INFINITY;
  return KIND == KD_REDUCE_PROD ? 1.0f : 0.0f;
}

template <int KIND> static __device__ __forceinline__ float join(float a, float b) {
  if (KIND == KD_REDUCE_MAX) return kd_max(a, b);
  if (KIND == KD_REDUCE_MIN) return a != a || a < b ? a : b;
  return KIND == KD_REDUCE_PROD ? a * b : a + b;
}

template <int KIND> static __device__ __forceinline__ float given(kd_dtype dtype, const void *x, int64_t i) {
  float value = dtype == KD_F32 ? ((const float *)x)[i] : kd_load(dtype, x, i);
  return KIND == KD_REDUCE_SUMSQ ? value * value : value;
}

/* Row `blockIdx.x * rows per block + y` of x (rows, length) gives one number. */
template <int KIND, int THREADS>
static __device__ __forceinline__ void reduce_row(kd_dtype from, kd_dtype to, const void *x, int64_t row,
                                                  int64_t begin, int64_t end, float divisor, void *y) {
  __shared__ float part[KD_BLOCK / KD_WARP];
  float value = start_value<KIND>();
  for (int64_t i = begin + threadIdx.x; i < end; i += THREADS)
    value = join<KIND>(value, given<KIND>(from, x, i));
  for (int mask = KD_WARP / 2; mask > 0; mask /= 2)
    value = join<KIND>(value, __shfl_xor_sync(KD_ALL_LANES, value, mask));
  if (THREADS > KD_WARP) {
    if (threadIdx.x % KD_WARP == 0) part[threadIdx.x / KD_WARP] = value;
    __syncthreads();
    value = part[0];
    for (int w = 1; w < THREADS / KD_WARP; w++) value = join<KIND>(value, part[w]);
  }
  if (threadIdx.x == 0) kd_store(to, y, row, value / divisor);
}

/* Each row in `parts` pieces of PART_LENGTH: y (rows, parts). */
template <int KIND, int THREADS>
static __global__ void reduce_rows(kd_dtype from, kd_dtype to, const void *x, int64_t rows, int64_t n,
                                   int64_t parts, float divisor, void *y) {
  int64_t piece = KD_ROW(THREADS);
  if (piece >= rows * parts) return;
  int64_t begin = piece % parts * PART_LENGTH, end = begin + PART_LENGTH < n ? begin + PART_LENGTH : n;
  int64_t start = piece / parts * n;
  if (parts == 1) end = n;
  reduce_row<KIND, THREADS>(from, to, x, piece, start + begin, start + end, divisor, y);
}

/* A block takes COLUMNS of the inner axis and `length` of n: y (outer, parts, inner). */
template <int KIND>
static __global__ void reduce_columns(kd_dtype from, kd_dtype to, const void *x, int64_t n, int64_t inner,
                                      int64_t parts, int64_t length, float divisor, void *y) {
  __shared__ float lane[LANES][COLUMNS];
  int64_t tiles = (inner + COLUMNS - 1) / COLUMNS, number = blockIdx.x;
  int64_t column = number % tiles * COLUMNS + threadIdx.x, part = number / tiles % parts;
  int64_t outer = number / tiles / parts;
  int64_t begin = part * length, end = begin + length < n ? begin + length : n;
  float value = start_value<KIND>();
  if (column < inner)
    for (int64_t i = begin + threadIdx.y; i < end; i += LANES)
      value = join<KIND>(value, given<KIND>(from, x, (outer * n + i) * inner + column));
  lane[threadIdx.y][threadIdx.x] = value;
  __syncthreads();
  if (threadIdx.y > 0 || column >= inner) return;
  for (int l = 1; l < LANES; l++) value = join<KIND>(value, lane[l][threadIdx.x]);
  kd_store(to, y, (outer * parts + part) * inner + column, value / divisor);
}

static int64_t parts_of(int64_t n, int64_t inner) {
  int64_t length = inner == 1 ? PART_LENGTH : PART_ROWS;
  return n > length ? kd_ceil_div(n, length) : 1;
}

int64_t kd_cuda_reduce_parts(int64_t outer, int64_t n, int64_t inner) {
  int64_t parts = parts_of(n, inner);
  return parts == 1 ? 0 : outer * parts * inner + kd_cuda_reduce_parts(outer, parts, inner);
}

template <int KIND>
static int pass(const kd_job_reduce *r, int64_t parts, const void *x, kd_dtype to, float divisor, void *y,
                void *stream) {
  if (r->inner > 1) {
    int64_t blocks = kd_ceil_div(r->inner, COLUMNS) * parts * r->outer;
    return kd_start(reduce_columns<KIND>, dim3((unsigned)blocks), dim3(COLUMNS, LANES), stream, r->from, to,
                    x, r->n, r->inner, parts, (int64_t)(parts == 1 ? r->n : PART_ROWS), divisor, y);
  }
  int64_t rows = r->outer * parts;
  if (r->n < KD_LONG_ROW)
    return kd_start(reduce_rows<KIND, KD_WARP>, dim3((unsigned)kd_ceil_div(rows, KD_BLOCK / KD_WARP)),
                    dim3(KD_WARP, KD_BLOCK / KD_WARP), stream, r->from, to, x, r->outer, r->n, parts, divisor,
                    y);
  return kd_start(reduce_rows<KIND, KD_BLOCK>, dim3((unsigned)rows), dim3(KD_BLOCK), stream, r->from, to, x,
                  r->outer, r->n, parts, divisor, y);
}

/* Pieces first, then their results; squares are taken by the first pass only. */
template <int KIND>
static int reduce(const kd_job_reduce *r, const void *x, void *y, float *partial, void *stream) {
  int64_t parts = parts_of(r->n, r->inner);
  if (parts == 1) return pass<KIND>(r, 1, x, r->to, r->divisor, y, stream);
  int error = pass<KIND>(r, parts, x, KD_F32, 1.0f, partial, stream);
  kd_job_reduce next = *r;
  next.from = KD_F32;
  next.n = parts;
  constexpr int then = KIND == KD_REDUCE_SUMSQ ? (int)KD_REDUCE_SUM : KIND;
  float *rest = partial + r->outer * parts * r->inner;
  return error ? error : reduce<then>(&next, partial, y, rest, stream);
}

int kd_cuda_reduce_start(const kd_job_reduce *r, const void *x, void *y, float *partial, void *stream) {
  if (r->outer * r->inner == 0) return 0;
  switch (r->kind) {
  case KD_REDUCE_MAX:
    return reduce<KD_REDUCE_MAX>(r, x, y, partial, stream);
  case KD_REDUCE_MIN:
    return reduce<KD_REDUCE_MIN>(r, x, y, partial, stream);
  case KD_REDUCE_PROD:
    return reduce<KD_REDUCE_PROD>(r, x, y, partial, stream);
  case KD_REDUCE_SUMSQ:
    return reduce<KD_REDUCE_SUMSQ>(r, x, y, partial, stream);
  default:
    return reduce<KD_REDUCE_SUM>(r, x, y, partial, stream);
  }
}

/* --- searches -------------------------------------------------------------------------------------- */

/* Whether candidate (a, i) comes before (b, j): larger, a NaN above all, then the lower index. */
static __device__ __forceinline__ bool before(float a, int i, float b, int j) {
  bool a_nan = a != a, b_nan = b != b;
  if (a_nan || b_nan) return a_nan && (!b_nan || i < j);
  return a > b || (a == b && i < j);
}

/* A warp looks for the maximum of each (outer, inner). */
static __global__ void argmax(kd_dtype dtype, const void *x, int64_t results, int64_t n, int64_t inner,
                              int32_t *y) {
  int64_t result = KD_ROW(KD_WARP);
  if (result >= results) return;
  int64_t start = result / inner * n * inner + result % inner;
  float best = -INFINITY;
  int place = INT32_MAX;
  for (int64_t i = threadIdx.x; i < n; i += KD_WARP) {
    float value = kd_load(dtype, x, start + i * inner);
    if (place == INT32_MAX || before(value, (int)i, best, place)) best = value, place = (int)i;
  }
  for (int mask = KD_WARP / 2; mask > 0; mask /= 2) {
    float other = __shfl_xor_sync(KD_ALL_LANES, best, mask);
    int there = __shfl_xor_sync(KD_ALL_LANES, place, mask);
    if (there != INT32_MAX && (place == INT32_MAX || before(other, there, best, place)))
      best = other, place = there;
  }
  if (threadIdx.x == 0) y[result] = place;
}

int kd_cuda_argmax_start(kd_dtype dtype, const void *x, int64_t outer, int64_t n, int64_t inner, int32_t *y,
                         void *stream) {
  if (outer * inner == 0) return 0;
  return kd_start(argmax, dim3((unsigned)kd_ceil_div(outer * inner, KD_BLOCK / KD_WARP)),
                  dim3(KD_WARP, KD_BLOCK / KD_WARP), stream, dtype, x, outer * inner, n, inner, y);
}

static __global__ void in_top_k(kd_dtype dtype, const void *x, int64_t rows, int64_t n, kd_dtype label_type,
                                const void *labels, int k, float *y) {
  int64_t row = KD_ROW(KD_WARP);
  if (row >= rows) return;
  int64_t label = kd_index(label_type, labels, row);
  bool known = label >= 0 && label < n;
  float score = known ? kd_load(dtype, x, row * n + label) : 0.0f, larger = 0;
  for (int64_t i = threadIdx.x; known && i < n; i += KD_WARP)
    larger += kd_load(dtype, x, row * n + i) > score;
  larger = kd_warp_sum(larger);
  bool finite = score - score == 0;
  if (threadIdx.x == 0) y[row] = known && finite && larger < (float)k ? 1.0f : 0.0f;
}

int kd_cuda_in_top_k_start(kd_dtype dtype, const void *x, int64_t rows, int64_t n, kd_dtype label_type,
                           const void *labels, int k, float *y, void *stream) {
  if (rows == 0) return 0;
  return kd_start(in_top_k, dim3((unsigned)kd_ceil_div(rows, KD_BLOCK / KD_WARP)),
                  dim3(KD_WARP, KD_BLOCK / KD_WARP), stream, dtype, x, rows, n, label_type, labels, k, y);
}
