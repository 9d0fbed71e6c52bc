/* NCCL: the library as it was found at run time, and what a device holds of it. Compiled into the CUDA
 * plug-in alone; the only header that includes NCCL. */
#ifndef KD_COMM_NCCL_HIDDEN_H
#define KD_COMM_NCCL_HIDDEN_H

#include <nccl.h>

#include "comm/tree.h"
#include "device/cuda/cuda.h"
#include "device/cuda/launch.h"

/* Every function that is called, by its name without "nccl". */
#define KD_NCCL_FUNCTIONS(X)                                                                                 \
  X(GetVersion)                                                                                              \
  X(GetErrorString)                                                                                          \
  X(GetLastError)                                                                                            \
  X(GetUniqueId)                                                                                             \
  X(CommInitRankConfig)                                                                                      \
  X(CommGetAsyncError)                                                                                       \
  X(CommFinalize)                                                                                            \
  X(CommDestroy)                                                                                             \
  X(CommAbort)                                                                                               \
  X(CommRegister)                                                                                            \
  X(CommDeregister)                                                                                          \
  X(MemAlloc)                                                                                                \
  X(MemFree)                                                                                                 \
  X(AllReduce)                                                                                               \
  X(Send)                                                                                                    \
  X(Recv)                                                                                                    \
  X(GroupStart)                                                                                              \
  X(GroupEnd)

#define KD_NCCL_FIELD(name) __typeof__(nccl##name) *name;
typedef struct kd_nccl_library {
  KD_NCCL_FUNCTIONS(KD_NCCL_FIELD)
  char text[32]; /* "NCCL 2.28.9" */
} kd_nccl_library;

/* Opens libnccl.so.2, once per process; it stays. KD_ERR_USAGE: it is missing, or older than the header of
 * this build. */
kd_status kd_nccl_open(const kd_nccl_library **library);

typedef struct kd_nccl {
  const kd_nccl_library *library;
  ncclComm_t comm;
  int rank, size;
  bool connected, aborted;
  cudaStream_t stream; /* of sums; before others where both could run */
  cudaEvent_t reached; /* the launches until a bucket was complete; then, all sums */
  /* What is summed, from alloc to free. */
  kd_pool *pool;
  kd_sums_spec spec;
  float *memory; /* of the sums, then of what other ranks send */
  void *registered;
  volatile int64_t *ended; /* pinned memory of the host, where the device counts sums */
  /* n_leaves > 0: the tree. */
  int *n_partials;  /* by rank */
  float **received; /* by rank: its partial sums of this rank's lane, `share` floats apart */
  int64_t share;
  kd_job_join *joins; /* device memory */
  int n_joins;
} kd_nccl;

/* A result of NCCL as a status, with its own words. */
kd_status kd_nccl_status(const kd_nccl *nccl, ncclResult_t result, const char *what);
/* Until a call that has begun is under way. It does not wait for the device. */
kd_status kd_nccl_settle(kd_device *device, ncclResult_t result, const char *what);

/* nccl_sums.c; see kd_device_sums. */
kd_status kd_nccl_alloc(kd_device *device, const kd_sums_spec *spec, void **memory);
kd_status kd_nccl_start(kd_device *device, int64_t begin, int64_t end);
kd_status kd_nccl_join(kd_device *device);
void kd_nccl_free(kd_device *device);

#endif
