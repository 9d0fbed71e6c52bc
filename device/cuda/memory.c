/* Device memory, and copies between it and the host. */
#include <string.h>

#include "device/base/memory.h"
#include "device/cuda/cuda.h"
#include "device/cuda/launch.h"

kd_status kd_cuda_alloc(kd_device *device, size_t bytes, void **block) {
  kd_cuda *cuda = kd_cuda_of(device);
  size_t unused = 0, all = 0;
  *block = NULL;
  int error = (int)cudaMalloc(block, bytes ? bytes : 1);
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError(); /* not sticky: the next call is not to see it */
    (void)cudaMemGetInfo(&unused, &all);
    return kd_fail(KD_ERR_NOMEM, "the device has no room for %.1f MiB: %.1f of %.1f GiB are free",
                   (double)bytes / (1 << 20), (double)unused / (1 << 30), (double)all / (1 << 30));
  }
  KD_CUDA(error, "memory of the device");
  KD_CUDA(cudaMemsetAsync(*block, 0, bytes ? bytes : 1, cuda->stream), "clearing memory");
  return KD_OK;
}

void kd_cuda_free(kd_device *device, void *block, size_t bytes) {
  (void)device, (void)bytes;
  (void)cudaFree(block); /* waits for what still uses it */
}

kd_status kd_cuda_clear(kd_device *device, void *block, size_t bytes) {
  if (bytes) KD_CUDA(cudaMemsetAsync(block, 0, bytes, kd_cuda_of(device)->stream), "clearing memory");
  return KD_OK;
}

kd_status kd_cuda_copy(kd_device *device, float *to, const float *from, int64_t count) {
  size_t bytes = (size_t)count * sizeof(float);
  if (bytes)
    KD_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, kd_cuda_of(device)->stream), "a copy");
  return KD_OK;
}

kd_status kd_cuda_add(kd_device *device, float *to, const float *from, int64_t count) {
  KD_CUDA(kd_cuda_add_start(to, from, count, kd_cuda_of(device)->stream), "an addition");
  return KD_OK;
}

/* --- uploads --------------------------------------------------------------------------------------- */

static kd_status slot_open(kd_device *device, kd_cuda_slot *slot, size_t bytes) {
  if (!slot->done)
    KD_CUDA(cudaEventCreateWithFlags(&slot->done, cudaEventDisableTiming), "an event");
  else
    KD_TRY(kd_cuda_wait_event(device, slot->done, "an earlier upload"));
  if (slot->bytes >= bytes) return KD_OK;
  if (slot->host) KD_CUDA(cudaFreeHost(slot->host), "pinned memory");
  slot->host = NULL;
  slot->bytes = 0;
  KD_CUDA(cudaMallocHost(&slot->host, bytes), "pinned memory");
  slot->bytes = bytes;
  return KD_OK;
}

static void slot_close(kd_cuda_slot *slot) {
  if (slot->host) (void)cudaFreeHost(slot->host);
  if (slot->done) (void)cudaEventDestroy(slot->done);
}

/* Slots are taken in turn; the host waits only for the copy that had the slot before. */
kd_status kd_cuda_upload(kd_device *device, void *to, const void *host, size_t bytes) {
  kd_cuda *cuda = kd_cuda_of(device);
  KD_CHECK(!device->recording, KD_ERR_RUN, "an upload cannot be recorded");
  if (!bytes) return KD_OK;
  bool little = bytes <= KD_SMALL_BYTES;
  kd_cuda_slot *slot = little ? &cuda->small[cuda->next_small++ % KD_SMALL_SLOTS]
                              : &cuda->large[cuda->next_large++ % KD_LARGE_SLOTS];
  KD_TRY(slot_open(device, slot, little ? KD_SMALL_BYTES : bytes));
  memcpy(slot->host, host, bytes);
  KD_CUDA(cudaMemcpyAsync(to, slot->host, bytes, cudaMemcpyHostToDevice, cuda->stream), "an upload");
  KD_CUDA(cudaEventRecord(slot->done, cuda->stream), "an upload");
  return KD_OK;
}

/* --- downloads ------------------------------------------------------------------------------------- */

kd_status kd_cuda_download(kd_device *device, void *host, const void *from, size_t bytes) {
  kd_cuda *cuda = kd_cuda_of(device);
  KD_CHECK(!device->recording, KD_ERR_RUN, "a download cannot be recorded");
  if (!bytes) return KD_OK;
  KD_CUDA(cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, cuda->stream), "a download");
  return kd_cuda_wait_stream(device, cuda->stream, "a download");
}

static kd_status fetch_room(kd_cuda *cuda, int number) {
  size_t wanted = (size_t)number + 1;
  if (cuda->n_fetched >= wanted) return KD_OK;
  cuda->fetched = kd_realloc(cuda->fetched, wanted, sizeof *cuda->fetched);
  for (; cuda->n_fetched < wanted; cuda->n_fetched++) {
    cudaEvent_t *event = &cuda->fetched[cuda->n_fetched];
    KD_CUDA(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "an event");
  }
  return KD_OK;
}

kd_status kd_cuda_fetch_start(kd_device *device, int number, void *host, const void *from, size_t bytes) {
  kd_cuda *cuda = kd_cuda_of(device);
  KD_TRY(fetch_room(cuda, number));
  KD_CUDA(cudaEventRecord(cuda->reached, cuda->stream), "a download");
  KD_CUDA(cudaStreamWaitEvent(cuda->copies, cuda->reached, 0), "a download");
  KD_CUDA(cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, cuda->copies), "a download");
  KD_CUDA(cudaEventRecord(cuda->fetched[number], cuda->copies), "a download");
  return KD_OK;
}

kd_status kd_cuda_fetch_wait(kd_device *device, int number) {
  return kd_cuda_wait_event(device, kd_cuda_of(device)->fetched[number], "a download");
}

void kd_cuda_pin(kd_device *device, void *host, size_t bytes) {
  (void)device;
  if (cudaHostRegister(host, bytes, cudaHostRegisterDefault) != cudaSuccess) (void)cudaGetLastError();
}

void kd_cuda_unpin(kd_device *device, void *host) {
  (void)device;
  if (cudaHostUnregister(host) != cudaSuccess) (void)cudaGetLastError();
}

double kd_cuda_free_bytes(kd_device *device) {
  (void)device;
  size_t unused = 0, all = 0;
  return cudaMemGetInfo(&unused, &all) == cudaSuccess ? (double)unused : 0;
}

void kd_cuda_memory_close(kd_cuda *cuda) {
  for (int i = 0; i < KD_SMALL_SLOTS; i++) slot_close(&cuda->small[i]);
  for (int i = 0; i < KD_LARGE_SLOTS; i++) slot_close(&cuda->large[i]);
  for (size_t i = 0; i < cuda->n_fetched; i++) (void)cudaEventDestroy(cuda->fetched[i]);
  kd_free(cuda->fetched);
}
