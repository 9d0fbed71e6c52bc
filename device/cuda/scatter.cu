/* SCATTER_ADD: ids are sorted by a stable radix sort, then each row of the table adds what belongs to it, in
 * the order of positions. So bits do not depend on the device's timing, and equal those of the CPU. */
#include "device/cuda/platform.cuh"

enum { DIGITS = 256, DIGIT_BITS = 8, ROUNDS = 4, PIECE = ROUNDS * KD_BLOCK };

typedef struct sorting {
  uint32_t *key[2], *position[2];
  int32_t *count; /* (blocks, DIGITS) */
  int64_t blocks;
} sorting;

static sorting lay_out(const kd_job_scatter *s, void *workspace) {
  uint32_t *words = (uint32_t *)workspace;
  sorting sort = {{words, words + s->n_ids}, {words + 2 * s->n_ids, words + 3 * s->n_ids}};
  sort.count = (int32_t *)(words + 4 * s->n_ids);
  sort.blocks = kd_ceil_div(s->n_ids, PIECE);
  return sort;
}

size_t kd_cuda_scatter_bytes(const kd_job_scatter *s) {
  return (size_t)(4 * s->n_ids + kd_ceil_div(s->n_ids, PIECE) * DIGITS) * sizeof(uint32_t);
}

static __global__ void read_ids(kd_dtype type, const void *ids, int64_t count, int64_t rows, uint32_t *key,
                                uint32_t *position) {
  KD_EACH(i, count) {
    int64_t id = kd_index(type, ids, i);
    key[i] = (uint32_t)(id < 0 ? 0 : id >= rows ? rows - 1 : id);
    position[i] = (uint32_t)i;
  }
}

/* How often each digit comes in each piece. */
static __global__ void count_digits(const uint32_t *key, int64_t n, int shift, int32_t *count) {
  __shared__ uint32_t seen[PIECE];
  int64_t begin = (int64_t)blockIdx.x * PIECE;
  int here = (int)(n - begin < PIECE ? n - begin : PIECE), total = 0;
  for (int i = threadIdx.x; i < here; i += KD_BLOCK) seen[i] = key[begin + i] >> shift & (DIGITS - 1);
  __syncthreads();
  for (int i = 0; i < here; i++) total += seen[i] == threadIdx.x;
  count[blockIdx.x * DIGITS + threadIdx.x] = total;
}

/* Counts become the places where the keys of each digit and piece begin. One block, a thread a digit. */
static __global__ void place_digits(int64_t blocks, int32_t *count) {
  __shared__ int32_t first[DIGITS];
  int32_t total = 0;
  for (int64_t b = 0; b < blocks; b++) total += count[b * DIGITS + threadIdx.x];
  first[threadIdx.x] = total;
  __syncthreads();
  int32_t at = 0;
  for (int d = 0; d < (int)threadIdx.x; d++) at += first[d];
  for (int64_t b = 0; b < blocks; b++) {
    int32_t here = count[b * DIGITS + threadIdx.x];
    count[b * DIGITS + threadIdx.x] = at;
    at += here;
  }
}

/* Each key goes behind the equal digits before it. */
static __global__ void move_keys(const uint32_t *key, const uint32_t *position, int64_t n, int shift,
                                 const int32_t *place, uint32_t *to_key, uint32_t *to_position) {
  __shared__ uint32_t digit[KD_BLOCK];
  __shared__ int32_t next[DIGITS];
  next[threadIdx.x] = place[blockIdx.x * DIGITS + threadIdx.x];
  for (int round = 0; round < ROUNDS; round++) {
    int64_t i = (int64_t)blockIdx.x * PIECE + round * KD_BLOCK + threadIdx.x;
    bool inside = i < n;
    uint32_t mine = inside ? key[i] >> shift & (DIGITS - 1) : DIGITS;
    digit[threadIdx.x] = mine;
    __syncthreads();
    int earlier = 0, later = 0;
    for (int t = 0; t < KD_BLOCK; t++) {
      bool equal = digit[t] == mine;
      earlier += equal && t < (int)threadIdx.x;
      later += equal && t > (int)threadIdx.x;
    }
    int32_t base = inside ? next[mine] : 0;
    __syncthreads();
    if (!inside) continue;
    to_key[base + earlier] = key[i];
    to_position[base + earlier] = position[i];
    if (later == 0) next[mine] = base + earlier + 1;
  }
}

/* The first of a run of equal keys adds the whole run, one thread a column. */
static __global__ void add_rows(kd_dtype dtype, const uint32_t *key, const uint32_t *position, int64_t n,
                                int64_t width, const void *rows, void *y) {
  KD_EACH(i, n * width) {
    int64_t p = i / width, column = i % width;
    uint32_t row = key[p];
    if (p > 0 && key[p - 1] == row) continue;
    float sum = 0;
    for (int64_t q = p; q < n && key[q] == row; q++)
      sum += kd_load(dtype, rows, (int64_t)position[q] * width + column);
    kd_store(dtype, y, (int64_t)row * width + column, sum);
  }
}

int kd_cuda_scatter_start(const kd_job_scatter *s, const void *ids, const void *rows, void *y,
                          void *workspace, void *stream) {
  if (s->n_ids == 0 || s->width == 0) return 0;
  sorting sort = lay_out(s, workspace);
  dim3 threads(KD_BLOCK), pieces((unsigned)sort.blocks);
  int now = 0, error = kd_start(read_ids, kd_blocks(s->n_ids), threads, stream, s->id_type, ids, s->n_ids,
                                s->table_rows, sort.key[0], sort.position[0]);
  for (int shift = 0; !error && shift < 32 && (s->table_rows - 1) >> shift > 0; shift += DIGIT_BITS) {
    const uint32_t *key = sort.key[now], *position = sort.position[now];
    error = kd_start(count_digits, pieces, threads, stream, key, s->n_ids, shift, sort.count);
    if (!error) error = kd_start(place_digits, dim3(1), threads, stream, sort.blocks, sort.count);
    if (!error)
      error = kd_start(move_keys, pieces, threads, stream, key, position, s->n_ids, shift,
                       (const int32_t *)sort.count, sort.key[1 - now], sort.position[1 - now]);
    now = 1 - now;
  }
  if (error) return error;
  return kd_start(add_rows, kd_blocks(s->n_ids * s->width), threads, stream, s->dtype,
                  (const uint32_t *)sort.key[now], (const uint32_t *)sort.position[now], s->n_ids, s->width,
                  rows, y);
}
