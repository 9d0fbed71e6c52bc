/* A device that is not here, by its description: launches are prepared as far as the libraries go without
 * one, for `kdist plan --device`. Nothing runs, and there is no memory. */
#include <stdio.h>
#include <string.h>

#include "device/base/memory.h"
#include "device/base/text.h"
#include "device/cuda/cuda.h"
#include "device/cuda/device_text.h"
#include "device/cuda/devices.h"
#include "device/cuda/dnn_plan.h"

enum { N_DEVICES = sizeof devices / sizeof *devices };

static kd_status no_open(kd_device *device, int ordinal) {
  (void)device;
  (void)ordinal;
  return kd_fail(KD_ERR_INTERNAL, "a described device has no number");
}

static void close_described(kd_device *device) {
  kd_cuda *cuda = kd_cuda_of(device);
  if (!cuda) return;
  kd_dnn_forget(cuda->dnn_device);
  kd_free(cuda);
  device->state = NULL;
}

static double bytes_of(kd_device *device) {
  return kd_cuda_of(device)->described;
}

/* What needs no device is the device's own. */
static const kd_backend *table(void) {
  static kd_backend described;
  described = (kd_backend){.name = "cuda",
                           .open = no_open,
                           .close = close_described,
                           .free_bytes = bytes_of,
                           .kernel = kd_cuda_backend.kernel,
                           .multiplies = kd_cuda_backend.multiplies,
                           .has_tf32 = kd_cuda_backend.has_tf32,
                           .describe = kd_cuda_backend.describe};
  return &described;
}

/* NULL: none of that name. */
static const char *json_of(const char *name) {
  for (int d = 0; d < N_DEVICES; d++)
    if (kd_streq(devices[d].name, name)) return devices[d].json;
  return NULL;
}

static kd_status open_text(kd_pool *pool, kd_device *device, const char *json) {
  kd_device_text text;
  int driver = 0;
  KD_TRY(kd_device_text_read(pool, json, &text));
  kd_cuda *cuda = kd_calloc(1, sizeof *cuda);
  (void)cudaDriverGetVersion(&driver);
  cuda->capability = text.capability;
  cuda->described = text.bytes;
  cuda->undriven = driver == 0;
  snprintf(cuda->text, sizeof cuda->text,
           "%s by its description, %.0f GiB, compute capability %d.%d, cuDNN %zu", text.name,
           text.bytes / (1 << 30), text.capability / 10, text.capability % 10, cudnnGetVersion());
  device->state = cuda;
  device->backend = table();
  device->count = device->threads = 1;
  return kd_dnn_device(0, text.json, &cuda->dnn_device);
}

kd_status kd_cuda_describe(kd_device *device, const char *name, const char *json) {
  kd_pool *pool = kd_pool_create();
  kd_status status = KD_OK;
  if (!json) json = json_of(name);
  if (!json)
    status = kd_fail(KD_ERR_USAGE,
                     "no such GPU; there are: h200, a100, a10, t4, or a file NAME.json with what cuDNN "
                     "says of one");
  if (status == KD_OK) status = open_text(pool, device, json);
  if (status != KD_OK) close_described(device);
  kd_pool_destroy(pool);
  return status;
}
