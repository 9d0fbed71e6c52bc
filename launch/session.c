#include "launch/session.h"

#include <string.h>

#include "device/base/hash.h"
#include "device/base/log.h"

static void show_warnings(kd_session *s) {
  for (size_t i = 0; i < s->config->diag->n_warnings; i++)
    kd_log(KD_LOG_WARNING, "%s", s->config->diag->warnings[i]);
}

kd_status kd_session_open_device(kd_session *s) {
  bool reproducible = s->config->run.distributed.determinism != KD_DETERMINISM_OFF;
  static const char *const devices[] = {"auto", "cpu", "cuda"};
  const char *device = devices[s->config->run.distributed.device];
  int ordinal = strcmp(device, "cpu") == 0 ? 0 : s->comm->local_rank;
  kd_status status = s->described
                         ? kd_device_describe(s->described, reproducible, &s->device)
                         : kd_device_open(device, ordinal, kd_session_threads(s), reproducible, &s->device);
  s->device_open = status == KD_OK;
  if (status == KD_OK && s->config->run.train.tf32) status = kd_device_use_tf32(&s->device);
  KD_TRY(kd_comm_all_ok(s->comm, status));
  return kd_comm_agree(s->comm, "kind of device (set device = cpu or cuda)",
                       kd_hash_text(s->device.backend->name, 0));
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
  KD_TRY(kd_session_open_device(s));
  kd_session_setup(s);
  return KD_OK;
}

kd_status kd_session_measure(kd_session *s, int ranks, kd_forecast *forecast) {
  s->comm = kd_comm_pretend(ranks);
  s->purpose = kd_session_has_loss(s) ? KD_FOR_CHECK : KD_FOR_PREDICTION;
  s->synthetic = true;
  s->checkpoints = s->purpose == KD_FOR_CHECK;
  kd_session_check_ranks(s);
  KD_TRY(kd_diag_status(s->config->diag));
  if (s->purpose == KD_FOR_CHECK) KD_TRY(kd_session_open_data(s));
  KD_TRY(kd_session_open_device(s));
  kd_session_setup(s);
  return kd_session_forecast(s, forecast);
}

kd_status kd_session_start(kd_session *s) {
  KD_TRY(kd_session_check_memory(s, &s->forecast));
  KD_TRY(kd_session_open_group(s));
  KD_TRY(kd_session_guard(s, kd_replica_create(&s->setup, &s->replica)));
  kd_replica_stats stats = kd_replica_get_stats(s->replica);
  KD_TRY(kd_comm_agree(s->comm, "plan", stats.plan_hash));
  uint64_t data = s->train.set ? s->train.set->fingerprint : s->test.set->fingerprint;
  KD_TRY(kd_comm_agree(s->comm, "data", data));
  return kd_session_start_weights(s);
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
  kd_device_group_close(s->group);
  if (s->device_open) kd_device_close(&s->device);
  if (s->comm) kd_comm_close(s->comm);
  kd_config_destroy(s->config);
}
