#include "device/backend.h"

#include <string.h>

#include "device/base/file.h"
#include "device/base/log.h"
#include "device/base/memory.h"
#include "device/base/text.h"
#include "device/plugin.h"

static kd_status open_cuda(kd_device *device, int ordinal) {
  const kd_plugin *plugin;
  int count;
  KD_TRY(kd_cuda_count(&count));
  KD_TRY(kd_cuda_plugin(&plugin));
  KD_TRY(plugin->backend->open(device, ordinal % count));
  device->backend = plugin->backend;
  device->count = count;
  return KD_OK;
}

static kd_status open_cpu(kd_device *device, int ordinal) {
  KD_TRY(kd_cpu_backend.open(device, ordinal));
  device->backend = &kd_cpu_backend;
  device->count = 1;
  return KD_OK;
}

/* A machine with a device and without the plug-in is worth a word; one without a device is usual. */
static bool cuda_is_there(void) {
  const kd_plugin *plugin;
  int count;
  if (kd_cuda_count(&count) != KD_OK) return false;
  if (kd_cuda_plugin(&plugin) == KD_OK) return true;
  kd_log(KD_LOG_WARNING, "computing on the CPU although a CUDA device is there: %s", kd_status_text());
  return false;
}

kd_status kd_device_open(const char *backend, int ordinal, int threads, bool reproducible,
                         kd_device *device) {
  *device = (kd_device){.threads = threads, .reproducible = reproducible};
  if (kd_streq(backend, "cpu")) return open_cpu(device, ordinal);
  if (kd_streq(backend, "cuda")) {
    kd_status status = open_cuda(device, ordinal);
    return status == KD_OK ? KD_OK : kd_fail_context(status, "device = cuda");
  }
  KD_CHECK(kd_streq(backend, "auto"), KD_ERR_USAGE, "device '%s' is not known; there are: auto, cpu, cuda",
           kd_quoted(backend));
  return cuda_is_there() ? open_cuda(device, ordinal) : open_cpu(device, 0);
}

static kd_status describe(const char *name, kd_device *device) {
  enum { MOST_BYTES = 64 << 10 };
  const kd_plugin *plugin;
  char *text = NULL;
  size_t bytes, length = strlen(name);
  KD_TRY(kd_cuda_plugin(&plugin));
  kd_pool *pool = kd_pool_create();
  bool is_file = length > 5 && kd_streq(name + length - 5, ".json");
  kd_status status = is_file ? kd_file_read(pool, name, MOST_BYTES, &text, &bytes) : KD_OK;
  if (status == KD_OK) status = plugin->describe(device, name, text);
  kd_pool_destroy(pool);
  return status;
}

kd_status kd_device_describe(const char *name, bool reproducible, kd_device *device) {
  *device = (kd_device){.reproducible = reproducible};
  kd_status status = describe(name, device);
  return status == KD_OK ? KD_OK : kd_fail_context(status, "--device %s", kd_quoted(name));
}

kd_status kd_device_use_tf32(kd_device *device) {
  const kd_backend *backend = device->backend;
  KD_CHECK(backend->has_tf32 && backend->has_tf32(device), KD_ERR_USAGE,
           "[train] tf32 = true has no effect on this device (%s): TF32 needs a CUDA device of compute "
           "capability 8.0 or more; "
           "remove it, or choose another with [distributed] device",
           backend->describe(device));
  device->tf32 = true;
  return KD_OK;
}

void kd_device_close(kd_device *device) {
  if (device->backend) device->backend->close(device);
  *device = (kd_device){0};
}

kd_status kd_device_record(kd_device *device, kd_status (*enqueue)(void *context), void *context,
                           void **recorded) {
  const kd_backend *backend = device->backend;
  *recorded = NULL;
  KD_TRY(backend->record_start(device));
  device->recording = true;
  kd_status status = enqueue(context);
  device->recording = false;
  if (status == KD_OK) return backend->record_end(device, recorded);
  void *useless;
  char *text = kd_strdup(kd_status_text()); /* the end of a broken record says less */
  if (backend->record_end(device, &useless) == KD_OK) backend->forget(device, useless);
  kd_fail(status, "%s", text);
  kd_free(text);
  return status;
}
