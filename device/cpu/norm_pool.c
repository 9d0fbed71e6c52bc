/* NORM_POOL and NORM_POOL_GRAD: batch normalisation with relu, then the maximum of windows that do not
 * overlap. The gradient sums image by image, and the images in double, so its order does not depend on
 * threads. */
#include "device/cpu/norm_pool.h"

#include <math.h>
#include <string.h>

#include "device/base/half.h"
#include "device/base/memory.h"
#include "device/cpu/batch_norm.h"
#include "device/cpu/cpu.h"
#include "device/cpu/half_kernels.h"
#include "device/cpu/kernels.h"
#include "device/cpu/parallel.h"

typedef struct norm_pool_state {
  kd_norm_pool_shape shape;
  int64_t images;
  kd_channel_fold fold;        /* of x: statistics in the forward direction */
  kd_batch_norm_places period; /* forward: values over the period of the fold; only mean is used */
  kd_batch_norm_places places; /* one value per channel */
  double *total;               /* two per channel */
  float *sums;                 /* per block of the fold, or per image */
} norm_pool_state;

static kd_status check_inputs(const kd_launch *launch, const kd_shape *y) {
  const kd_norm_pool_attr *attr = launch->attr;
  const kd_shape *x = &launch->input[0].shape;
  KD_TRY(kd_cpu_check_types(launch));
  bool fits = x->rank == 4 && y->rank == 4 && attr->window[0] >= 1 && attr->window[1] >= 1 &&
              y->dim[0] == x->dim[0] && y->dim[1] == x->dim[1] / attr->window[0] &&
              y->dim[2] == x->dim[2] / attr->window[1] && y->dim[3] == x->dim[3];
  KD_CHECK(fits && kd_shape_count(y) > 0, KD_ERR_INTERNAL, "normalisation with pooling: shapes disagree");
  return KD_OK;
}

static kd_status prepare_any(kd_launch *launch, const kd_shape *y) {
  KD_TRY(check_inputs(launch, y));
  const kd_norm_pool_attr *attr = launch->attr;
  const kd_shape *x = &launch->input[0].shape;
  norm_pool_state *self = launch->handle = kd_calloc(1, sizeof *self);
  self->images = x->dim[0];
  self->shape = (kd_norm_pool_shape){.height = x->dim[1],
                                     .width = x->dim[2],
                                     .channels = x->dim[3],
                                     .window = {attr->window[0], attr->window[1]},
                                     .out = {y->dim[1], y->dim[2]}};
  return KD_OK;
}

/* scale = gamma / sqrt(variance + epsilon), as batch_norm.c has it. */
static void set_scale(const norm_pool_state *self, float epsilon, const float *gamma, const float *variance) {
  for (int64_t c = 0; c < self->shape.channels; c++)
    self->places.scale[c] = (float)((double)gamma[c] / sqrt((double)variance[c] + (double)epsilon));
}

/* --- forward -------------------------------------------------------------------------------------- */

static kd_status prepare(kd_launch *launch) {
  KD_TRY(prepare_any(launch, &launch->output[0].shape));
  norm_pool_state *self = launch->handle;
  int64_t channels = self->shape.channels;
  self->fold = kd_channel_fold_make(kd_shape_count(&launch->input[0].shape), channels, true);
  launch->workspace_bytes = (size_t)(2 * channels) * sizeof(double) +
                            (size_t)(channels + self->fold.period) * sizeof(float) +
                            kd_channel_fold_bytes(&self->fold);
  return KD_OK;
}

static kd_status bind(kd_launch *launch) {
  norm_pool_state *self = launch->handle;
  self->total = launch->workspace;
  float *scale = (float *)(self->total + 2 * self->shape.channels);
  self->period.mean = scale + self->shape.channels;
  self->sums = self->period.mean + self->fold.period;
  self->places =
      (kd_batch_norm_places){.mean = launch->output[1].data, .scale = scale, .beta = launch->input[2].data};
  return KD_OK;
}

static void sums_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  const norm_pool_state *self = launch->handle;
  kd_cpu_vector(launch->device)
      ->batch_norm_sums(launch->input[0].dtype, &self->fold, &self->period, launch->input[0].data, self->sums,
                        begin, end);
}

static void pool_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  const norm_pool_state *self = launch->handle;
  kd_cpu_vector(launch->device)
      ->norm_pool(launch->input[0].dtype, &self->shape, &self->places, launch->input[0].data,
                  launch->output[0].data, begin, end);
}

static kd_status run(const kd_launch *launch) {
  const kd_norm_pool_attr *attr = launch->attr;
  const norm_pool_state *self = launch->handle;
  const kd_norm_pool_shape *s = &self->shape;
  float *first = self->places.scale; /* which is not known yet */
  kd_floats_read(launch->input[0].dtype, launch->input[0].data, first, s->channels);
  kd_channel_fold_spread(&self->fold, first, self->period.mean);
  kd_cpu_parallel(launch->device, self->fold.n_blocks, 1, sums_range, (void *)launch);
  kd_channel_fold_total(&self->fold, self->sums, self->total);
  kd_batch_norm_statistics(&self->fold, self->total, first, launch->output[1].data, launch->output[2].data);
  set_scale(self, attr->epsilon, launch->input[1].data, launch->output[2].data);
  int64_t grain = kd_cpu_grain(s->window[0] * s->width * s->channels * (int64_t)sizeof(float));
  kd_cpu_parallel(launch->device, self->images * s->out[0], grain, pool_range, (void *)launch);
  return KD_OK;
}

/* --- gradient ------------------------------------------------------------------------------------- */

static kd_status prepare_grad(kd_launch *launch) {
  KD_TRY(prepare_any(launch, &launch->input[5].shape));
  norm_pool_state *self = launch->handle;
  size_t channels = (size_t)self->shape.channels;
  launch->workspace_bytes =
      2 * channels * sizeof(double) + (3 * channels + 2 * channels * (size_t)self->images) * sizeof(float);
  return KD_OK;
}

static kd_status bind_grad(kd_launch *launch) {
  norm_pool_state *self = launch->handle;
  int64_t channels = self->shape.channels;
  self->total = launch->workspace;
  float *scale = (float *)(self->total + 2 * channels);
  self->sums = scale + 3 * channels;
  self->places = (kd_batch_norm_places){.mean = launch->input[3].data,
                                        .scale = scale,
                                        .beta = launch->input[2].data,
                                        .dy_mean = scale + channels,
                                        .slope = scale + 2 * channels};
  return KD_OK;
}

static void grad_sums_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  const norm_pool_state *self = launch->handle;
  kd_cpu_vector(launch->device)
      ->norm_pool_grad_sums(launch->input[0].dtype, &self->shape, &self->places, launch->input[0].data,
                            launch->input[5].data, self->sums, begin, end);
}

static void grad_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  const norm_pool_state *self = launch->handle;
  kd_cpu_vector(launch->device)
      ->norm_pool_grad(launch->input[0].dtype, &self->shape, &self->places, launch->input[0].data,
                       launch->input[5].data, launch->output[0].data, begin, end);
}

static void add_images(const norm_pool_state *self) {
  int64_t values = 2 * self->shape.channels;
  memset(self->total, 0, (size_t)values * sizeof *self->total);
  for (int64_t image = 0; image < self->images; image++)
    for (int64_t i = 0; i < values; i++) self->total[i] += (double)self->sums[image * values + i];
}

static kd_status run_grad(const kd_launch *launch) {
  const kd_norm_pool_attr *attr = launch->attr;
  const norm_pool_state *self = launch->handle;
  const kd_norm_pool_shape *s = &self->shape;
  const float *variance = launch->input[4].data;
  int64_t grain = kd_cpu_grain(s->height * s->width * s->channels * (int64_t)sizeof(float));
  set_scale(self, attr->epsilon, launch->input[1].data, variance);
  kd_cpu_parallel(launch->device, self->images, grain, grad_sums_range, (void *)launch);
  add_images(self);
  double n = (double)(self->images * s->height * s->width);
  kd_batch_norm_gradients(s->channels, n, attr->epsilon, self->total, variance, launch->output[1].data,
                          launch->output[2].data, self->places.dy_mean, self->places.slope);
  kd_cpu_parallel(launch->device, self->images, grain, grad_range, (void *)launch);
  return KD_OK;
}

static void release(kd_launch *launch) {
  kd_free(launch->handle);
  launch->handle = NULL;
}

const kd_kernel kd_cpu_norm_pool = {.prepare = prepare, .bind = bind, .run = run, .release = release};
const kd_kernel kd_cpu_norm_pool_grad = {
    .prepare = prepare_grad, .bind = bind_grad, .run = run_grad, .release = release};
