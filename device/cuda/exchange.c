/* EXCHANGE: the numbers pass through the host, which knows the ranks. */
#include "device/base/memory.h"
#include "device/cuda/cuda.h"
#include "device/cuda/kernels.h"

static kd_status exchange_prepare(kd_launch *launch) {
  KD_TRY(kd_cuda_float32(launch));
  launch->note = "through the host";
  launch->handle = kd_calloc(kd_tensor_bytes(&launch->input[0]) + 1, 1);
  return KD_OK;
}

static kd_status exchange_run(const kd_launch *launch) {
  const kd_tensor *x = &launch->input[0], *y = &launch->output[0];
  kd_device *device = launch->device;
  size_t bytes = kd_tensor_bytes(x);
  if (!device->exchange) {
    if (bytes)
      KD_CUDA(cudaMemcpyAsync(y->data, x->data, bytes, cudaMemcpyDeviceToDevice, kd_cuda_stream(launch)),
              "a copy");
    return KD_OK;
  }
  KD_TRY(kd_cuda_download(device, launch->handle, x->data, bytes));
  KD_TRY(device->exchange(device->exchange_context, launch->handle, kd_shape_count(&y->shape)));
  return kd_cuda_upload(device, y->data, launch->handle, bytes);
}

static void exchange_release(kd_launch *launch) {
  kd_free(launch->handle);
  launch->handle = NULL;
}

const kd_kernel kd_cuda_exchange = {
    .prepare = exchange_prepare, .run = exchange_run, .release = exchange_release};
