/* The CUDA device's own state, shared by its kernels, and how errors of NVIDIA's libraries become a status.
 */
#ifndef KD_CUDA_CUDA_H
#define KD_CUDA_CUDA_H

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include "device/backend.h"

/* Pinned memory that uploads pass through: the host may go on while the copy waits for its turn. */
typedef struct kd_cuda_slot {
  void *host;
  size_t bytes;
  cudaEvent_t done; /* NULL: never used */
} kd_cuda_slot;

enum { KD_SMALL_SLOTS = 64, KD_SMALL_BYTES = 4096, KD_LARGE_SLOTS = 3 };

/* One upload of a step (feed.c): pinned memory, memory of the device, and when each is free again. */
typedef struct kd_cuda_feed_slot {
  void *host, *staged;
  size_t bytes;
  cudaEvent_t copied, taken;
} kd_cuda_feed_slot;

typedef struct kd_cuda_feed {
  kd_cuda_feed_slot slot[KD_FEED_SLOTS];
  unsigned next;
} kd_cuda_feed;

typedef struct kd_cuda {
  int ordinal, capability; /* 90: compute capability 9.0 */
  cudaStream_t stream, copies, feeding;
  cublasLtHandle_t blas;
  cudnnHandle_t dnn;
  cudnnBackendDescriptor_t dnn_device; /* for choosing plans */
  kd_cuda_slot small[KD_SMALL_SLOTS], large[KD_LARGE_SLOTS];
  unsigned next_small, next_large;
  cudaEvent_t *fetched; /* by number of the download */
  size_t n_fetched;
  cudaEvent_t reached; /* the launches until now, for downloads beside those that follow */
  kd_cuda_feed *feeds; /* by number of the upload */
  size_t n_feeds;
  cudaEvent_t read[KD_READS];
  struct kd_cuda_module *modules;
  double described;     /* its memory, of a device that is not here (described.c); 0: it is */
  bool undriven;        /* and there is no driver, which cuDNN hands code to that it compiles */
  struct kd_nccl *nccl; /* comm/nccl.c; NULL: no sums over ranks */
  char text[256];
} kd_cuda;

static inline kd_cuda *kd_cuda_of(const kd_device *device) {
  return device->state;
}
static inline void *kd_cuda_stream(const kd_launch *launch) {
  return kd_cuda_of(launch->device)->stream;
}

kd_status kd_cuda_error(int error, const char *what);
kd_status kd_blas_error(int error, const char *what);
kd_status kd_dnn_error(int error, const char *what);

/* Returns from the calling function with a text when CUDA's error number is not 0. */
#define KD_CUDA(call, what)                                                                                  \
  do {                                                                                                       \
    int kd_cuda_error_ = (int)(call);                                                                        \
    if (kd_cuda_error_ != 0) return kd_cuda_error(kd_cuda_error_, what);                                     \
  } while (0)

/* KD_ERR_INTERNAL when an operand is no float32: the graph holds nothing else for this primitive. */
kd_status kd_cuda_float32(const kd_launch *launch);

/* cuda.c */
extern const kd_backend kd_cuda_backend;
void kd_cuda_libraries(char *text, size_t size);

/* described.c: the device of that name, or the one in the text of a file. */
kd_status kd_cuda_describe(kd_device *device, const char *name, const char *json);

/* feed.c */
kd_status kd_cuda_feed_start(kd_device *device, int number, void *to, const void *host, size_t bytes);
kd_status kd_cuda_read_start(kd_device *device, int number, void *host, const void *from, size_t bytes);
kd_status kd_cuda_read_wait(kd_device *device, int number);
void kd_cuda_feed_close(kd_cuda *cuda);

/* memory.c */
kd_status kd_cuda_alloc(kd_device *device, size_t bytes, void **block);
void kd_cuda_free(kd_device *device, void *block, size_t bytes);
kd_status kd_cuda_upload(kd_device *device, void *to, const void *host, size_t bytes);
kd_status kd_cuda_download(kd_device *device, void *host, const void *from, size_t bytes);
kd_status kd_cuda_clear(kd_device *device, void *block, size_t bytes);
kd_status kd_cuda_fetch_start(kd_device *device, int number, void *host, const void *from, size_t bytes);
kd_status kd_cuda_fetch_wait(kd_device *device, int number);
void kd_cuda_pin(kd_device *device, void *host, size_t bytes);
void kd_cuda_unpin(kd_device *device, void *host);
double kd_cuda_free_bytes(kd_device *device);
void kd_cuda_memory_close(kd_cuda *cuda);

kd_status kd_cuda_copy(kd_device *device, float *to, const float *from, int64_t count);
kd_status kd_cuda_add(kd_device *device, float *to, const float *from, int64_t count);

/* wait.c: until the device has done what is on the stream, or before the event; gives up when the device's
 * patience ends. */
kd_status kd_cuda_wait_stream(kd_device *device, cudaStream_t stream, const char *what);
kd_status kd_cuda_wait_event(kd_device *device, cudaEvent_t event, const char *what);

/* comm/nccl.c; there when nccl.h was */
extern const kd_device_sums kd_nccl_sums;

/* record.c */
kd_status kd_cuda_record_start(kd_device *device);
kd_status kd_cuda_record_end(kd_device *device, void **recorded);
kd_status kd_cuda_replay(kd_device *device, void *recorded);
void kd_cuda_forget(kd_device *device, void *recorded);

#endif
