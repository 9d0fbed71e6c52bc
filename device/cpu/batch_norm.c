/* BATCH_NORM and BATCH_NORM_GRAD: statistics over all axes but the last, as Keras's BatchNormalization in
 * training (biased variance, epsilon inside the root). */
#include "device/cpu/batch_norm.h"

#include <math.h>

#include "device/base/half.h"
#include "device/base/memory.h"
#include "device/cpu/cpu.h"
#include "device/cpu/half_kernels.h"
#include "device/cpu/kernels.h"
#include "device/cpu/parallel.h"

enum { N_PLACES = 5 };

typedef struct batch_norm_state {
  kd_channel_fold fold;
  kd_batch_norm_places places;
  float *channel; /* two values per channel, before they are spread */
  double *total;  /* two per channel */
  float *sums;    /* per block */
} batch_norm_state;

static kd_status check_inputs(const kd_launch *launch, int64_t channels) {
  const kd_shape *x = &launch->input[0].shape;
  KD_TRY(kd_cpu_check_types(launch));
  for (int i = 0; i < launch->n_inputs; i++) {
    const kd_tensor *input = &launch->input[i];
    bool whole = i == 0 || i == 5;
    KD_CHECK(whole ? kd_shape_equal(&input->shape, x) : kd_shape_count(&input->shape) == channels,
             KD_ERR_INTERNAL, "batch normalisation: input %d does not fit %lld channels", i,
             (long long)channels);
  }
  return KD_OK;
}

static kd_status prepare(kd_launch *launch) {
  const kd_shape *x = &launch->input[0].shape;
  KD_CHECK(x->rank >= 1 && kd_shape_count(x) > 0, KD_ERR_USAGE, "batch normalisation of an empty batch");
  int64_t channels = x->dim[x->rank - 1];
  KD_TRY(check_inputs(launch, channels));
  batch_norm_state *self = launch->handle = kd_calloc(1, sizeof *self);
  self->fold = kd_channel_fold_make(kd_shape_count(x), channels, true);
  size_t floats = (size_t)(N_PLACES * self->fold.period + 2 * channels);
  launch->workspace_bytes =
      (size_t)(2 * channels) * sizeof(double) + floats * sizeof(float) + kd_channel_fold_bytes(&self->fold);
  return KD_OK;
}

static kd_status bind(kd_launch *launch) {
  batch_norm_state *self = launch->handle;
  int64_t period = self->fold.period;
  self->total = launch->workspace;
  self->channel = (float *)(self->total + 2 * self->fold.channels);
  float *places = self->channel + 2 * self->fold.channels;
  self->places = (kd_batch_norm_places){places, places + period, places + 2 * period, places + 3 * period,
                                        places + 4 * period};
  self->sums = places + N_PLACES * period;
  return KD_OK;
}

/* gamma / sqrt(variance + epsilon) for the stored float variance, so that both directions get the same bits.
 */
static void spread_scale(const batch_norm_state *self, float epsilon, const float *gamma,
                         const float *variance) {
  for (int64_t c = 0; c < self->fold.channels; c++)
    self->channel[c] = (float)((double)gamma[c] / sqrt((double)variance[c] + (double)epsilon));
  kd_channel_fold_spread(&self->fold, self->channel, self->places.scale);
}

/* --- forward -------------------------------------------------------------------------------------- */

static void sums_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  const batch_norm_state *self = launch->handle;
  kd_cpu_vector(launch->device)
      ->batch_norm_sums(launch->input[0].dtype, &self->fold, &self->places, launch->input[0].data, self->sums,
                        begin, end);
}

static void write_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  const kd_norm_attr *attr = launch->attr;
  const batch_norm_state *self = launch->handle;
  kd_cpu_vector(launch->device)
      ->batch_norm(launch->input[0].dtype, &self->fold, &self->places, attr->relu, launch->input[0].data,
                   launch->output[0].data, begin, end);
}

void kd_batch_norm_statistics(const kd_channel_fold *fold, const double *total, const float *shift,
                              float *mean, float *variance) {
  int64_t channels = fold->channels;
  double n = (double)(fold->count / channels);
  for (int64_t c = 0; c < channels; c++) {
    double offset = total[c] / n, square = total[channels + c] / n - offset * offset;
    mean[c] = (float)((double)shift[c] + offset);
    variance[c] = square < 0.0 ? 0.0f : (float)square;
  }
}

static kd_status run(const kd_launch *launch) {
  const kd_norm_attr *attr = launch->attr;
  const batch_norm_state *self = launch->handle;
  const float *gamma = launch->input[1].data, *beta = launch->input[2].data;
  float *mean = launch->output[1].data, *variance = launch->output[2].data;
  /* The first pixel is the shift: near the mean in units of the deviation, and known before the pass. */
  float *first = self->channel;
  kd_floats_read(launch->input[0].dtype, launch->input[0].data, first, self->fold.channels);
  kd_channel_fold_spread(&self->fold, first, self->places.mean);
  kd_cpu_parallel(launch->device, self->fold.n_blocks, 1, sums_range, (void *)launch);
  kd_channel_fold_total(&self->fold, self->sums, self->total);
  kd_batch_norm_statistics(&self->fold, self->total, first, mean, variance);
  kd_channel_fold_spread(&self->fold, mean, self->places.mean);
  kd_channel_fold_spread(&self->fold, beta, self->places.beta);
  spread_scale(self, attr->epsilon, gamma, variance);
  kd_cpu_parallel(launch->device, self->fold.n_blocks, 1, write_range, (void *)launch);
  return KD_OK;
}

/* --- gradient ------------------------------------------------------------------------------------- */

static void grad_sums_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  const kd_norm_attr *attr = launch->attr;
  const batch_norm_state *self = launch->handle;
  kd_cpu_vector(launch->device)
      ->batch_norm_grad_sums(launch->input[0].dtype, &self->fold, &self->places, attr->relu,
                             launch->input[0].data, launch->input[5].data, self->sums, begin, end);
}

static void grad_write_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  const kd_norm_attr *attr = launch->attr;
  const batch_norm_state *self = launch->handle;
  kd_cpu_vector(launch->device)
      ->batch_norm_grad(launch->input[0].dtype, &self->fold, &self->places, attr->relu, launch->input[0].data,
                        launch->input[5].data, launch->output[0].data, begin, end);
}

void kd_batch_norm_gradients(int64_t channels, double n, float epsilon, const double *total,
                             const float *variance, float *dgamma, float *dbeta, float *dy_mean,
                             float *slope) {
  const double *sum = total, *product = total + channels;
  for (int64_t c = 0; c < channels; c++) {
    double width = (double)variance[c] + (double)epsilon;
    dbeta[c] = (float)sum[c];
    dgamma[c] = (float)(product[c] / sqrt(width));
    dy_mean[c] = (float)(sum[c] / n);
    slope[c] = (float)(product[c] / n / width);
  }
}

static void finish_gradients(const batch_norm_state *self, float epsilon, const float *variance,
                             float *dgamma, float *dbeta) {
  int64_t channels = self->fold.channels;
  kd_batch_norm_gradients(channels, (double)(self->fold.count / channels), epsilon, self->total, variance,
                          dgamma, dbeta, self->channel, self->channel + channels);
  kd_channel_fold_spread(&self->fold, self->channel, self->places.dy_mean);
  kd_channel_fold_spread(&self->fold, self->channel + channels, self->places.slope);
}

static kd_status run_grad(const kd_launch *launch) {
  const kd_norm_attr *attr = launch->attr;
  const batch_norm_state *self = launch->handle;
  const float *gamma = launch->input[1].data, *beta = launch->input[2].data, *mean = launch->input[3].data;
  const float *variance = launch->input[4].data;
  kd_channel_fold_spread(&self->fold, mean, self->places.mean);
  kd_channel_fold_spread(&self->fold, beta, self->places.beta);
  spread_scale(self, attr->epsilon, gamma, variance);
  kd_cpu_parallel(launch->device, self->fold.n_blocks, 1, grad_sums_range, (void *)launch);
  kd_channel_fold_total(&self->fold, self->sums, self->total);
  finish_gradients(self, attr->epsilon, variance, launch->output[1].data, launch->output[2].data);
  kd_cpu_parallel(launch->device, self->fold.n_blocks, 1, grad_write_range, (void *)launch);
  return KD_OK;
}

static void release(kd_launch *launch) {
  kd_free(launch->handle);
  launch->handle = NULL;
}

const kd_kernel kd_cpu_batch_norm = {.prepare = prepare, .bind = bind, .run = run, .release = release};
const kd_kernel kd_cpu_batch_norm_grad = {
    .prepare = prepare, .bind = bind, .run = run_grad, .release = release};
