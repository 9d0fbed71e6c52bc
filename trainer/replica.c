#include <string.h>

#include "device/base/hash.h"
#include "io/sampler.h"
#include "trainer/replica_state.h"

void kd_replica_share(void *replica, int64_t rows, int64_t *begin, int64_t *end) {
  const kd_replica *r = replica;
  const kd_comm *comm = r->spec.comm;
  if (!kd_replica_is_world(r)) {
    kd_split(rows, comm->size, comm->rank, begin, end);
    return;
  }
  int first = kd_tree_begin(r->spec.micro_shards, comm->size, comm->rank);
  int last = kd_tree_begin(r->spec.micro_shards, comm->size, comm->rank + 1);
  int64_t ignored;
  if (first == last) {
    *begin = *end = 0;
    return;
  }
  kd_split(rows, r->spec.micro_shards, first, begin, &ignored);
  kd_split(rows, r->spec.micro_shards, last - 1, &ignored, end);
}

static size_t accumulated_bytes(const kd_replica *r) {
  return (size_t)r->n_weight * sizeof *r->accumulated;
}

/* Floats of the states of losses of whole batches. */
static size_t slope_floats(const kd_replica *r) {
  const kd_objective *objective = r->spec.objective;
  return objective ? (size_t)(objective->n_tail - objective->n_logged) : 0;
}

static kd_status allocate_slopes(kd_replica *r) {
  kd_device *device = r->spec.device;
  size_t n = slope_floats(r);
  if (n == 0) return KD_OK;
  r->slope_host = kd_pool_alloc(r->pool, n, sizeof *r->slope_host);
  r->slope_sums = kd_pool_alloc(r->pool, n, sizeof *r->slope_sums);
  return device->backend->alloc(device, n * sizeof(float), (void **)&r->slope);
}

static kd_status allocate(kd_replica *r) {
  kd_device *device = r->spec.device;
  const kd_optimizer *optimizer = r->spec.optimizer;
  size_t weight_bytes = r->spec.model->trainable_bytes;
  KD_TRY(device->backend->alloc(device, weight_bytes, (void **)&r->weights));
  KD_TRY(device->backend->alloc(device, r->spec.model->state_bytes, (void **)&r->state));
  KD_TRY(device->backend->alloc(device, sizeof *r->values, (void **)&r->values));
  size_t counts = (size_t)r->spec.model->n_outputs * sizeof(float);
  KD_TRY(device->backend->alloc(device, counts, (void **)&r->inv_count));
  KD_TRY(allocate_slopes(r));
  if (optimizer) {
    KD_TRY(device->backend->alloc(device, weight_bytes * (size_t)optimizer->n_slots, (void **)&r->slots));
    if (optimizer->accumulation > 1)
      KD_TRY(device->backend->alloc(device, accumulated_bytes(r), (void **)&r->accumulated));
  }
  kd_row_sums_create(r);
  KD_TRY(kd_sums_alloc(r));
  KD_TRY(kd_reports_alloc(r));
  return kd_used_rows_alloc(r);
}

/* Slots of one weight; values: room for them. */
static kd_status start_slots(kd_replica *r, int w, float *values) {
  const kd_optimizer *optimizer = r->spec.optimizer;
  for (int s = 0; s < optimizer->n_slots; s++) {
    bool average = s >= optimizer->n_rule_slots;
    float start = average ? 0.0f : (float)optimizer->kind->slot_start(optimizer->common, s);
    for (int64_t i = 0; i < r->spec.model->weights[w].count; i++) values[i] = start;
    KD_TRY(kd_replica_put(r, s, w, values));
  }
  return KD_OK;
}

static kd_status initialize(kd_replica *r) {
  const kd_model *model = r->spec.model;
  for (int w = 0; w < model->n_weights; w++) {
    const kd_weight *weight = &model->weights[w];
    float *values = kd_calloc((size_t)weight->count, sizeof *values);
    kd_status status = kd_weight_initialize(weight, r->spec.seed, values);
    if (status == KD_OK) status = kd_replica_put(r, KD_PART_WEIGHT, w, values);
    const kd_optimizer *optimizer = r->spec.optimizer;
    if (status == KD_OK && optimizer && weight->trainable && optimizer->kind->slot_start)
      status = start_slots(r, w, values);
    kd_free(values);
    KD_TRY(status);
  }
  return KD_OK;
}

/* Sums over ranks in mid-pass, for synchronised statistics: small, in rank order. values: NULL from a rank
 * without rows, which adds zeros. */
static kd_status exchange(void *context, float *values, int64_t count) {
  kd_replica *r = context;
  if (count > r->exchange_room) { /* in the first step only */
    kd_free(r->exchange_sums);
    r->exchange_sums = kd_calloc((size_t)count, sizeof(double));
    r->exchange_room = count;
  }
  for (int64_t i = 0; i < count; i++) r->exchange_sums[i] = values ? (double)values[i] : 0.0;
  KD_TRY(kd_comm_reduce_f64(r->spec.comm, KD_COMM_SUM, r->exchange_sums, (int)count));
  for (int64_t i = 0; values && i < count; i++) values[i] = (float)r->exchange_sums[i];
  return KD_OK;
}

static kd_status connect_exchange(kd_replica *r) {
  if (!r->exchanges) return KD_OK;
  KD_CHECK(!kd_replica_is_world(r), KD_ERR_USAGE,
           "BatchNormalization(synchronized=true) needs all rows at once, but determinism = world computes "
           "micro-shards one "
           "after another; use determinism = run, or synchronized=false");
  KD_CHECK(
      !r->own_leaf, KD_ERR_USAGE,
      "BatchNormalization(synchronized=true) needs all rows of a rank in one pass; use a larger micro_batch");
  if (r->spec.comm->size == 1) return KD_OK;
  r->spec.device->exchange = exchange;
  r->spec.device->exchange_context = r;
  return KD_OK;
}

static kd_status start(kd_replica *r) {
  KD_TRY(kd_loss_scale_start(r));
  KD_TRY(kd_layout_plan(r));
  KD_TRY(connect_exchange(r));
  KD_TRY(kd_kept_create(r));
  if (r->dry) return KD_OK;
  r->predicted = kd_pool_alloc(r->pool, (size_t)r->spec.model->n_outputs, sizeof *r->predicted);
  r->predicted_bytes = kd_pool_alloc(r->pool, (size_t)r->spec.model->n_outputs, sizeof *r->predicted_bytes);
  KD_TRY(allocate(r));
  KD_TRY(initialize(r));
  KD_TRY(kd_loss_scale_upload(r));
  if (r->n_reduce > 0 && !r->on_device) KD_TRY(kd_layout_reducers(r));
  return kd_updates_compile(r);
}

static kd_replica *make(const kd_replica_spec *spec, bool dry) {
  kd_replica *r = kd_calloc(1, sizeof *r);
  r->spec = *spec;
  r->pool = kd_pool_create();
  r->dry = dry;
  r->version = 1;
  return r;
}

kd_status kd_replica_create(const kd_replica_spec *spec, kd_replica **replica) {
  kd_replica *r = make(spec, false);
  kd_status status = start(r);
  if (status != KD_OK) {
    kd_replica_destroy(r);
    return status;
  }
  *replica = r;
  return KD_OK;
}

void kd_replica_destroy(kd_replica *r) {
  if (!r) return;
  kd_device *device = r->spec.device;
  size_t weight_bytes = r->spec.model->trainable_bytes;
  if (device->exchange_context == r) device->exchange = NULL;
  kd_reducer_destroy(r->reducer);
  kd_reducer_destroy(r->tail_reducer);
  kd_reports_free(r);
  kd_repeated_free(r);
  kd_passes_free(r);
  kd_updates_free(r);
  kd_used_rows_free(r);
  kd_kept_free(r);
  kd_sums_free(r);
  if (r->weights) device->backend->free(device, r->weights, weight_bytes);
  if (r->state) device->backend->free(device, r->state, r->spec.model->state_bytes);
  if (r->slots) device->backend->free(device, r->slots, weight_bytes * (size_t)r->spec.optimizer->n_slots);
  if (r->accumulated) device->backend->free(device, r->accumulated, accumulated_bytes(r));
  size_t counts = (size_t)r->spec.model->n_outputs * sizeof(float);
  if (r->inv_count) device->backend->free(device, r->inv_count, counts);
  if (r->slope) device->backend->free(device, r->slope, slope_floats(r) * sizeof(float));
  if (r->values) device->backend->free(device, r->values, sizeof *r->values);
  for (int o = 0; r->predicted && o < r->spec.model->n_outputs; o++)
    if (r->predicted[o]) kd_large_free(r->predicted[o], r->predicted_bytes[o]);
  kd_free(r->exchange_sums);
  kd_pool_destroy(r->pool);
  kd_free(r);
}

/* Batches on their way to a device lie in slots of its memory (kd_backend.feed), as large as the largest plan
 * wants them; passes that count have slots of their own. */
static size_t slot_bytes_of_feeds(const kd_replica *r) {
  bool counts = r->spec.objective && kd_objective_counts(r->spec.objective);
  size_t bytes = 0;
  for (int i = 0; r->apart && r->plans && i < r->plans->n_fields; i++) {
    size_t largest = 0;
    for (const kd_pass_plan *p = r->plans; p; p = p->next)
      if (p->feed_bytes[i] > largest) largest = p->feed_bytes[i];
    bytes += KD_FEED_SLOTS * largest * (counts ? 2 : 1);
  }
  return bytes;
}

kd_replica_stats kd_replica_get_stats(const kd_replica *r) {
  const kd_optimizer *optimizer = r->spec.optimizer;
  size_t weight_bytes = r->spec.model->trainable_bytes, slot_bytes = 0;
  if (optimizer)
    slot_bytes =
        weight_bytes * (size_t)optimizer->n_slots + (optimizer->accumulation > 1) * accumulated_bytes(r);
  kd_replica_stats stats = {
      .weight_bytes = weight_bytes + r->spec.model->state_bytes,
      .slot_bytes = slot_bytes,
      .reduce_bytes = r->reduce_bytes +
                      (r->own_leaf || (r->apart && !r->on_device) ? (size_t)r->n_reduce * sizeof(float) : 0) +
                      kd_used_rows_bytes(r),
      .n_buckets = r->buckets.count + kd_row_sums_buckets(r),
      .plan_hash = r->plan_hash,
      .transport = kd_sums_transport(r),
  };
  stats.plan_bytes = slot_bytes_of_feeds(r);
  for (const kd_pass_plan *p = r->plans; p; p = p->next) {
    kd_plan_stats plan = kd_plan_get_stats(p->plan);
    stats.plan_bytes += plan.arena_bytes + plan.workspace_bytes + plan.state_bytes;
    for (int i = 0; i < p->n_fields; i++) stats.plan_bytes += p->feed_bytes[i];
    for (int i = 0; i < r->spec.model->n_kept; i++) stats.plan_bytes += p->kept_bytes[i];
    if (p->rows > stats.pass_rows) stats.pass_rows = p->rows;
    if (p->mode != KD_MODE_TRAIN || plan.flops < stats.flops) continue;
    stats.flops = plan.flops;
    stats.n_launches = plan.n_launches;
    stats.slow_scopes = kd_plan_slow_scopes(p->plan, r->pool);
  }
  return stats;
}

/* A replica without memory, and the plan of its largest pass. */
static kd_status start_dry(kd_replica *r, kd_pass_plan **plan) {
  const kd_replica_spec *spec = &r->spec;
  kd_mode mode = spec->optimizer ? KD_MODE_TRAIN : spec->objective ? KD_MODE_EVALUATE : KD_MODE_PREDICT;
  KD_TRY(start(r));
  return kd_passes_get(r, mode, kd_passes_nominal_rows(r), plan);
}

kd_status kd_replica_measure(const kd_replica_spec *spec, kd_replica_stats *stats) {
  kd_replica *r = make(spec, true);
  kd_pass_plan *plan;
  kd_status status = start_dry(r, &plan);
  if (status == KD_OK) *stats = kd_replica_get_stats(r);
  stats->slow_scopes = NULL; /* lives in the replica's pool */
  kd_replica_destroy(r);
  return status;
}

kd_status kd_replica_list(const kd_replica_spec *spec, kd_pool *pool, const char **text) {
  kd_replica *r = make(spec, true);
  kd_pass_plan *plan;
  kd_status status = start_dry(r, &plan);
  if (status == KD_OK) *text = kd_plan_text(plan->plan, pool);
  kd_replica_destroy(r);
  return status;
}

static kd_status hash_part(kd_replica *r, int part, int weight, uint64_t *hash) {
  size_t count = (size_t)r->spec.model->weights[weight].count;
  float *values = kd_calloc(count + 1, sizeof *values);
  kd_status status = kd_replica_get(r, part, weight, values);
  *hash = kd_hash(values, count * sizeof *values, *hash);
  kd_free(values);
  return status;
}

uint64_t kd_replica_hash(kd_replica *r) {
  uint64_t hash = 0;
  const kd_model *model = r->spec.model;
  kd_status status = KD_OK;
  for (int w = 0; w < model->n_weights && status == KD_OK; w++) {
    status = hash_part(r, KD_PART_WEIGHT, w, &hash);
    int slots = model->weights[w].trainable && r->spec.optimizer ? r->spec.optimizer->n_slots : 0;
    for (int s = 0; s < slots && status == KD_OK; s++) status = hash_part(r, s, w, &hash);
  }
  return status == KD_OK ? hash : 0;
}
