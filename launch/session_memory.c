#include "launch/free_memory.h"
#include "launch/session.h"
#include "launch/size_text.h"

/* Rank 0 copies weights and slots, and the writer once more, so that the steps can go on meanwhile; in memory
 * of the host. */
static void add_up(const kd_session *s, kd_forecast *f) {
  const kd_replica_stats *stats = &f->stats;
  f->copies = 0;
  if (s->checkpoints && s->comm->rank == 0 && s->device.backend->host_memory)
    f->copies = 2.0 * (double)(stats->weight_bytes + stats->slot_bytes);
  f->needed =
      f->copies + (double)(stats->weight_bytes + stats->slot_bytes + stats->reduce_bytes + stats->plan_bytes);
}

static kd_status enough(const kd_session *s, const kd_forecast *f) {
  const kd_replica_stats *stats = &f->stats;
  char needed[32], weights[32], slots[32], sums[32], plan[32], available[32];
  KD_CHECK(
      f->available <= 0 || f->needed <= f->available, KD_ERR_USAGE,
      "not enough memory: rank %d needs %s (weights %s, optimizer %s, sums %s, activations and data %s%s), "
      "but %s are "
      "free for it; use a smaller batch_size, [train] micro_batch, fewer ranks on a host, or a smaller model",
      s->comm->rank, kd_bytes_text(f->needed, needed), kd_bytes_text((double)stats->weight_bytes, weights),
      kd_bytes_text((double)stats->slot_bytes, slots), kd_bytes_text((double)stats->reduce_bytes, sums),
      stats->plan_bytes ? kd_bytes_text((double)stats->plan_bytes, plan) : "not counted",
      f->copies > 0 ? ", copies for checkpoints" : "", kd_bytes_text(f->available, available));
  return KD_OK;
}

/* For this rank, of its device. */
static double available(kd_session *s) {
  const kd_backend *backend = s->device.backend;
  if (backend->host_memory) return kd_free_memory(s->comm->local_size);
  int sharers = (s->comm->local_size + s->device.count - 1) / s->device.count;
  return backend->free_bytes(&s->device) / sharers;
}

kd_status kd_session_forecast(kd_session *s, kd_forecast *f) {
  f->available = available(s);
  KD_TRY(kd_replica_measure(&s->setup, &f->stats));
  add_up(s, f);
  return KD_OK;
}

/* The weights alone may be too many; then nobody needs to plan the steps, which libraries refuse for absurd
 * sizes. */
static kd_status check(kd_session *s, kd_forecast *f) {
  const kd_optimizer *optimizer = s->setup.optimizer;
  int64_t all = kd_model_count_params(s->model, false), trained = kd_model_count_params(s->model, true);
  int64_t slots = optimizer ? optimizer->n_slots + (optimizer->accumulation > 1) : 0;
  int64_t size = (int64_t)sizeof(float);
  *f = (kd_forecast){.available = available(s)};
  f->stats.weight_bytes = all * size;
  f->stats.slot_bytes = trained * size * slots;
  f->stats.reduce_bytes = optimizer ? trained * size : 0;
  add_up(s, f);
  KD_TRY(enough(s, f));
  KD_TRY(kd_session_forecast(s, f));
  return enough(s, f);
}

kd_status kd_session_check_memory(kd_session *s, kd_forecast *f) {
  return kd_comm_all_ok(s->comm, check(s, f));
}
