/* From the configuration to what a replica is made of. */
#include <sched.h>
#include <unistd.h>

#include "launch/session.h"

int kd_session_threads(const kd_session *s) {
  const kd_distributed_options *d = &s->config->run.distributed;
  if (d->threads > 0) return (int)d->threads;
  if (d->determinism == KD_DETERMINISM_WORLD) return 1;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  int cores = CPU_COUNT(&set);
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  if (s->comm->local_size > 1 && cores >= online) cores /= s->comm->local_size;
  return cores > 0 ? cores : 1;
}

void kd_session_setup(kd_session *s) {
  const kd_run_config *c = &s->config->run;
  bool trains = s->purpose == KD_FOR_TRAINING || s->purpose == KD_FOR_CHECK;
  int64_t validation = c->train.validation_batch_size;
  int64_t batch = trains ? c->train.batch_size : validation;
  s->setup = (kd_replica_spec){
      .comm = s->comm,
      .device = &s->device,
      .model = s->model,
      .objective = s->purpose == KD_FOR_PREDICTION ? NULL : &s->objective,
      .optimizer = trains ? &s->config->optimizer : NULL,
      .feed_dtype = s->feed_dtype,
      .feed_sample = s->feed_sample,
      .test_sample = s->test_sample,
      .batch_size = batch,
      .largest_batch = batch > validation ? batch : validation,
      .micro_batch = c->train.micro_batch,
      .recompute = (kd_recompute)c->train.recompute,
      .determinism = (kd_determinism)c->distributed.determinism,
      .micro_shards = (int)c->distributed.micro_shards,
      .bucket_bytes = (int64_t)(c->distributed.bucket_mb * (1 << 20)),
      .group = s->group,
      .sums = (kd_group_wish)c->distributed.backend,
      .seed = (uint64_t)c->run.seed,
  };
}

kd_status kd_session_open_group(kd_session *s) {
  if (s->setup.objective && !s->group_asked) {
    KD_TRY(kd_device_group_open(s->comm, &s->device, s->setup.sums, &s->group));
    s->group_asked = true;
  }
  s->setup.group = s->group;
  return KD_OK;
}

void kd_session_check_ranks(kd_session *s) {
  const kd_run_config *c = &s->config->run;
  if (s->purpose == KD_FOR_MODEL || s->purpose == KD_FOR_PREDICTION) return;
  kd_origin origin = {s->config->file, 0};
  if (c->train.batch_size < s->comm->size)
    kd_diag_error(s->config->diag, origin,
                  "[train] batch_size is %lld, less than the %d ranks: every rank needs a row",
                  (long long)c->train.batch_size, s->comm->size);
  if (c->distributed.determinism == KD_DETERMINISM_WORLD && c->distributed.micro_shards < s->comm->size)
    kd_diag_error(s->config->diag, origin,
                  "[distributed] micro_shards is %lld, less than the %d ranks: determinism = world gives "
                  "each rank whole "
                  "micro-shards",
                  (long long)c->distributed.micro_shards, s->comm->size);
}

bool kd_session_has_loss(const kd_session *s) {
  for (int o = 0; o < s->config->run.n_outputs; o++)
    if (s->config->run.outputs[o].loss) return true;
  return false;
}
