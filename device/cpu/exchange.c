/* EXCHANGE: the device hands the numbers to the trainer, which knows the ranks. */
#include "device/cpu/kernels.h"

#include <string.h>

#include "device/backend.h"

static kd_status exchange_prepare(kd_launch *launch) {
  KD_CHECK(launch->input[0].dtype == KD_F32, KD_ERR_INTERNAL, "exchange takes float32, not %s",
           kd_dtype_name(launch->input[0].dtype));
  return KD_OK;
}

static kd_status exchange_run(const kd_launch *launch) {
  const kd_tensor *x = &launch->input[0], *y = &launch->output[0];
  const kd_device *device = launch->device;
  memcpy(y->data, x->data, kd_tensor_bytes(x));
  if (!device->exchange) return KD_OK;
  return device->exchange(device->exchange_context, y->data, kd_shape_count(&y->shape));
}

const kd_kernel kd_cpu_exchange = {.prepare = exchange_prepare, .run = exchange_run};
