/* SOFTMAX and SPARSE_XENT over the last axis, with their gradients. */
#include "device/cuda/cuda.h"
#include "device/cuda/kernels.h"
#include "device/cuda/launch.h"

static int64_t width_of(const kd_tensor *x) {
  return x->shape.dim[x->shape.rank - 1];
}

static int64_t rows_of(const kd_tensor *x) {
  return kd_shape_span(&x->shape, 0, x->shape.rank - 1);
}

static kd_status softmax_prepare(kd_launch *launch) {
  launch->note = "rows";
  return kd_cuda_float32(launch);
}

static kd_status softmax_run(const kd_launch *launch) {
  const kd_tensor *x = &launch->input[0];
  KD_CUDA(kd_cuda_softmax_start(((const kd_softmax_attr *)launch->attr)->log, x->data, rows_of(x),
                                width_of(x), launch->output[0].data, kd_cuda_stream(launch)),
          "softmax");
  return KD_OK;
}

static kd_status softmax_grad_run(const kd_launch *launch) {
  const kd_tensor *y = &launch->input[0];
  KD_CUDA(kd_cuda_softmax_grad_start(((const kd_softmax_attr *)launch->attr)->log, y->data,
                                     launch->input[1].data, rows_of(y), width_of(y), launch->output[0].data,
                                     kd_cuda_stream(launch)),
          "gradient of softmax");
  return KD_OK;
}

static kd_status xent_prepare(kd_launch *launch) {
  launch->note = "rows";
  KD_CHECK(launch->input[0].dtype == KD_F32, KD_ERR_INTERNAL, "cross-entropy on CUDA takes float32, not %s",
           kd_dtype_name(launch->input[0].dtype));
  return kd_dtype_check_index(launch->input[1].dtype);
}

static kd_status xent_run(const kd_launch *launch) {
  const kd_tensor *x = &launch->input[0], *labels = &launch->input[1];
  KD_CUDA(kd_cuda_xent_start(((const kd_xent_attr *)launch->attr)->ignore, x->data, labels->dtype,
                             labels->data, rows_of(x), width_of(x), launch->output[0].data,
                             launch->output[1].data, launch->output[2].data, kd_cuda_stream(launch)),
          "cross-entropy");
  return KD_OK;
}

static kd_status xent_grad_run(const kd_launch *launch) {
  const kd_tensor *x = &launch->input[0], *labels = &launch->input[1];
  KD_CUDA(kd_cuda_xent_grad_start(((const kd_xent_attr *)launch->attr)->ignore, x->data, labels->dtype,
                                  labels->data, launch->input[2].data, launch->input[3].data,
                                  launch->input[4].data, rows_of(x), width_of(x), launch->output[0].data,
                                  kd_cuda_stream(launch)),
          "gradient of cross-entropy");
  return KD_OK;
}

const kd_kernel kd_cuda_softmax = {.prepare = softmax_prepare, .run = softmax_run};
const kd_kernel kd_cuda_softmax_grad = {.prepare = softmax_prepare, .run = softmax_grad_run};
const kd_kernel kd_cuda_sparse_xent = {.prepare = xent_prepare, .run = xent_run};
const kd_kernel kd_cuda_sparse_xent_grad = {.prepare = xent_prepare, .run = xent_grad_run};
