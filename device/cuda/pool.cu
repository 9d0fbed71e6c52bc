/* Pooling, channels last: a thread makes one result, so that neighbours read neighbouring channels. */
#include "device/cuda/columns.cuh"
#include "device/cuda/norm.cuh"

typedef struct cell {
  int64_t batch, channel, at[3];
} cell;

static __device__ __forceinline__ cell cell_of(const kd_job_pool &p, const int64_t *size, int64_t i) {
  cell c;
  c.channel = i % p.channels;
  i /= p.channels;
  for (int s = 2; s >= 0; s--) {
    c.at[s] = i % size[s];
    i /= size[s];
  }
  c.batch = i;
  return c;
}

static __device__ __forceinline__ int64_t place(const kd_job_pool &p, const int64_t *size, const cell &c,
                                                const int64_t *at) {
  return (((c.batch * size[0] + at[0]) * size[1] + at[1]) * size[2] + at[2]) * p.channels + c.channel;
}

/* The real cells under the window of a result: [begin, end) on each axis. */
typedef struct window {
  int64_t begin[3], end[3];
} window;

static __device__ __forceinline__ window window_of(const kd_job_pool &p, const cell &c) {
  window w;
  for (int s = 0; s < 3; s++) {
    int64_t first = c.at[s] * p.stride[s] - p.before[s], end = first + p.window[s];
    w.begin[s] = first > 0 ? first : 0;
    w.end[s] = end < p.in[s] ? end : p.in[s];
  }
  return w;
}

static __device__ __forceinline__ float cells_in(const window &w) {
  return (float)((w.end[0] - w.begin[0]) * (w.end[1] - w.begin[1]) * (w.end[2] - w.begin[2]));
}

#define EACH_CELL(w, at)                                                                                     \
  for (at[0] = w.begin[0]; at[0] < w.end[0]; at[0]++)                                                        \
    for (at[1] = w.begin[1]; at[1] < w.end[1]; at[1]++)                                                      \
      for (at[2] = w.begin[2]; at[2] < w.end[2]; at[2]++)

/* The place of the first maximum. */
static __device__ __forceinline__ int64_t winner_of(const kd_job_pool &p, const cell &c, const window &w,
                                                    const float *x) {
  int64_t at[3], best = -1;
  EACH_CELL(w, at) {
    int64_t i = place(p, p.in, c, at);
    if (best < 0 || x[i] > x[best]) best = i;
  }
  return best;
}

static __global__ void pool(kd_job_pool p, const float *x, int64_t count, float *y) {
  KD_EACH(i, count) {
    cell c = cell_of(p, p.out, i);
    window w = window_of(p, c);
    int64_t at[3];
    float sum = 0;
    if (p.average) EACH_CELL(w, at) sum += x[place(p, p.in, c, at)];
    y[i] = p.average ? sum / cells_in(w) : x[winner_of(p, c, w, x)];
  }
}

static int64_t count_of(const kd_job_pool *p, const int64_t *size) {
  return p->batch * size[0] * size[1] * size[2] * p->channels;
}

int kd_cuda_pool_start(const kd_job_pool *p, const float *x, float *y, void *stream) {
  int64_t count = count_of(p, p->out);
  if (count == 0) return 0;
  return kd_start(pool, kd_blocks(count), dim3(KD_BLOCK), stream, *p, x, count, y);
}

/* Winners are kept as places within their image. */
static __global__ void find_winners(kd_job_pool p, const float *x, int64_t count, int32_t *winner) {
  int64_t image = p.in[0] * p.in[1] * p.in[2] * p.channels;
  KD_EACH(i, count) {
    cell c = cell_of(p, p.out, i);
    winner[i] = (int32_t)(winner_of(p, c, window_of(p, c), x) - c.batch * image);
  }
}

/* A thread gathers for one input cell from all windows that cover it, in their order. */
static __global__ void pool_grad(kd_job_pool p, const float *dy, const int32_t *winner, int64_t count,
                                 float *dx) {
  int64_t image = p.in[0] * p.in[1] * p.in[2] * p.channels;
  KD_EACH(i, count) {
    cell c = cell_of(p, p.in, i);
    window outs;
    for (int s = 0; s < 3; s++) {
      int64_t last = c.at[s] + p.before[s], first = last - p.window[s] + 1;
      outs.begin[s] = first > 0 ? (first + p.stride[s] - 1) / p.stride[s] : 0;
      outs.end[s] = last / p.stride[s] + 1 < p.out[s] ? last / p.stride[s] + 1 : p.out[s];
    }
    cell out = c;
    float sum = 0;
    EACH_CELL(outs, out.at) {
      int64_t o = place(p, p.out, out, out.at);
      if (p.average)
        sum += dy[o] / cells_in(window_of(p, out));
      else if (winner[o] == (int32_t)(i - c.batch * image))
        sum += dy[o];
    }
    dx[i] = sum;
  }
}

int kd_cuda_pool_grad_start(const kd_job_pool *p, const float *x, const float *dy, float *dx, int32_t *winner,
                            void *stream) {
  int64_t in = count_of(p, p->in), out = count_of(p, p->out);
  int error = 0;
  if (in == 0) return 0;
  if (!p->average && out > 0)
    error = kd_start(find_winners, kd_blocks(out), dim3(KD_BLOCK), stream, *p, x, out, winner);
  if (error) return error;
  return kd_start(pool_grad, kd_blocks(in), dim3(KD_BLOCK), stream, *p, dy, (const int32_t *)winner, in, dx);
}

/* --- the maximum of relu(batch norm) over windows that do not overlap -------------------------------- */

/* The cell whose normalised value is largest: that of the largest or, with a negative gamma, smallest x. */
static __device__ __forceinline__ int64_t norm_winner(const kd_job_pool &p, const norm_channel &n,
                                                      const cell &c, const float *x) {
  window w = window_of(p, c);
  float sign = n.gamma > 0 ? 1.0f : n.gamma < 0 ? -1.0f : 0.0f;
  int64_t at[3], best = -1;
  EACH_CELL(w, at) {
    int64_t i = place(p, p.in, c, at);
    if (best < 0 || sign * x[i] > sign * x[best]) best = i;
  }
  return best;
}

static __global__ void norm_pool(kd_job_pool p, kd_job_norm n, int64_t count, float *y) {
  KD_EACH(i, count) {
    cell c = cell_of(p, p.out, i);
    norm_channel channel = norm_at(n, c.channel);
    float value = norm_value(channel, n.x[norm_winner(p, channel, c, n.x)]);
    y[i] = value < 0 ? 0.0f : value;
  }
}

int kd_cuda_norm_pool_start(const kd_job_pool *p, const kd_job_norm *n, float *y, void *stream) {
  int64_t count = count_of(p, p->out);
  if (count == 0) return 0;
  return kd_start(norm_pool, kd_blocks(count), dim3(KD_BLOCK), stream, *p, *n, count, y);
}

/* Rows are windows: only their winners have a gradient. */
struct norm_pool_terms {
  kd_job_pool p;
  kd_job_norm n;
  const float *dy;
  __device__ void operator()(int64_t row, int64_t channel, float *a, float *b) const {
    int64_t i = row * p.channels + channel;
    cell c = cell_of(p, p.out, i);
    norm_channel at = norm_at(n, channel);
    float x = n.x[norm_winner(p, at, c, n.x)], d = norm_value(at, x) > 0 ? dy[i] : 0.0f;
    *a += d * norm_unit(at, x);
    *b += d;
  }
};

static __global__ void norm_pool_data(kd_job_pool p, kd_job_norm n, const float *dy, const float *dgamma,
                                      const float *dbeta, int64_t count, float *dx) {
  float per_row = 1.0f / (float)n.rows;
  KD_EACH(i, count) {
    cell c = cell_of(p, p.in, i), out = c;
    norm_channel at = norm_at(n, c.channel);
    bool inside = true;
    float d = 0;
    for (int s = 0; s < 3; s++) {
      out.at[s] = c.at[s] / p.window[s];
      inside = inside && out.at[s] < p.out[s];
    }
    if (inside && norm_winner(p, at, out, n.x) == i && norm_value(at, n.x[i]) > 0)
      d = dy[place(p, p.out, out, out.at)];
    float common = (dbeta[c.channel] + norm_unit(at, n.x[i]) * dgamma[c.channel]) * per_row;
    dx[i] = at.gamma * at.rstd * (d - common);
  }
}

int kd_cuda_norm_pool_grad_start(const kd_job_pool *p, const kd_job_norm *n, const float *dy, float *dx,
                                 float *dgamma, float *dbeta, float *workspace, void *stream) {
  norm_pool_terms terms = {*p, *n, dy};
  int64_t windows = count_of(p, p->out) / p->channels, count = count_of(p, p->in);
  int error = column_pairs(terms, windows, p->channels, dgamma, dbeta, workspace, stream);
  if (error || count == 0) return error;
  return kd_start(norm_pool_data, kd_blocks(count), dim3(KD_BLOCK), stream, *p, *n, dy, (const float *)dgamma,
                  (const float *)dbeta, count, dx);
}
