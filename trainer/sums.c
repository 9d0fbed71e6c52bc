/* Gradients and sums on their way between the device and the ranks.
 *
 * Ranks add up in memory of the host (comm/reducer.h). Where that is the device's memory, passes write
 * straight into it, or into a leaf that is added to it. Else passes write into a leaf on the device: each
 * bucket is fetched as soon as it is written, while the pass goes on, and the sum goes back for the update. A
 * rank that is alone with its device fetches the tail only. */
#include "trainer/replica_state.h"

static size_t leaf_bytes(const kd_replica *r) {
  return (size_t)r->n_reduce * sizeof(float);
}

kd_status kd_sums_alloc(kd_replica *r) {
  kd_device *device = r->spec.device;
  KD_TRY(kd_comm_alloc_reduce(r->spec.comm, r->reduce_bytes, (void **)&r->reduce));
  r->leaf = r->sum = r->reduce;
  if (r->own_leaf || r->apart) KD_TRY(device->backend->alloc(device, leaf_bytes(r), (void **)&r->leaf));
  if (!r->apart) return KD_OK;
  r->sum = r->leaf;
  device->backend->pin(device, r->reduce, r->reduce_bytes);
  if (!r->own_leaf) return KD_OK;
  KD_TRY(kd_large_alloc(leaf_bytes(r), (void **)&r->staged));
  device->backend->pin(device, r->staged, leaf_bytes(r));
  return KD_OK;
}

void kd_sums_free(kd_replica *r) {
  kd_device *device = r->spec.device;
  if (r->leaf && r->leaf != r->reduce) device->backend->free(device, r->leaf, leaf_bytes(r));
  if (r->staged) {
    device->backend->unpin(device, r->staged);
    kd_large_free(r->staged, leaf_bytes(r));
  }
  if (!r->reduce) return;
  if (r->apart) device->backend->unpin(device, r->reduce);
  kd_comm_free_reduce(r->spec.comm, r->reduce);
}

/* Where the host finds what a pass wrote. */
static float *host_leaf(const kd_replica *r) {
  return !r->apart ? r->leaf : r->own_leaf ? r->staged : r->reduce;
}

static void add_up(kd_replica *r, int64_t begin, int64_t end) {
  if (r->own_leaf) kd_tree_accumulate(&r->tree, r->pass, host_leaf(r), r->reduce, r->n_reduce, begin, end);
}

static void finish_bucket(kd_replica *r, int k) {
  add_up(r, r->buckets.begin[k], r->buckets.end[k]);
  if (r->last_pass) kd_reducer_post(r->reducer, k);
}

kd_status kd_sums_bucket(kd_replica *r, int k) {
  kd_device *device = r->spec.device;
  if (r->alone || !r->apart) {
    finish_bucket(r, k);
    return KD_OK;
  }
  int64_t begin = r->buckets.begin[k], count = r->buckets.end[k] - begin;
  return device->backend->fetch_start(device, k, host_leaf(r) + begin, r->leaf + begin,
                                      (size_t)count * sizeof(float));
}

kd_status kd_sums_pass(kd_replica *r) {
  kd_device *device = r->spec.device;
  for (int k = 0; r->apart && !r->alone && k < r->next_bucket; k++) {
    KD_TRY(device->backend->fetch_wait(device, k));
    finish_bucket(r, k);
  }
  return KD_OK;
}

/* The front is small: the host waits for it. */
kd_status kd_sums_tail(kd_replica *r, int64_t floats) {
  kd_device *device = r->spec.device;
  if (r->apart)
    KD_TRY(device->backend->download(device, host_leaf(r), r->leaf, (size_t)floats * sizeof(float)));
  add_up(r, 0, floats);
  return KD_OK;
}

kd_status kd_sums_return(kd_replica *r) {
  kd_device *device = r->spec.device;
  if (!r->apart || r->alone) return KD_OK;
  return device->backend->upload(device, r->sum, r->reduce, leaf_bytes(r));
}
