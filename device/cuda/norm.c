/* BATCH_NORM, NORM_POOL and LAYER_NORM with their gradients: own kernels for any number of channels. */
#include "device/cuda/cuda.h"
#include "device/cuda/kernels.h"
#include "device/cuda/launch.h"

/* What forward and backward have in common; mean and variance are results of the one, operands of the other.
 */
static kd_job_norm norm_of(const kd_launch *launch, float epsilon) {
  const kd_tensor *x = &launch->input[0];
  return (kd_job_norm){.rows = kd_shape_span(&x->shape, 0, x->shape.rank - 1),
                       .channels = x->shape.dim[x->shape.rank - 1],
                       .epsilon = epsilon,
                       .x = x->data,
                       .gamma = launch->input[1].data};
}

static kd_status norm_prepare(kd_launch *launch) {
  kd_job_norm n = norm_of(launch, 0);
  launch->note = "two passes";
  launch->workspace_bytes = (size_t)kd_cuda_norm_floats(n.rows, n.channels) * sizeof(float);
  return kd_cuda_float32(launch);
}

/* --- batch norm ------------------------------------------------------------------------------------ */

static kd_status measure(const kd_launch *launch, kd_job_norm *n) {
  n->beta = launch->input[2].data;
  n->mean = launch->output[1].data;
  n->variance = launch->output[2].data;
  KD_CUDA(kd_cuda_batch_statistics_start(n->x, n->rows, n->channels, launch->output[1].data,
                                         launch->output[2].data, launch->workspace, kd_cuda_stream(launch)),
          "mean and variance");
  return KD_OK;
}

static void given_statistics(const kd_launch *launch, kd_job_norm *n) {
  n->beta = launch->input[2].data;
  n->mean = launch->input[3].data;
  n->variance = launch->input[4].data;
}

static kd_status batch_norm_run(const kd_launch *launch) {
  const kd_norm_attr *attr = launch->attr;
  kd_job_norm n = norm_of(launch, attr->epsilon);
  n.relu = attr->relu;
  KD_TRY(measure(launch, &n));
  KD_CUDA(kd_cuda_batch_norm_start(&n, launch->output[0].data, kd_cuda_stream(launch)), "normalisation");
  return KD_OK;
}

static kd_status batch_norm_grad_run(const kd_launch *launch) {
  const kd_norm_attr *attr = launch->attr;
  kd_job_norm n = norm_of(launch, attr->epsilon);
  n.relu = attr->relu;
  given_statistics(launch, &n);
  KD_CUDA(kd_cuda_batch_norm_grad_start(&n, launch->input[5].data, launch->output[0].data,
                                        launch->output[1].data, launch->output[2].data, launch->workspace,
                                        kd_cuda_stream(launch)),
          "gradient of normalisation");
  return KD_OK;
}

/* --- batch norm, relu and pooling ------------------------------------------------------------------ */

/* y: the pooled images. */
static kd_job_pool pool_of(const kd_launch *launch, const kd_shape *y) {
  const int *window = ((const kd_norm_pool_attr *)launch->attr)->window;
  const int64_t *x = launch->input[0].shape.dim;
  return (kd_job_pool){.batch = x[0],
                       .channels = x[3],
                       .in = {1, x[1], x[2]},
                       .out = {1, y->dim[1], y->dim[2]},
                       .window = {1, window[0], window[1]},
                       .stride = {1, window[0], window[1]}};
}

static kd_status norm_pool_run(const kd_launch *launch) {
  kd_job_norm n = norm_of(launch, ((const kd_norm_pool_attr *)launch->attr)->epsilon);
  kd_job_pool p = pool_of(launch, &launch->output[0].shape);
  KD_TRY(measure(launch, &n));
  KD_CUDA(kd_cuda_norm_pool_start(&p, &n, launch->output[0].data, kd_cuda_stream(launch)),
          "normalisation and pooling");
  return KD_OK;
}

static kd_status norm_pool_grad_run(const kd_launch *launch) {
  kd_job_norm n = norm_of(launch, ((const kd_norm_pool_attr *)launch->attr)->epsilon);
  kd_job_pool p = pool_of(launch, &launch->input[5].shape);
  given_statistics(launch, &n);
  KD_CUDA(kd_cuda_norm_pool_grad_start(&p, &n, launch->input[5].data, launch->output[0].data,
                                       launch->output[1].data, launch->output[2].data, launch->workspace,
                                       kd_cuda_stream(launch)),
          "gradient of normalisation and pooling");
  return KD_OK;
}

/* --- layer norm ------------------------------------------------------------------------------------ */

static kd_status layer_norm_run(const kd_launch *launch) {
  kd_job_norm n = norm_of(launch, ((const kd_norm_attr *)launch->attr)->epsilon);
  n.beta = launch->input[2].data;
  KD_CUDA(kd_cuda_layer_norm_start(&n, launch->output[0].data, launch->output[1].data, launch->output[2].data,
                                   kd_cuda_stream(launch)),
          "normalisation");
  return KD_OK;
}

static kd_status layer_norm_grad_run(const kd_launch *launch) {
  kd_job_norm n = norm_of(launch, ((const kd_norm_attr *)launch->attr)->epsilon);
  n.mean = launch->input[2].data;
  n.variance = launch->input[3].data;
  KD_CUDA(kd_cuda_layer_norm_grad_start(&n, launch->input[4].data, launch->output[0].data,
                                        launch->output[1].data, launch->output[2].data, launch->workspace,
                                        kd_cuda_stream(launch)),
          "gradient of normalisation");
  return KD_OK;
}

const kd_kernel kd_cuda_batch_norm = {.prepare = norm_prepare, .run = batch_norm_run};
const kd_kernel kd_cuda_batch_norm_grad = {.prepare = norm_prepare, .run = batch_norm_grad_run};
const kd_kernel kd_cuda_norm_pool = {.prepare = norm_prepare, .run = norm_pool_run};
const kd_kernel kd_cuda_norm_pool_grad = {.prepare = norm_prepare, .run = norm_pool_grad_run};
const kd_kernel kd_cuda_layer_norm = {.prepare = norm_prepare, .run = layer_norm_run};
const kd_kernel kd_cuda_layer_norm_grad = {.prepare = norm_prepare, .run = layer_norm_grad_run};
