/* Batch normalisation over rows, layer normalisation along rows. */
#include "device/cuda/columns.cuh"
#include "device/cuda/norm.cuh"

int64_t kd_cuda_norm_floats(int64_t rows, int64_t channels) {
  return column_parts(rows) * 2 * channels;
}

/* --- statistics: mean and squares around it of each piece, joined in double --------------------------
 * (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances",
 * 1979)
 */

static __global__ void measure_pieces(const float *x, int64_t rows, int64_t channels, float *partial) {
  column_piece p = piece_of(rows, channels);
  bool inside = p.channel < channels;
  float sum = 0, squares = 0;
  for (int64_t row = p.begin + threadIdx.y; inside && row < p.end; row += LANES)
    sum += x[row * channels + p.channel];
  float mean = lane_sum(sum) / (float)(p.end - p.begin);
  for (int64_t row = p.begin + threadIdx.y; inside && row < p.end; row += LANES) {
    float d = x[row * channels + p.channel] - mean;
    squares += d * d;
  }
  squares = lane_sum(squares);
  if (threadIdx.y > 0 || !inside) return;
  partial[p.part * 2 * channels + p.channel] = mean;
  partial[(p.part * 2 + 1) * channels + p.channel] = squares;
}

static __device__ __forceinline__ void join_moments(double *n, double *mean, double *squares, double n2,
                                                    double mean2, double squares2) {
  double total = *n + n2, d = mean2 - *mean;
  if (n2 == 0) return;
  *squares += squares2 + d * d * *n * n2 / total;
  *mean += d * n2 / total;
  *n = total;
}

static __global__ void join_pieces(int64_t rows, int64_t channels, const float *partial, float *mean,
                                   float *variance) {
  __shared__ double lane[3][JOIN_LANES][COLUMNS];
  int64_t channel = (int64_t)blockIdx.x * COLUMNS + threadIdx.x;
  double n = 0, m = 0, s = 0;
  int64_t parts = (rows + PART_ROWS - 1) / PART_ROWS;
  for (int64_t part = threadIdx.y; part < parts && channel < channels; part += JOIN_LANES) {
    int64_t here = part + 1 < parts ? PART_ROWS : rows - part * PART_ROWS;
    const float *at = partial + part * 2 * channels + channel;
    join_moments(&n, &m, &s, (double)here, (double)at[0], (double)at[channels]);
  }
  lane[0][threadIdx.y][threadIdx.x] = n;
  lane[1][threadIdx.y][threadIdx.x] = m;
  lane[2][threadIdx.y][threadIdx.x] = s;
  __syncthreads();
  if (threadIdx.y > 0 || channel >= channels) return;
  for (int l = 1; l < JOIN_LANES; l++)
    join_moments(&n, &m, &s, lane[0][l][threadIdx.x], lane[1][l][threadIdx.x], lane[2][l][threadIdx.x]);
  mean[channel] = (float)m;
  variance[channel] = (float)(s / n);
}

int kd_cuda_batch_statistics_start(const float *x, int64_t rows, int64_t channels, float *mean,
                                   float *variance, float *workspace, void *stream) {
  if (rows * channels == 0) return 0;
  int error = kd_start(measure_pieces, column_blocks(rows, channels), dim3(COLUMNS, LANES), stream, x, rows,
                       channels, workspace);
  if (error) return error;
  return kd_start(join_pieces, dim3((unsigned)kd_ceil_div(channels, COLUMNS)), dim3(COLUMNS, JOIN_LANES),
                  stream, rows, channels, (const float *)workspace, mean, variance);
}

/* --- batch norm ------------------------------------------------------------------------------------ */

static __global__ void batch_norm(kd_job_norm n, float *y) {
  column_piece p = piece_of(n.rows, n.channels);
  if (p.channel >= n.channels) return;
  norm_channel c = norm_at(n, p.channel);
  for (int64_t row = p.begin + threadIdx.y; row < p.end; row += LANES) {
    float value = norm_value(c, n.x[row * n.channels + p.channel]);
    y[row * n.channels + p.channel] = n.relu && value < 0 ? 0.0f : value;
  }
}

int kd_cuda_batch_norm_start(const kd_job_norm *n, float *y, void *stream) {
  if (n->rows * n->channels == 0) return 0;
  return kd_start(batch_norm, column_blocks(n->rows, n->channels), dim3(COLUMNS, LANES), stream, *n, y);
}

/* dy behind the mask of a fused relu. */
static __device__ __forceinline__ float masked(const kd_job_norm &n, const norm_channel &c, float x,
                                               float dy) {
  return n.relu && !(norm_value(c, x) > 0) ? 0.0f : dy;
}

struct batch_norm_terms {
  kd_job_norm n;
  const float *dy;
  __device__ void operator()(int64_t row, int64_t channel, float *a, float *b) const {
    norm_channel c = norm_at(n, channel);
    float x = n.x[row * n.channels + channel], d = masked(n, c, x, dy[row * n.channels + channel]);
    *a += d * norm_unit(c, x);
    *b += d;
  }
};

static __global__ void batch_norm_data(kd_job_norm n, const float *dy, const float *dgamma,
                                       const float *dbeta, float *dx) {
  column_piece p = piece_of(n.rows, n.channels);
  if (p.channel >= n.channels) return;
  norm_channel c = norm_at(n, p.channel);
  float per_row = 1.0f / (float)n.rows, a = dgamma[p.channel] * per_row, b = dbeta[p.channel] * per_row;
  for (int64_t row = p.begin + threadIdx.y; row < p.end; row += LANES) {
    int64_t i = row * n.channels + p.channel;
    float x = n.x[i], d = masked(n, c, x, dy[i]);
    dx[i] = c.gamma * c.rstd * (d - b - norm_unit(c, x) * a);
  }
}

int kd_cuda_batch_norm_grad_start(const kd_job_norm *n, const float *dy, float *dx, float *dgamma,
                                  float *dbeta, float *workspace, void *stream) {
  if (n->rows * n->channels == 0) return 0;
  batch_norm_terms terms = {*n, dy};
  int error = column_pairs(terms, n->rows, n->channels, dgamma, dbeta, workspace, stream);
  if (error) return error;
  return kd_start(batch_norm_data, column_blocks(n->rows, n->channels), dim3(COLUMNS, LANES), stream, *n, dy,
                  (const float *)dgamma, (const float *)dbeta, dx);
}

/* --- layer norm ------------------------------------------------------------------------------------ */

template <int THREADS>
static __global__ void layer_norm(kd_job_norm n, float *y, float *mean_of, float *rstd_of) {
  int64_t row = KD_ROW(THREADS);
  if (row >= n.rows) return;
  const float *x = n.x + row * n.channels;
  float sum = 0, squares = 0;
  for (int64_t i = threadIdx.x; i < n.channels; i += THREADS) sum += x[i];
  float mean = kd_row_sum<THREADS>(sum) / (float)n.channels;
  for (int64_t i = threadIdx.x; i < n.channels; i += THREADS) squares += (x[i] - mean) * (x[i] - mean);
  float rstd = 1.0f / sqrtf(kd_row_sum<THREADS>(squares) / (float)n.channels + n.epsilon);
  for (int64_t i = threadIdx.x; i < n.channels; i += THREADS)
    y[row * n.channels + i] = (x[i] - mean) * rstd * n.gamma[i] + n.beta[i];
  if (threadIdx.x > 0) return;
  mean_of[row] = mean;
  rstd_of[row] = rstd;
}

int kd_cuda_layer_norm_start(const kd_job_norm *n, float *y, float *mean, float *rstd, void *stream) {
  if (n->rows * n->channels == 0) return 0;
  return KD_START_ROWS(layer_norm, n->rows, n->channels, stream, *n, y, mean, rstd);
}

template <int THREADS> static __global__ void layer_norm_data(kd_job_norm n, const float *dy, float *dx) {
  int64_t row = KD_ROW(THREADS);
  if (row >= n.rows) return;
  const float *x = n.x + row * n.channels, *d = dy + row * n.channels;
  float mean = n.mean[row], rstd = n.variance[row], sum = 0, sum_unit = 0;
  for (int64_t i = threadIdx.x; i < n.channels; i += THREADS) {
    float g = d[i] * n.gamma[i];
    sum += g;
    sum_unit += g * (x[i] - mean) * rstd;
  }
  sum = kd_row_sum<THREADS>(sum) / (float)n.channels;
  sum_unit = kd_row_sum<THREADS>(sum_unit) / (float)n.channels;
  for (int64_t i = threadIdx.x; i < n.channels; i += THREADS)
    dx[row * n.channels + i] = rstd * (d[i] * n.gamma[i] - sum - (x[i] - mean) * rstd * sum_unit);
}

struct layer_norm_terms {
  kd_job_norm n;
  const float *dy;
  __device__ void operator()(int64_t row, int64_t channel, float *a, float *b) const {
    float d = dy[row * n.channels + channel];
    *a += d * (n.x[row * n.channels + channel] - n.mean[row]) * n.variance[row];
    *b += d;
  }
};

int kd_cuda_layer_norm_grad_start(const kd_job_norm *n, const float *dy, float *dx, float *dgamma,
                                  float *dbeta, float *workspace, void *stream) {
  if (n->rows * n->channels == 0) return 0;
  layer_norm_terms terms = {*n, dy};
  int error = column_pairs(terms, n->rows, n->channels, dgamma, dbeta, workspace, stream);
  if (error) return error;
  return KD_START_ROWS(layer_norm_data, n->rows, n->channels, stream, *n, dy, dx);
}
