/* LAYER_NORM and LAYER_NORM_GRAD over the last axis, as Keras's LayerNormalization (biased variance). */
#include "device/base/memory.h"
#include "device/cpu/channel_fold.h"
#include "device/cpu/cpu.h"
#include "device/cpu/half_kernels.h"
#include "device/cpu/kernels.h"
#include "device/cpu/parallel.h"

typedef struct layer_norm_state {
  kd_channel_fold fold; /* period: one row */
} layer_norm_state;

/* Input `whole` has the shape of x, the two inputs in rows have one value per row, the others one per column.
 */
static kd_status check_inputs(const kd_launch *launch, int whole, int rows_from, int rows_to) {
  const kd_shape *x = &launch->input[0].shape;
  KD_CHECK(x->rank >= 1 && kd_shape_count(x) > 0, KD_ERR_USAGE, "layer normalisation of an empty batch");
  KD_TRY(kd_cpu_check_types(launch));
  int64_t columns = x->dim[x->rank - 1], rows = kd_shape_count(x) / columns;
  for (int i = 0; i < launch->n_inputs; i++) {
    const kd_tensor *input = &launch->input[i];
    int64_t expected = i == 0 || i == whole ? rows * columns : i >= rows_from && i < rows_to ? rows : columns;
    KD_CHECK(kd_shape_count(&input->shape) == expected, KD_ERR_INTERNAL,
             "layer normalisation: input %d has %lld values, not %lld", i,
             (long long)kd_shape_count(&input->shape), (long long)expected);
  }
  return KD_OK;
}

/* --- forward -------------------------------------------------------------------------------------- */

static kd_status prepare(kd_launch *launch) {
  return check_inputs(launch, 0, 0, 0);
}

static void forward_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  const kd_norm_attr *attr = launch->attr;
  const kd_tensor *in = launch->input, *out = launch->output;
  kd_cpu_vector(launch->device)
      ->layer_norm(in[0].dtype, in[0].shape.dim[in[0].shape.rank - 1], attr->epsilon, in[0].data, in[1].data,
                   in[2].data, out[0].data, out[1].data, out[2].data, begin, end);
}

static kd_status run(const kd_launch *launch) {
  const kd_shape *x = &launch->input[0].shape;
  int64_t columns = x->dim[x->rank - 1];
  kd_cpu_parallel(launch->device, kd_shape_count(x) / columns, kd_cpu_grain(columns * 8), forward_range,
                  (void *)launch);
  return KD_OK;
}

/* --- gradient ------------------------------------------------------------------------------------- */

static kd_status prepare_grad(kd_launch *launch) {
  KD_TRY(check_inputs(launch, 4, 2, 4));
  const kd_shape *x = &launch->input[0].shape;
  layer_norm_state *self = launch->handle = kd_calloc(1, sizeof *self);
  self->fold = kd_channel_fold_make(kd_shape_count(x), x->dim[x->rank - 1], false);
  launch->workspace_bytes =
      (size_t)(2 * self->fold.channels) * sizeof(double) + kd_channel_fold_bytes(&self->fold);
  return KD_OK;
}

static float *block_sums(const kd_launch *launch) {
  const layer_norm_state *self = launch->handle;
  return (float *)((double *)launch->workspace + 2 * self->fold.channels);
}

static void grad_range(void *context, int64_t begin, int64_t end) {
  const kd_launch *launch = context;
  const layer_norm_state *self = launch->handle;
  const kd_tensor *in = launch->input;
  kd_cpu_vector(launch->device)
      ->layer_norm_grad(in[0].dtype, &self->fold, in[0].data, in[1].data, in[2].data, in[3].data, in[4].data,
                        launch->output[0].data, block_sums(launch), begin, end);
}

static kd_status run_grad(const kd_launch *launch) {
  const layer_norm_state *self = launch->handle;
  double *total = launch->workspace;
  float *dgamma = launch->output[1].data, *dbeta = launch->output[2].data;
  kd_cpu_parallel(launch->device, self->fold.n_blocks, 1, grad_range, (void *)launch);
  kd_channel_fold_total(&self->fold, block_sums(launch), total);
  for (int64_t c = 0; c < self->fold.channels; c++) {
    dbeta[c] = (float)total[c];
    dgamma[c] = (float)total[self->fold.channels + c];
  }
  return KD_OK;
}

static void release(kd_launch *launch) {
  kd_free(launch->handle);
  launch->handle = NULL;
}

const kd_kernel kd_cpu_layer_norm = {.prepare = prepare, .run = run};
const kd_kernel kd_cpu_layer_norm_grad = {.prepare = prepare_grad, .run = run_grad, .release = release};
