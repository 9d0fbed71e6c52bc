/* What one kd_fit, kd_evaluate, kd_predict works with: data, and a configuration with its own numbers. */
#include "api/net.h"
#include "device/base/log.h"

void kd_call_begin(kd_net *net, kd_purpose purpose, const char *function, kd_net_call *call) {
  const kd_session *s = &net->session;
  *call = (kd_net_call){.net = net, .config = *s->config};
  call->config.diag = call->config.context.diag = kd_diag_create();
  call->config.file = function;
  call->session = (kd_session){.purpose = purpose,
                               .pool = kd_pool_create(),
                               .config = &call->config,
                               .comm = s->comm,
                               .model = s->model};
}

static void adjust(void *context, kd_run_config *config) {
  kd_net_call *call = context;
  const kd_data *data = call->data[KD_DATA_TRAIN] ? call->data[KD_DATA_TRAIN] : call->data[KD_DATA_TEST];
  call->adjust(call->numbers, config);
  if (!data) return;
  kd_data_adjust(data, call->session.pool, config);
  config->data.origin = (kd_origin){call->config.file, 0};
}

kd_status kd_call_open(kd_net_call *call) {
  kd_session *s = &call->session;
  kd_diag *diag = call->config.diag;
  bool given = call->data[KD_DATA_TRAIN] || call->data[KD_DATA_TEST];
  call->maker = (kd_data_maker){.make = given ? kd_data_make : NULL, .adjust = adjust, .context = call};
  for (int part = 0; part < 3; part++) call->maker.present[part] = call->data[part] != NULL;
  s->maker = &call->maker;
  adjust(call, &call->config.run);
  KD_CHECK(given || call->config.run.data.format, KD_ERR_USAGE,
           "%s: data is NULL, and net %s has no [data] section", call->config.file, call->net->name);
  kd_session_check_ranks(s);
  KD_TRY(kd_diag_status(diag));
  KD_TRY(kd_session_open_data(s));
  for (size_t i = 0; i < diag->n_warnings; i++) kd_log(KD_LOG_WARNING, "%s", diag->warnings[i]);
  if (s->purpose != KD_FOR_PREDICTION) KD_TRY(kd_session_check_labels(s));
  const kd_session_data *first = s->train.set ? &s->train : &s->test;
  return kd_comm_agree(s->comm, "data", first->set->fingerprint);
}

void kd_call_end(kd_net_call *call) {
  kd_session_close_data(&call->session);
  kd_pool_destroy(call->session.pool);
  kd_diag_destroy(call->config.diag);
}
