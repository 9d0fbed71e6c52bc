/* Backends: where plans run. The CPU backend is always built; CUDA is a plug-in behind the same table. */
#ifndef KD_DEVICE_BACKEND_H
#define KD_DEVICE_BACKEND_H

#include "device/op.h"

typedef struct kd_backend {
  const char *name; /* "cpu", "cuda" */
  /* Device memory is memory of the host: it may be read and written at its address. */
  bool host_memory;
  kd_status (*open)(kd_device *device, int ordinal);
  void (*close)(kd_device *device);
  /* Device memory, zeroed, at least 64-byte aligned. */
  kd_status (*alloc)(kd_device *device, size_t bytes, void **block);
  void (*free)(kd_device *device, void *block, size_t bytes);
  /* Copies between host and device; ordered with the launches of the device. The host's memory is free for
   * other use, or holds what was asked for, when they return. */
  kd_status (*upload)(kd_device *device, void *to, const void *host, size_t bytes);
  kd_status (*download)(kd_device *device, void *host, const void *from, size_t bytes);
  kd_status (*clear)(kd_device *device, void *block, size_t bytes); /* zeros; ordered with the launches */
  kd_status (*finish)(kd_device *device);                           /* waits for all launches */
  /* Downloads beside the launches that follow. start: what the launches until now give, from now on. wait:
   * until download `number` (0 .. ) has come. NULL when host_memory. */
  kd_status (*fetch_start)(kd_device *device, int number, void *host, const void *from, size_t bytes);
  kd_status (*fetch_wait)(kd_device *device, int number);
  /* Makes memory of the host quick to copy, until unpin; a refusal costs speed alone. NULL when host_memory.
   */
  void (*pin)(kd_device *device, void *host, size_t bytes);
  void (*unpin)(kd_device *device, void *host);
  /* A sequence of launches that the device repeats by itself. Between start and end launches are recorded and
   * do not run. KD_ERR_RUN when something among them cannot be recorded; *recorded is NULL then. NULL where
   * launches cost nothing. */
  kd_status (*record_start)(kd_device *device);
  kd_status (*record_end)(kd_device *device, void **recorded);
  kd_status (*replay)(kd_device *device, void *recorded);
  void (*forget)(kd_device *device, void *recorded);
  double (*free_bytes)(kd_device *device); /* memory that is free; NULL: that of the host */
  const kd_kernel *(*kernel)(kd_op op);    /* never NULL */
  /* Whether products in a half type are made by instructions for it, and so faster than in float32. */
  bool (*multiplies)(kd_dtype dtype);
  const char *(*describe)(
      kd_device *device); /* one line for `kdist info` and logs: instruction set, threads */
} kd_backend;

/* The sum of values over all ranks, in place, for EXCHANGE. Called within plan runs, by all ranks in the same
 * order; values is NULL from a rank that only adds zeros. */
typedef kd_status (*kd_exchange_fn)(void *context, float *values, int64_t count);

struct kd_device {
  const kd_backend *backend;
  int threads;             /* CPU: compute threads of this rank, at least 1 */
  int count;               /* devices of this kind on this host, among which ranks are dealt out */
  bool reproducible;       /* determinism is run or world: kernels keep a fixed order of sums */
  kd_exchange_fn exchange; /* set by the trainer; NULL: one rank */
  void *exchange_context;
  void *state; /* the backend's own */
};

extern const kd_backend kd_cpu_backend;

/* Opens a device by backend name: "cpu", "cuda", or "auto", which is cuda where a device is there and the
 * plug-in opens (device/plugin.h), else cpu. ordinal: of the CPU 0; CUDA devices are dealt out by it in turn,
 * so several ranks may share one. threads: 0 = all cores this process may use. */
kd_status kd_device_open(const char *backend, int ordinal, int threads, bool reproducible, kd_device *device);
void kd_device_close(kd_device *device);

#endif
