/* Backends: where plans run. The CPU backend is always built; CUDA is a plug-in behind the same table. */
#ifndef KD_DEVICE_BACKEND_H
#define KD_DEVICE_BACKEND_H

#include "device/op.h"

/* Sums over ranks that devices make among themselves, without the host (CUDA: by NCCL). The table is a
 * backend's; who calls it agrees with all ranks first (comm/device_group.h). All functions but ready and poll
 * are called by all ranks in the same order, and none waits for another rank. */
enum {
  KD_SUMS_ID = 128,  /* bytes that name a group of ranks */
  KD_SUMS_SEAT = 32, /* text that tells the devices of a host apart */
  KD_SUMS_CONNECTING = -1,
};

/* What is summed: as kd_reduce_spec of comm/reducer.h, with n_leaves = 0 in the order of the library. */
typedef struct kd_sums_spec {
  size_t bytes;   /* of this rank's memory; the same on all ranks */
  int64_t stride; /* floats between partial sums */
  int64_t most;   /* floats of the largest bucket */
  int n_leaves;   /* V: partial sums of comm/tree.h, joined along the tree */
} kd_sums_spec;

typedef struct kd_device_sums {
  /* Whether this rank can take part, and on which device of its host it sits. KD_ERR_USAGE says what is
   * missing. */
  kd_status (*ready)(kd_device *device, char seat[KD_SUMS_SEAT]);
  kd_status (*identify)(kd_device *device, char id[KD_SUMS_ID]); /* rank 0: a name for the group */
  kd_status (*connect)(kd_device *device, const char id[KD_SUMS_ID], int rank, int size); /* begins to */
  /* How many sums have ended since alloc, in the order in which they were started, or KD_SUMS_CONNECTING; or
   * (with the same number) an error that has come to light. Costs little. */
  kd_status (*poll)(kd_device *device, int64_t *ended);
  /* Memory of the device for what is summed, zeroed; one at a time. */
  kd_status (*alloc)(kd_device *device, const kd_sums_spec *spec, void **memory);
  void (*free)(kd_device *device); /* also what alloc left unfinished, or nothing */
  /* Floats [begin, end) of each partial sum are complete behind the launches until now: they are summed
   * beside those that follow; the sum stands in partial sum 0 of every rank. */
  kd_status (*start)(kd_device *device, int64_t begin, int64_t end);
  kd_status (*join)(kd_device *device); /* the launches that follow come behind all sums */
  void (*abort)(kd_device *device);     /* sums in flight end without a result; only close may follow */
  void (*close)(kd_device *device);     /* also when never connected */
  const char *(*describe)(void);        /* "NCCL 2.28.9"; NULL: it does not open, the status text says why */
} kd_device_sums;

enum { KD_FEED_SLOTS = 3, KD_READS = 3 };

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
  /* to = from and to += from, of device memory; ordered with the launches. NULL when host_memory. */
  kd_status (*copy)(kd_device *device, float *to, const float *from, int64_t count);
  kd_status (*add)(kd_device *device, float *to, const float *from, int64_t count);
  kd_status (*finish)(kd_device *device); /* waits for all launches */
  /* Downloads beside the launches that follow. start: what the launches until now give, from now on. wait:
   * until download `number` (0 .. ) has come. NULL when host_memory. */
  kd_status (*fetch_start)(kd_device *device, int number, void *host, const void *from, size_t bytes);
  kd_status (*fetch_wait)(kd_device *device, int number);
  /* An upload that comes once a step: it goes on beside the launches before it and is there for those that
   * follow. number (0 .. ): which of a step's uploads. The host's memory is free when it returns; the host
   * waits only for an upload of that number that was KD_FEED_SLOTS before. NULL when host_memory. */
  kd_status (*feed)(kd_device *device, int number, void *to, const void *host, size_t bytes);
  /* Downloads in the order of the launches that the host need not wait for. wait: until all that were started
   * with that number (below KD_READS) have come. host should be pinned. NULL when host_memory. */
  kd_status (*read_start)(kd_device *device, int number, void *host, const void *from, size_t bytes);
  kd_status (*read_wait)(kd_device *device, int number);
  /* Makes memory of the host quick to copy, until unpin; a refusal costs speed alone. NULL when host_memory.
   */
  void (*pin)(kd_device *device, void *host, size_t bytes);
  void (*unpin)(kd_device *device, void *host);
  /* A sequence of launches that the device repeats by itself; see kd_device_record. *recorded is NULL after a
   * failure. NULL where launches cost nothing. */
  kd_status (*record_start)(kd_device *device);
  kd_status (*record_end)(kd_device *device, void **recorded);
  kd_status (*replay)(kd_device *device, void *recorded);
  void (*forget)(kd_device *device, void *recorded);
  const kd_device_sums *sums;              /* NULL: the host sums */
  double (*free_bytes)(kd_device *device); /* memory that is free; NULL: that of the host */
  const kd_kernel *(*kernel)(kd_op op);    /* never NULL */
  /* Whether products in a half type are made by instructions for it, and so faster than in float32. */
  bool (*multiplies)(kd_dtype dtype);
  /* Whether the device can multiply float32 in TF32; NULL: it cannot. */
  bool (*has_tf32)(const kd_device *device);
  const char *(*describe)(
      kd_device *device); /* one line for `kdist info` and logs: instruction set, threads */
} kd_backend;

/* The sum of values over all ranks, in place, for EXCHANGE. Called within plan runs, by all ranks in the same
 * order; values is NULL from a rank that only adds zeros. */
typedef kd_status (*kd_exchange_fn)(void *context, float *values, int64_t count);

/* Called again and again while the host waits for the device; first: a wait begins. Anything but KD_OK ends
 * the wait: what the device waits for does not come. */
typedef kd_status (*kd_patience_fn)(void *context, bool first);

struct kd_device {
  const kd_backend *backend;
  int threads;             /* CPU: compute threads of this rank, at least 1 */
  int count;               /* devices of this kind on this host, among which ranks are dealt out */
  bool recording;          /* see kd_device_record */
  bool reproducible;       /* determinism is run or world: kernels keep a fixed order of sums */
  bool tf32;               /* products of float32 may round their factors: kd_device_use_tf32 */
  kd_exchange_fn exchange; /* set by the trainer; NULL: one rank */
  void *exchange_context;
  kd_patience_fn patience; /* set by whom the device may wait for other ranks; NULL: it does not */
  void *patience_context;
  void *state; /* the backend's own */
};

extern const kd_backend kd_cpu_backend;

/* Opens a device by backend name: "cpu", "cuda", or "auto", which is cuda where a device is there and the
 * plug-in opens (device/plugin.h), else cpu. ordinal: of the CPU 0; CUDA devices are dealt out by it in turn,
 * so several ranks may share one. threads: 0 = all cores this process may use. */
kd_status kd_device_open(const char *backend, int ordinal, int threads, bool reproducible, kd_device *device);
/* A CUDA device that is not here, for which plans can be prepared, never run: a name that the plug-in knows,
 * or a file *.json with what cuDNN says of a device. KD_ERR_USAGE names the option. Close it as any other. */
kd_status kd_device_describe(const char *name, bool reproducible, kd_device *device);
/* Products and convolutions of float32 that are prepared from now on may round factors to TF32 (10 bits of
 * mantissa). KD_ERR_USAGE when the device does not know TF32. */
kd_status kd_device_use_tf32(kd_device *device);
void kd_device_close(kd_device *device);

/* Records what `enqueue` puts on the device, for the backend's replay; nothing of it runs. Possible where the
 * backend has record_start. Libraries do work at their first use that cannot be recorded: sequences run
 * plainly KD_PLAIN_RUNS times before. KD_ERR_RUN: the device refuses, or something among it must wait;
 * *recorded is NULL then. */
enum { KD_PLAIN_RUNS = 2 };
kd_status kd_device_record(kd_device *device, kd_status (*enqueue)(void *context), void *context,
                           void **recorded);

#endif
