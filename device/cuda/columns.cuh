/* Sums over the rows of (rows, channels), two for each channel at once. Blocks take PART_ROWS rows of COLUMNS
 * channels each; their results are added in double, in an order that the shape alone decides. */
#ifndef KD_CUDA_COLUMNS_CUH
#define KD_CUDA_COLUMNS_CUH

#include "device/cuda/platform.cuh"

enum { COLUMNS = 32, LANES = 8, PART_ROWS = 512, JOIN_LANES = 32 };

static inline int64_t column_parts(int64_t rows) {
  return rows > PART_ROWS ? kd_ceil_div(rows, PART_ROWS) : 1;
}

/* The piece of a block: its rows, and the channel of this thread. */
typedef struct column_piece {
  int64_t part, begin, end, channel;
} column_piece;

static __device__ __forceinline__ column_piece piece_of(int64_t rows, int64_t channels) {
  int64_t tiles = (channels + COLUMNS - 1) / COLUMNS, number = blockIdx.x;
  column_piece p;
  p.part = number / tiles;
  p.begin = p.part * PART_ROWS;
  p.end = p.begin + PART_ROWS < rows ? p.begin + PART_ROWS : rows;
  p.channel = number % tiles * COLUMNS + threadIdx.x;
  return p;
}

static inline dim3 column_blocks(int64_t rows, int64_t channels) {
  return dim3((unsigned)(kd_ceil_div(channels, COLUMNS) * column_parts(rows)));
}

/* The sum over the lanes of this channel; all threads of the block call it. */
static __device__ __forceinline__ float lane_sum(float value) {
  __shared__ float lane[LANES][COLUMNS];
  __syncthreads();
  lane[threadIdx.y][threadIdx.x] = value;
  __syncthreads();
  float sum = 0;
  for (int l = 0; l < LANES; l++) sum += lane[l][threadIdx.x];
  return sum;
}

/* partial (parts, 2, channels). Terms: __device__ void operator()(row, channel, float *a, float *b) const
 * adds what one element gives. */
template <typename Terms>
static __global__ void sum_pairs(Terms terms, int64_t rows, int64_t channels, float *partial) {
  column_piece p = piece_of(rows, channels);
  float a = 0, b = 0;
  if (p.channel < channels)
    for (int64_t row = p.begin + threadIdx.y; row < p.end; row += LANES) terms(row, p.channel, &a, &b);
  a = lane_sum(a);
  b = lane_sum(b);
  if (threadIdx.y > 0 || p.channel >= channels) return;
  partial[p.part * 2 * channels + p.channel] = a;
  partial[(p.part * 2 + 1) * channels + p.channel] = b;
}

static __global__ void join_pairs(int64_t parts, int64_t channels, const float *partial, float *a, float *b) {
  __shared__ double lane[2][JOIN_LANES][COLUMNS];
  int64_t channel = (int64_t)blockIdx.x * COLUMNS + threadIdx.x;
  double sum[2] = {0, 0};
  for (int64_t part = threadIdx.y; part < parts && channel < channels; part += JOIN_LANES)
    for (int k = 0; k < 2; k++) sum[k] += (double)partial[(part * 2 + k) * channels + channel];
  for (int k = 0; k < 2; k++) lane[k][threadIdx.y][threadIdx.x] = sum[k];
  __syncthreads();
  if (threadIdx.y > 0 || channel >= channels) return;
  for (int l = 1; l < JOIN_LANES; l++)
    for (int k = 0; k < 2; k++) sum[k] += lane[k][l][threadIdx.x];
  a[channel] = (float)sum[0];
  b[channel] = (float)sum[1];
}

template <typename Terms>
static int column_pairs(const Terms &terms, int64_t rows, int64_t channels, float *a, float *b,
                        float *partial, void *stream) {
  int error = kd_start(sum_pairs<Terms>, column_blocks(rows, channels), dim3(COLUMNS, LANES), stream, terms,
                       rows, channels, partial);
  if (error) return error;
  return kd_start(join_pairs, dim3((unsigned)kd_ceil_div(channels, COLUMNS)), dim3(COLUMNS, JOIN_LANES),
                  stream, column_parts(rows), channels, (const float *)partial, a, b);
}

#endif
