/* Data of the steps on their way to the device, and what steps give back, without a wait of the host.
 *
 * A feed is copied into a pinned slot; a stream of its own carries it into memory of the device while the
 * launches of earlier steps run, and the launches' stream takes it from there. A read is a copy among the
 * launches; an event tells when it has come. */
#include <string.h>

#include "device/base/memory.h"
#include "device/cuda/cuda.h"

static void slot_close(kd_cuda_feed_slot *slot) {
  if (slot->copied) (void)cudaEventDestroy(slot->copied);
  if (slot->taken) (void)cudaEventDestroy(slot->taken);
  if (slot->host) (void)cudaFreeHost(slot->host);
  if (slot->staged) (void)cudaFree(slot->staged);
  *slot = (kd_cuda_feed_slot){0};
}

static kd_status slot_open(kd_device *device, kd_cuda_feed_slot *slot, size_t bytes) {
  KD_TRY(kd_cuda_wait_stream(device, kd_cuda_of(device)->stream, "earlier work")); /* freeing memory waits */
  slot_close(slot);
  KD_CUDA(cudaEventCreateWithFlags(&slot->copied, cudaEventDisableTiming), "an event");
  KD_CUDA(cudaEventCreateWithFlags(&slot->taken, cudaEventDisableTiming), "an event");
  KD_CUDA(cudaMallocHost(&slot->host, bytes), "pinned memory");
  KD_CUDA(cudaMalloc(&slot->staged, bytes), "memory for batches on their way");
  slot->bytes = bytes;
  return KD_OK;
}

static kd_status next_slot(kd_device *device, int number, size_t bytes, kd_cuda_feed_slot **found) {
  kd_cuda *cuda = kd_cuda_of(device);
  size_t wanted = (size_t)number + 1;
  if (cuda->n_feeds < wanted) {
    cuda->feeds = kd_realloc(cuda->feeds, wanted, sizeof *cuda->feeds);
    memset(&cuda->feeds[cuda->n_feeds], 0, (wanted - cuda->n_feeds) * sizeof *cuda->feeds);
    cuda->n_feeds = wanted;
  }
  kd_cuda_feed *feed = &cuda->feeds[number];
  kd_cuda_feed_slot *slot = *found = &feed->slot[feed->next++ % KD_FEED_SLOTS];
  if (slot->bytes < bytes) return slot_open(device, slot, bytes);
  return kd_cuda_wait_event(device, slot->copied, "an earlier upload");
}

kd_status kd_cuda_feed_start(kd_device *device, int number, void *to, const void *host, size_t bytes) {
  kd_cuda *cuda = kd_cuda_of(device);
  kd_cuda_feed_slot *slot;
  KD_CHECK(!device->recording, KD_ERR_RUN, "an upload cannot be recorded");
  if (!bytes) return KD_OK;
  KD_TRY(next_slot(device, number, bytes, &slot));
  memcpy(slot->host, host, bytes);
  KD_CUDA(cudaStreamWaitEvent(cuda->feeding, slot->taken, 0), "an upload");
  KD_CUDA(cudaMemcpyAsync(slot->staged, slot->host, bytes, cudaMemcpyHostToDevice, cuda->feeding),
          "an upload");
  KD_CUDA(cudaEventRecord(slot->copied, cuda->feeding), "an upload");
  KD_CUDA(cudaStreamWaitEvent(cuda->stream, slot->copied, 0), "an upload");
  KD_CUDA(cudaMemcpyAsync(to, slot->staged, bytes, cudaMemcpyDeviceToDevice, cuda->stream), "an upload");
  KD_CUDA(cudaEventRecord(slot->taken, cuda->stream), "an upload");
  return KD_OK;
}

kd_status kd_cuda_read_start(kd_device *device, int number, void *host, const void *from, size_t bytes) {
  kd_cuda *cuda = kd_cuda_of(device);
  cudaEvent_t *event = &cuda->read[number];
  KD_CHECK(!device->recording, KD_ERR_RUN, "a download cannot be recorded");
  if (!*event) KD_CUDA(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "an event");
  KD_CUDA(cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, cuda->stream), "a download");
  KD_CUDA(cudaEventRecord(*event, cuda->stream), "a download");
  return KD_OK;
}

kd_status kd_cuda_read_wait(kd_device *device, int number) {
  return kd_cuda_wait_event(device, kd_cuda_of(device)->read[number], "a download");
}

void kd_cuda_feed_close(kd_cuda *cuda) {
  for (size_t i = 0; i < cuda->n_feeds; i++)
    for (int k = 0; k < KD_FEED_SLOTS; k++) slot_close(&cuda->feeds[i].slot[k]);
  for (int i = 0; i < KD_READS; i++)
    if (cuda->read[i]) (void)cudaEventDestroy(cuda->read[i]);
  kd_free(cuda->feeds);
}
