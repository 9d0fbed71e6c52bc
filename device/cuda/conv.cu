/* Convolutions as plain loops over the taps, a thread a result: for shapes that the library has no plan for.
 */
#include "device/cuda/platform.cuh"

/* Splits i into (outer, three axes, inner). */
static __device__ __forceinline__ int64_t split(int64_t i, const int64_t *size, int64_t inner, int64_t *at,
                                                int64_t *last) {
  *last = i % inner;
  i /= inner;
  for (int s = 2; s >= 0; s--) {
    at[s] = i % size[s];
    i /= size[s];
  }
  return i;
}

static __device__ __forceinline__ int64_t join(int64_t outer, const int64_t *size, const int64_t *at,
                                               int64_t inner, int64_t last) {
  return (((outer * size[0] + at[0]) * size[1] + at[1]) * size[2] + at[2]) * inner + last;
}

#define EACH_TAP(c, tap)                                                                                     \
  for (tap[0] = 0; tap[0] < c.window[0]; tap[0]++)                                                           \
    for (tap[1] = 0; tap[1] < c.window[1]; tap[1]++)                                                         \
      for (tap[2] = 0; tap[2] < c.window[2]; tap[2]++)

/* The input cell under a tap; false: padding. */
static __device__ __forceinline__ bool cell_under(const kd_job_conv &c, const int64_t *out,
                                                  const int64_t *tap, int64_t *in) {
  for (int s = 0; s < 3; s++) {
    in[s] = out[s] * c.stride[s] + tap[s] * c.dilation[s] - c.before[s];
    if (in[s] < 0 || in[s] >= c.in[s]) return false;
  }
  return true;
}

/* The result cell that meets an input cell under a tap; false: none does. */
static __device__ __forceinline__ bool cell_over(const kd_job_conv &c, const int64_t *in, const int64_t *tap,
                                                 int64_t *out) {
  for (int s = 0; s < 3; s++) {
    int64_t at = in[s] - tap[s] * c.dilation[s] + c.before[s];
    if (at < 0 || at % c.stride[s] != 0) return false;
    out[s] = at / c.stride[s];
    if (out[s] >= c.out[s]) return false;
  }
  return true;
}

static __global__ void conv(kd_job_conv c, const float *x, const float *kernel, int64_t count, float *y) {
  int64_t per_group = c.channels / c.groups, filters = c.filters / c.groups;
  KD_EACH(i, count) {
    int64_t out[3], in[3], tap[3], f;
    int64_t batch = split(i, c.out, c.filters, out, &f), first = f / filters * per_group;
    float sum = 0;
    EACH_TAP(c, tap) {
      if (!cell_under(c, out, tap, in)) continue;
      const float *a = x + join(batch, c.in, in, c.channels, first);
      const float *b = kernel + join(0, c.window, tap, per_group * c.filters, f);
      for (int64_t k = 0; k < per_group; k++) sum += a[k] * b[k * c.filters];
    }
    y[i] = sum;
  }
}

int kd_cuda_conv_start(const kd_job_conv *c, const float *x, const float *kernel, float *y, void *stream) {
  int64_t count = c->batch * c->out[0] * c->out[1] * c->out[2] * c->filters;
  if (count == 0) return 0;
  return kd_start(conv, kd_blocks(count), dim3(KD_BLOCK), stream, *c, x, kernel, count, y);
}

static __global__ void conv_data(kd_job_conv c, const float *dy, const float *kernel, int64_t count,
                                 float *dx) {
  int64_t per_group = c.channels / c.groups, filters = c.filters / c.groups;
  KD_EACH(i, count) {
    int64_t out[3], in[3], tap[3], channel;
    int64_t batch = split(i, c.in, c.channels, in, &channel), first = channel / per_group * filters;
    float sum = 0;
    EACH_TAP(c, tap) {
      if (!cell_over(c, in, tap, out)) continue;
      const float *a = dy + join(batch, c.out, out, c.filters, first);
      const float *b =
          kernel + join(0, c.window, tap, per_group * c.filters, channel % per_group * c.filters);
      for (int64_t k = 0; k < filters; k++) sum += a[k] * b[first + k];
    }
    dx[i] = sum;
  }
}

int kd_cuda_conv_data_start(const kd_job_conv *c, const float *dy, const float *kernel, float *dx,
                            void *stream) {
  int64_t count = c->batch * c->in[0] * c->in[1] * c->in[2] * c->channels;
  if (count == 0) return 0;
  return kd_start(conv_data, kd_blocks(count), dim3(KD_BLOCK), stream, *c, dy, kernel, count, dx);
}

/* A warp makes one element: lanes take the cells of all images in turn. */
static __global__ void conv_kernel(kd_job_conv c, const float *x, const float *dy, int64_t count,
                                   float *dkernel) {
  int64_t i = KD_ROW(KD_WARP), per_group = c.channels / c.groups, filters = c.filters / c.groups;
  if (i >= count) return;
  int64_t out[3], in[3], tap[3], rest;
  split(i, c.window, per_group * c.filters, tap, &rest);
  int64_t f = rest % c.filters, channel = f / filters * per_group + rest / c.filters;
  int64_t cells = c.batch * c.out[0] * c.out[1] * c.out[2];
  float sum = 0;
  for (int64_t cell = threadIdx.x; cell < cells; cell += KD_WARP) {
    int64_t batch = split(cell, c.out, 1, out, &rest);
    if (cell_under(c, out, tap, in))
      sum += x[join(batch, c.in, in, c.channels, channel)] * dy[cell * c.filters + f];
  }
  sum = kd_warp_sum(sum);
  if (threadIdx.x == 0) dkernel[i] = sum;
}

int kd_cuda_conv_kernel_start(const kd_job_conv *c, const float *x, const float *dy, float *dkernel,
                              void *stream) {
  int64_t count = c->window[0] * c->window[1] * c->window[2] * c->channels / c->groups * c->filters;
  if (count == 0) return 0;
  return kd_start(conv_kernel, dim3((unsigned)kd_ceil_div(count, KD_BLOCK / KD_WARP)),
                  dim3(KD_WARP, KD_BLOCK / KD_WARP), stream, *c, x, dy, count, dkernel);
}
