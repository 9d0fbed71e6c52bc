/* Steps that a device repeats by itself: after some plain runs their work is recorded, then one call starts
 * all of it. What a step repeats depends on numbers that are the same on all ranks, so all record in the same
 * step, and when one cannot, none does. */
#include "device/base/log.h"
#include "trainer/replica_state.h"

static kd_repeated *find(kd_replica *r, int64_t rows, bool last) {
  for (kd_repeated *work = r->repeated; work; work = work->next)
    if (work->rows == rows && work->last == last) return work;
  kd_repeated *work = kd_pool_alloc(r->pool, 1, sizeof *work);
  *work = (kd_repeated){.rows = rows, .last = last, .next = r->repeated};
  r->repeated = work;
  return work;
}

static void forget(kd_replica *r, kd_repeated *work) {
  if (work->recorded) r->spec.device->backend->forget(r->spec.device, work->recorded);
  if (work->with_sums) kd_device_group_forget(r->group, work->with_sums);
  work->recorded = NULL;
  work->with_sums = NULL;
}

static kd_status nothing(void *context) {
  (void)context;
  return KD_OK;
}

/* Whether all ranks could. */
static kd_status agree(kd_replica *r, kd_status status, bool *all) {
  int64_t worst = status == KD_OK;
  if (status != KD_OK) kd_log(KD_LOG_INFO, "launches are not recorded: %s", kd_status_text());
  KD_TRY(kd_comm_reduce_i64(r->spec.comm, KD_COMM_MIN, &worst, 1));
  *all = worst;
  if (status == KD_OK && !*all) kd_log(KD_LOG_INFO, "launches are not recorded: another rank cannot");
  return KD_OK;
}

/* Whether the device records at all. */
static kd_status attempt(kd_replica *r) {
  void *recorded;
  KD_TRY(kd_device_record(r->spec.device, nothing, NULL, &recorded));
  r->spec.device->backend->forget(r->spec.device, recorded);
  return KD_OK;
}

/* Ranks talk before, since sums are recorded by all or none, and after, since any may have failed. No rank
 * waits for a device while others talk. Kernels may take their copies of the weights for renewed by work that
 * was recorded and then dropped: the version tells them otherwise. */
static kd_status record(kd_replica *r, kd_repeated *work, kd_status (*enqueue)(void *), void *context) {
  bool all;
  KD_TRY(r->spec.device->backend->finish(r->spec.device));
  KD_TRY(agree(r, attempt(r), &all));
  if (all) {
    kd_status status = r->group ? kd_device_group_record(r->group, enqueue, context, &work->with_sums)
                                : kd_device_record(r->spec.device, enqueue, context, &work->recorded);
    if (r->group && kd_device_group_over(r->group)) return status;
    KD_TRY(agree(r, status, &all));
  }
  if (all) return KD_OK;
  forget(r, work);
  r->records = false;
  r->version++;
  return KD_OK;
}

kd_status kd_repeat(kd_replica *r, int64_t rows, bool last, kd_status (*enqueue)(void *), void *context) {
  if (!r->records) return enqueue(context);
  kd_repeated *work = find(r, rows, last);
  bool recorded = work->recorded || work->with_sums;
  if (!recorded && work->n_runs++ == KD_PLAIN_RUNS) KD_TRY(record(r, work, enqueue, context));
  if (work->with_sums) return kd_device_group_replay(r->group, work->with_sums);
  if (work->recorded) return r->spec.device->backend->replay(r->spec.device, work->recorded);
  return enqueue(context);
}

void kd_repeated_free(kd_replica *r) {
  for (kd_repeated *work = r->repeated; work; work = work->next) forget(r, work);
}
