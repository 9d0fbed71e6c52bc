/* One training step: what it reads is given to the device, then its work is put there: passes, sums over
 * ranks, update. The host learns the results later (reports.c). */
#include "trainer/replica_state.h"

static kd_status run(kd_plan *plan) {
  return plan ? kd_plan_run(plan, 0) : KD_OK;
}

/* The values of the update that follows `done` micro-steps. */
static void update_values(const kd_replica *r, int64_t done, double rate, kd_update_values *values) {
  const kd_optimizer *optimizer = r->spec.optimizer;
  const kd_optimizer_common *common = optimizer->common;
  int64_t updates = done / optimizer->accumulation, every = common->ema_overwrite_frequency;
  *values = (kd_update_values){
      .rate = (float)rate,
      .momentum = updates == 0 ? 0.0f : (float)common->ema_momentum, /* the first average is the weight */
      .overwrite = every != KD_UNSET_INT && (updates + 1) % every == 0};
  optimizer->kind->values(common, rate, updates + 1, values->rule);
}

/* Where the device decides which steps are skipped, it gets the values for each number that is possible. */
static void set_values(kd_replica *r, int64_t iteration, kd_rate_fn rate, void *context) {
  int64_t done = iteration - r->scale.skipped;
  int unknown = r->guarded ? r->pending : 0;
  r->given.skipped = (float)r->scale.skipped;
  for (int k = 0; k <= unknown && k <= done; k++)
    update_values(r, done - k, rate(context, done - k), &r->given.update[k]);
}

/* Whether this micro-step ends with an update. */
static bool is_last(const kd_replica *r, int64_t iteration) {
  return (iteration - r->scale.skipped + 1) % r->spec.optimizer->accumulation == 0;
}

/* Keras: averages move and constraints act with every batch, not with every update. */
static kd_status enqueue_update(kd_replica *r, bool last) {
  const kd_updates *u = &r->updates;
  KD_TRY(run(u->penalty));
  KD_TRY(run(u->moving));
  KD_TRY(run(u->unscale));
  bool decides = r->scaled && r->spec.optimizer->scaling.dynamic && !r->guarded;
  if (decides && u->unscale && r->values->finite == 0) return KD_OK;
  KD_TRY(run(u->choose));
  if (last) {
    KD_TRY(run(u->finish));
    KD_TRY(run(u->adjust));
    KD_TRY(run(u->update));
  } else {
    KD_TRY(run(u->accumulate));
  }
  KD_TRY(run(u->average));
  return run(u->constrain);
}

typedef struct step_work {
  kd_replica *replica;
  const kd_step_data *data;
  bool last;
} step_work;

static kd_status update_work(void *context) {
  const step_work *work = context;
  return enqueue_update(work->replica, work->last);
}

static kd_status whole_work(void *context) {
  const step_work *work = context;
  KD_TRY(kd_passes_enqueue(work->replica, work->data));
  return enqueue_update(work->replica, work->last);
}

static kd_status finish(kd_replica *r, int64_t iteration, int64_t rows) {
  r->version++;
  return kd_reports_start(r, iteration, rows);
}

kd_status kd_step_update(kd_replica *r, int64_t iteration, int64_t rows, kd_rate_fn rate, void *context) {
  step_work work = {.replica = r, .last = is_last(r, iteration)};
  kd_device *device = r->spec.device;
  set_values(r, iteration, rate, context);
  KD_TRY(device->backend->upload(device, r->values->given.update, r->given.update, sizeof r->given.update));
  KD_TRY(
      device->backend->upload(device, &r->values->given.skipped, &r->given.skipped, sizeof r->given.skipped));
  KD_TRY(kd_repeat(r, 0, work.last, update_work, &work));
  return finish(r, iteration, rows);
}

kd_status kd_replica_step(kd_replica *r, const kd_step_data *data, int64_t iteration, kd_rate_fn rate,
                          void *context) {
  KD_CHECK(r->pending <= kd_replica_ahead(r), KD_ERR_INTERNAL, "a step before the results of an earlier one");
  KD_TRY(kd_passes_start(r, data, iteration));
  if (r->updates.prepare) r->version++;
  if (!r->whole) {
    KD_TRY(kd_passes_gradients(r, data));
    return kd_step_update(r, iteration, data->global_rows, rate, context);
  }
  step_work work = {.replica = r, .data = data, .last = is_last(r, iteration)};
  set_values(r, iteration, rate, context);
  KD_TRY(kd_passes_feed(r, data));
  KD_TRY(kd_repeat(r, data->global_rows, work.last, whole_work, &work));
  return finish(r, iteration, data->global_rows);
}

kd_status kd_replica_penalty(kd_replica *r, double *penalty) {
  *penalty = 0;
  if (!r->updates.penalty) return KD_OK;
  KD_TRY(run(r->updates.penalty));
  float value;
  KD_TRY(r->spec.device->backend->download(r->spec.device, &value, &r->values->penalty, sizeof value));
  *penalty = (double)value;
  return KD_OK;
}

kd_status kd_replica_finalize(kd_replica *r) {
  if (!r->updates.finalize) return KD_OK;
  r->version++;
  return run(r->updates.finalize);
}
