#include "launch/session.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device/base/log.h"
#include "io/weights_file.h"

/* Threads of this rank: the cores it is bound to, shared with its neighbours when no one is bound. Under
 * determinism = world a number of the configuration alone, since it decides the bits of some sums. */
static int thread_count(const kd_session *s) {
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

static void make_setup(kd_session *s) {
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
      .batch_size = batch,
      .largest_batch = batch > validation ? batch : validation,
      .micro_batch = c->train.micro_batch,
      .determinism = (kd_determinism)c->distributed.determinism,
      .micro_shards = (int)c->distributed.micro_shards,
      .bucket_bytes = (int64_t)(c->distributed.bucket_mb * (1 << 20)),
      .seed = (uint64_t)c->run.seed,
  };
}

static void show_warnings(kd_session *s) {
  for (size_t i = 0; i < s->config->diag->n_warnings; i++)
    kd_log(KD_LOG_WARNING, "%s", s->config->diag->warnings[i]);
}

static kd_status open_device(kd_session *s) {
  bool reproducible = s->config->run.distributed.determinism != KD_DETERMINISM_OFF;
  kd_status status = kd_device_open("cpu", 0, thread_count(s), reproducible, &s->device);
  s->device_open = status == KD_OK;
  KD_TRY(kd_comm_all_ok(s->comm, status));
  make_setup(s);
  return KD_OK;
}

kd_status kd_session_open(kd_session *s, kd_cli *cli, kd_purpose purpose) {
  bool synthetic = s->synthetic, checkpoints = s->checkpoints;
  *s = (kd_session){
      .cli = cli, .purpose = purpose, .pool = cli->pool, .synthetic = synthetic, .checkpoints = checkpoints};
  if (purpose != KD_FOR_MODEL) {
    KD_TRY(kd_comm_open(&s->comm));
    kd_log_identity(s->comm->rank, s->comm->size, s->comm->host);
    cli->silent = s->comm->rank != 0;
  }
  KD_TRY(kd_session_configure(s));
  kd_log_set_level((kd_log_level)s->config->run.log.level);
  if (purpose == KD_FOR_MODEL) {
    show_warnings(s);
    return KD_OK;
  }
  kd_comm_set_timeout(s->comm, s->config->run.distributed.timeout);
  KD_TRY(kd_session_open_data(s));
  show_warnings(s);
  return open_device(s);
}

static bool has_loss(const kd_session *s) {
  for (int o = 0; o < s->model->n_outputs; o++)
    if (s->config->run.outputs[o].loss) return true;
  return false;
}

kd_status kd_session_measure(kd_session *s, int ranks, kd_forecast *forecast) {
  s->comm = kd_comm_pretend(ranks);
  s->purpose = has_loss(s) ? KD_FOR_CHECK : KD_FOR_PREDICTION;
  s->synthetic = true;
  s->checkpoints = s->purpose == KD_FOR_CHECK;
  kd_session_check_ranks(s);
  KD_TRY(kd_diag_status(s->config->diag));
  if (s->purpose == KD_FOR_CHECK) KD_TRY(kd_session_open_data(s));
  KD_TRY(open_device(s));
  return kd_session_forecast(s, forecast);
}

/* [layer NAME] init_from: start weights of single layers, over those of the whole model. */
static kd_status read_layers(kd_session *s, float *const *weights, bool *read) {
  const kd_model_spec *spec = s->config->spec;
  for (int i = 0; i < spec->n_layers; i++) {
    if (!spec->layers[i].init_from) continue;
    for (int l = 0; l < s->model->n_layers; l++) {
      if (strcmp(s->model->layers[l]->name, spec->layers[i].name) != 0) continue;
      kd_status status = kd_weights_read_layer(spec->layers[i].init_from, s->model, l, weights);
      if (status != KD_OK)
        return kd_fail_context(status, "%s:%d: layer %s: init_from", spec->layers[i].origin.file,
                               spec->layers[i].origin.line, spec->layers[i].name);
      for (int w = 0; w < s->model->layers[l]->n_weights; w++)
        read[s->model->layers[l]->first_weight + w] = true;
    }
  }
  return KD_OK;
}

/* path: the whole model's file, or NULL for the layers' own files. */
static kd_status load_weights(kd_session *s, const char *path) {
  bool *read = kd_pool_alloc(s->pool, (size_t)s->model->n_weights + 1, sizeof *read);
  float **weights = kd_pool_alloc(s->pool, (size_t)s->model->n_weights + 1, sizeof *weights);
  for (int w = 0; w < s->model->n_weights; w++)
    weights[w] = kd_calloc((size_t)s->model->weights[w].count, sizeof(float));
  kd_status status = KD_OK;
  for (int w = 0; path && w < s->model->n_weights; w++) read[w] = true;
  if (s->comm->rank == 0)
    status = path ? kd_weights_read(path, s->model, weights) : read_layers(s, weights, read);
  status = kd_comm_all_ok(s->comm, status);
  if (status == KD_OK) status = kd_comm_broadcast(s->comm, read, (size_t)s->model->n_weights * sizeof *read);
  for (int w = 0; w < s->model->n_weights && status == KD_OK; w++) {
    if (!read[w]) continue;
    status = kd_comm_broadcast(s->comm, weights[w], (size_t)s->model->weights[w].count * sizeof(float));
    if (status == KD_OK) status = kd_replica_put(s->replica, KD_PART_WEIGHT, w, weights[w]);
  }
  for (int w = 0; w < s->model->n_weights; w++) kd_free(weights[w]);
  return status;
}

kd_status kd_session_load_weights(kd_session *s, const char *path) {
  return load_weights(s, path);
}

static bool layers_have_files(const kd_session *s) {
  for (int i = 0; i < s->config->spec->n_layers; i++)
    if (s->config->spec->layers[i].init_from) return true;
  return false;
}

kd_status kd_session_start(kd_session *s) {
  kd_forecast forecast;
  KD_TRY(kd_session_check_memory(s, &forecast));
  KD_TRY(kd_session_guard(s, kd_replica_create(&s->setup, &s->replica)));
  kd_replica_stats stats = kd_replica_get_stats(s->replica);
  KD_TRY(kd_comm_agree(s->comm, "plan", stats.plan_hash));
  uint64_t data = s->train.set ? s->train.set->fingerprint : s->test.set->fingerprint;
  KD_TRY(kd_comm_agree(s->comm, "data", data));
  if (s->config->run.model.init_from) KD_TRY(load_weights(s, s->config->run.model.init_from));
  if (layers_have_files(s)) KD_TRY(load_weights(s, NULL));
  return KD_OK;
}

kd_status kd_session_guard(kd_session *s, kd_status status) {
  if (status == KD_OK || status == KD_ERR_STOPPED || status == KD_ERR_DIVERGED || s->comm->size == 1)
    return status;
  kd_comm_fail(s->comm, status);
}

void kd_session_close(kd_session *s, kd_status status) {
  /* Before the ranks part: when one of them has ended with an error, the launcher kills the others. */
  if (status != KD_OK) kd_cli_report(s->cli, status);
  kd_replica_destroy(s->replica);
  kd_session_close_data(s);
  kd_model_destroy(s->model);
  if (s->device_open) kd_device_close(&s->device);
  if (s->comm) kd_comm_close(s->comm);
  kd_config_destroy(s->config);
}
