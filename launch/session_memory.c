#include <stdio.h>

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

static bool fits(const kd_forecast *f) {
  return f->available <= 0 || f->needed <= f->available;
}

static kd_status enough(const kd_session *s, const kd_forecast *f, const char *advice) {
  const kd_replica_stats *stats = &f->stats;
  char needed[32], weights[32], slots[32], sums[32], plan[32], available[32];
  KD_CHECK(fits(f), KD_ERR_USAGE,
           "not enough memory: rank %d needs %s (weights %s, optimizer %s, sums %s, activations and data "
           "%s%s), but %s are free for it; %s",
           s->comm->rank, kd_bytes_text(f->needed, needed),
           kd_bytes_text((double)stats->weight_bytes, weights),
           kd_bytes_text((double)stats->slot_bytes, slots), kd_bytes_text((double)stats->reduce_bytes, sums),
           stats->plan_bytes ? kd_bytes_text((double)stats->plan_bytes, plan) : "not counted",
           f->copies > 0 ? ", copies for checkpoints" : "", kd_bytes_text(f->available, available), advice);
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

/* Whether the forecast fits with other passes. */
static bool would_fit(const kd_session *s, const kd_forecast *asked, int64_t rows, kd_recompute recompute) {
  kd_replica_spec spec = s->setup;
  kd_forecast f = *asked;
  spec.micro_batch = rows;
  spec.recompute = recompute;
  if (kd_replica_measure(&spec, &f.stats) != KD_OK) return false;
  add_up(s, &f);
  return fits(&f);
}

/* The most rows of a pass, of those got by halving, that fit; 0: none. Passes of world are micro-shards. */
static int64_t fitting_rows(const kd_session *s, const kd_forecast *asked) {
  if (s->setup.determinism == KD_DETERMINISM_WORLD) return 0;
  int64_t rows = asked->stats.pass_rows / 2;
  while (rows > 0 && !would_fit(s, asked, rows, s->setup.recompute)) rows /= 2;
  return rows;
}

static const char *fitting_recompute(const kd_session *s, const kd_forecast *asked) {
  static const char *const words[] = {NULL, "activations", "all"};
  for (int choice = (int)s->setup.recompute + 1; choice <= KD_RECOMPUTE_ALL; choice++)
    if (would_fit(s, asked, s->setup.micro_batch, (kd_recompute)choice)) return words[choice];
  return NULL;
}

/* Leaves the text as it is when nothing was found. */
static void advise(const kd_session *s, const kd_forecast *f, char *text, size_t size) {
  if (fits(f) || !s->setup.optimizer) return;
  const char *recompute = fitting_recompute(s, f);
  int64_t rows = fitting_rows(s, f);
  if (rows && recompute)
    snprintf(text, size, "[train] micro_batch = %lld fits, and so does recompute = %s", (long long)rows,
             recompute);
  else if (rows)
    snprintf(text, size, "[train] micro_batch = %lld fits", (long long)rows);
  else if (recompute)
    snprintf(text, size, "[train] recompute = %s fits", recompute);
}

#define GENERAL_ADVICE                                                                                       \
  "use a smaller batch_size, [train] micro_batch, [train] recompute, fewer ranks on a host, or a smaller "   \
  "model"

/* The weights alone may be too many; then nobody needs to plan the steps, which libraries refuse for absurd
 * sizes. */
static kd_status check(kd_session *s, kd_forecast *f) {
  const kd_optimizer *optimizer = s->setup.optimizer;
  *f = (kd_forecast){.available = available(s)};
  f->stats.weight_bytes = (size_t)kd_model_param_bytes(s->model, false);
  if (optimizer) {
    f->stats.reduce_bytes = (size_t)kd_model_count_params(s->model, true) * sizeof(float);
    f->stats.slot_bytes = (size_t)optimizer->n_slots * (size_t)kd_model_param_bytes(s->model, true) +
                          (optimizer->accumulation > 1) * f->stats.reduce_bytes;
  }
  add_up(s, f);
  KD_TRY(enough(s, f, GENERAL_ADVICE));
  KD_TRY(kd_session_forecast(s, f));
  char advice[192] = GENERAL_ADVICE;
  advise(s, f, advice, sizeof advice);
  return enough(s, f, advice);
}

kd_status kd_session_check_memory(kd_session *s, kd_forecast *f) {
  return kd_comm_all_ok(s->comm, check(s, f));
}
