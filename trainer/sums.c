/* Gradients and sums on their way between the device and the ranks.
 *
 * Ranks add up in memory of the host (comm/reducer.h). Where that is the device's memory, passes write
 * straight into it, or into a leaf that is added to it. Else passes write into a leaf on the device: each
 * bucket is fetched as soon as it is written, while the pass goes on, and the sum goes back for the update.
 * Where devices sum among themselves, or a rank is alone, nothing of this happens: device_sums.c. */
#include "trainer/replica_state.h"

static size_t leaf_bytes(const kd_replica *r) {
  return (size_t)r->n_reduce * sizeof(float);
}

/* Without ranks to ask, what is likely. */
static kd_status guess(kd_replica *r) {
  kd_status status = kd_device_group_check(r->spec.device);
  bool always = r->spec.sums == KD_GROUP_ALWAYS, never = r->spec.sums == KD_GROUP_NEVER;
  if (always && status != KD_OK) return kd_fail_context(status, "[distributed] backend = nccl");
  bool seats = r->spec.comm->local_size <= r->spec.device->count;
  r->on_device = r->apart && (r->spec.comm->size == 1 || (status == KD_OK && !never && seats));
  return KD_OK;
}

kd_status kd_sums_choose(kd_replica *r) {
  r->apart = !r->spec.device->backend->host_memory;
  if (r->dry) return guess(r);
  if (r->spec.objective) r->group = r->spec.group;
  r->on_device = r->apart && (r->spec.comm->size == 1 || r->group);
  return KD_OK;
}

const char *kd_sums_transport(const kd_replica *r) {
  if (r->group) return kd_device_group_describe(r->group);
  if (r->on_device) return "the device alone";
  return r->reducer ? kd_reducer_transport(r->reducer) : "none";
}

kd_status kd_sums_alloc(kd_replica *r) {
  kd_device *device = r->spec.device;
  if (r->on_device) return kd_device_sums_alloc(r);
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
  if (r->on_device) {
    kd_device_sums_free(r);
    return;
  }
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
  if (r->row_sums && k == r->buckets.count - 1)
    kd_row_sums_pass(r);
  else
    add_up(r, r->buckets.begin[k], r->buckets.end[k]);
  if (r->last_pass) kd_reducer_post(r->reducer, k);
}

kd_status kd_sums_bucket(kd_replica *r, int k) {
  kd_device *device = r->spec.device;
  if (r->on_device) return kd_device_sums_bucket(r, k);
  if (!r->apart) {
    finish_bucket(r, k);
    return KD_OK;
  }
  int64_t begin = r->buckets.begin[k], count = r->buckets.end[k] - begin;
  return device->backend->fetch_start(device, k, host_leaf(r) + begin, r->leaf + begin,
                                      (size_t)count * sizeof(float));
}

kd_status kd_sums_pass(kd_replica *r) {
  kd_device *device = r->spec.device;
  for (int k = 0; r->apart && !r->on_device && k < r->next_bucket; k++) {
    KD_TRY(device->backend->fetch_wait(device, k));
    finish_bucket(r, k);
  }
  return KD_OK;
}

/* The tail is small: the host waits for it. */
kd_status kd_sums_tail(kd_replica *r) {
  kd_device *device = r->spec.device;
  if (r->on_device) return kd_device_sums_tail(r);
  if (r->apart)
    KD_TRY(device->backend->download(device, host_leaf(r), r->leaf, (size_t)r->tail_floats * sizeof(float)));
  add_up(r, 0, r->tail_floats);
  return KD_OK;
}

kd_status kd_sums_finish(kd_replica *r) {
  kd_device *device = r->spec.device;
  if (r->on_device) return kd_device_sums_finish(r);
  /* A rank without leaves (more ranks than micro-shards) takes part in the sum all the same. */
  if (r->tree.begin == r->tree.end)
    for (int k = 0; k < r->buckets.count; k++) kd_reducer_post(r->reducer, k);
  KD_TRY(kd_reducer_wait(r->reducer));
  KD_TRY(kd_row_sums_finish(r));
  return r->apart ? device->backend->upload(device, r->sum, r->reduce, leaf_bytes(r)) : KD_OK;
}

kd_status kd_sums_finish_tail(kd_replica *r) {
  if (r->on_device) return kd_device_sums_finish_tail(r);
  kd_reducer_post(r->tail_reducer, 0);
  return kd_reducer_wait(r->tail_reducer);
}
