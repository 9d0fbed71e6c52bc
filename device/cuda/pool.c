/* POOL and POOL_GRAD in one to three spatial axes. */
#include "device/cuda/cuda.h"
#include "device/cuda/kernels.h"
#include "device/cuda/launch.h"

static kd_job_pool pool_of(const kd_launch *launch, const kd_shape *x, const kd_shape *y) {
  const kd_pool_attr *attr = launch->attr;
  kd_job_pool p = {.average = attr->average,
                   .batch = x->dim[0],
                   .channels = x->dim[attr->spatial + 1],
                   .in = {1, 1, 1},
                   .out = {1, 1, 1},
                   .window = {1, 1, 1},
                   .stride = {1, 1, 1}};
  for (int s = 0; s < attr->spatial; s++) {
    int to = KD_MAX_SPATIAL - attr->spatial + s;
    p.in[to] = x->dim[s + 1];
    p.out[to] = y->dim[s + 1];
    p.window[to] = attr->window[s];
    p.stride[to] = attr->stride[s];
    p.before[to] = attr->pad_before[s];
  }
  return p;
}

static kd_status pool_prepare(kd_launch *launch) {
  launch->note = "windows";
  return kd_cuda_float32(launch);
}

static kd_status pool_run(const kd_launch *launch) {
  kd_job_pool p = pool_of(launch, &launch->input[0].shape, &launch->output[0].shape);
  KD_CUDA(kd_cuda_pool_start(&p, launch->input[0].data, launch->output[0].data, kd_cuda_stream(launch)),
          "pooling");
  return KD_OK;
}

/* Places of maxima are counted within an image. */
static kd_status pool_grad_prepare(kd_launch *launch) {
  const kd_pool_attr *attr = launch->attr;
  const kd_shape *x = &launch->input[0].shape;
  KD_CHECK(kd_shape_span(x, 1, x->rank) < INT32_MAX, KD_ERR_USAGE, "pooling of samples of %lld numbers",
           (long long)kd_shape_span(x, 1, x->rank));
  if (!attr->average)
    launch->workspace_bytes = (size_t)kd_shape_count(&launch->input[2].shape) * sizeof(int32_t);
  return pool_prepare(launch);
}

static kd_status pool_grad_run(const kd_launch *launch) {
  kd_job_pool p = pool_of(launch, &launch->input[0].shape, &launch->input[2].shape);
  KD_CUDA(kd_cuda_pool_grad_start(&p, launch->input[0].data, launch->input[2].data, launch->output[0].data,
                                  launch->workspace, kd_cuda_stream(launch)),
          "gradient of pooling");
  return KD_OK;
}

const kd_kernel kd_cuda_pool = {.prepare = pool_prepare, .run = pool_run};
const kd_kernel kd_cuda_pool_grad = {.prepare = pool_grad_prepare, .run = pool_grad_run};
