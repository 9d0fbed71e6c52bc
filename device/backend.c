#include "device/backend.h"

#include "device/base/text.h"

static const kd_backend *const backends[] = {&kd_cpu_backend};

kd_status kd_device_open(const char *backend, int ordinal, int threads, bool reproducible,
                         kd_device *device) {
  *device = (kd_device){.threads = threads, .reproducible = reproducible};
  for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
    if (!kd_streq(backends[i]->name, backend)) continue;
    KD_TRY(backends[i]->open(device, ordinal));
    device->backend = backends[i];
    return KD_OK;
  }
  return kd_fail(KD_ERR_USAGE, "device '%s' is not known; this build has: cpu", kd_quoted(backend));
}

void kd_device_close(kd_device *device) {
  if (device->backend) device->backend->close(device);
  *device = (kd_device){0};
}
