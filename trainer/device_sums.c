/* Sums that the devices make themselves: over the passes of a rank, and in a group over ranks. The host reads
 * the tail alone, some steps later.
 *
 * Nobody waits in a step: buckets set out beside the backward pass, and the update's launches come behind all
 * of them. */
#include "trainer/replica_state.h"

static size_t tail_bytes(const kd_replica *r) {
  return (size_t)r->tail_floats * sizeof(float);
}

static size_t leaf_bytes(const kd_replica *r) {
  return (size_t)r->n_reduce * sizeof(float);
}

static kd_status alloc_group(kd_replica *r) {
  kd_sums_spec spec = {.bytes = r->reduce_bytes,
                       .stride = r->n_reduce,
                       .most = r->tail_floats,
                       .n_leaves = kd_replica_is_world(r) ? r->spec.micro_shards : 0};
  for (int k = 0; k < r->buckets.count; k++) {
    int64_t floats = r->buckets.end[k] - r->buckets.begin[k];
    if (floats > spec.most) spec.most = floats;
  }
  return kd_device_group_alloc(r->group, &spec, r->buckets.count, 1 + KD_STEPS_AHEAD, (void **)&r->sum);
}

kd_status kd_device_sums_alloc(kd_replica *r) {
  kd_device *device = r->spec.device;
  if (r->group)
    KD_TRY(alloc_group(r));
  else
    KD_TRY(device->backend->alloc(device, r->reduce_bytes, (void **)&r->sum));
  r->leaf = r->sum;
  if (r->own_leaf) KD_TRY(device->backend->alloc(device, leaf_bytes(r), (void **)&r->leaf));
  KD_TRY(kd_large_alloc(tail_bytes(r), (void **)&r->reduce));
  device->backend->pin(device, r->reduce, tail_bytes(r));
  return KD_OK;
}

void kd_device_sums_free(kd_replica *r) {
  kd_device *device = r->spec.device;
  if (r->leaf && r->leaf != r->sum) device->backend->free(device, r->leaf, leaf_bytes(r));
  if (r->sum && !r->group) device->backend->free(device, r->sum, r->reduce_bytes);
  if (r->group) kd_device_group_free(r->group);
  if (!r->reduce) return;
  device->backend->unpin(device, r->reduce);
  kd_large_free(r->reduce, tail_bytes(r));
}

/* The steps of this pass's leaf, as kd_tree_accumulate does them. */
static kd_status add_up(kd_replica *r, int64_t begin, int64_t end) {
  kd_device *device = r->spec.device;
  const kd_tree_program *tree = &r->tree;
  int index = r->pass - tree->begin;
  if (!r->own_leaf) return KD_OK;
  for (int s = tree->first[index]; s < tree->first[index + 1]; s++) {
    const kd_tree_step *step = &tree->steps[s];
    float *into = r->sum + step->into * r->n_reduce + begin;
    const float *from = step->kind == KD_TREE_JOIN ? r->sum + step->from * r->n_reduce : r->leaf;
    KD_TRY(step->kind == KD_TREE_COPY ? device->backend->copy(device, into, from + begin, end - begin)
                                      : device->backend->add(device, into, from + begin, end - begin));
  }
  return KD_OK;
}

static kd_status start(kd_replica *r, int k) {
  return r->group ? kd_device_group_start(r->group, k, r->buckets.begin[k], r->buckets.end[k]) : KD_OK;
}

kd_status kd_device_sums_bucket(kd_replica *r, int k) {
  KD_TRY(add_up(r, r->buckets.begin[k], r->buckets.end[k]));
  return r->last_pass ? start(r, k) : KD_OK;
}

kd_status kd_device_sums_tail(kd_replica *r) {
  return add_up(r, 0, r->tail_floats);
}

static kd_status join(kd_replica *r) {
  return r->group ? kd_device_group_join(r->group) : KD_OK;
}

kd_status kd_device_sums_finish(kd_replica *r) {
  /* A rank without leaves (more ranks than micro-shards) takes part in the sum all the same. */
  if (r->tree.begin == r->tree.end)
    for (int k = 0; k < r->buckets.count; k++) KD_TRY(start(r, k));
  return join(r);
}

kd_status kd_device_sums_finish_tail(kd_replica *r) {
  if (r->group) KD_TRY(kd_device_group_start(r->group, 0, 0, r->tail_floats));
  return join(r);
}

kd_status kd_device_sums_fetch_tail(kd_replica *r) {
  return r->spec.device->backend->download(r->spec.device, r->reduce, r->sum, tail_bytes(r));
}
