/* From the net's text to a configuration and a model. */
#include <string.h>

#include "api/net.h"
#include "device/base/log.h"

enum { MAX_OVERRIDES = 16 };

typedef struct overrides {
  int count;
  const char *text[MAX_OVERRIDES];
} overrides;

static void set_text(kd_net *net, overrides *o, const char *key, const char *value) {
  if (value) o->text[o->count++] = kd_pool_printf(net->pool, "%s=%s", key, value);
}

static void set_int(kd_net *net, overrides *o, const char *key, int64_t value) {
  if (value) o->text[o->count++] = kd_pool_printf(net->pool, "%s=%lld", key, (long long)value);
}

static kd_status load(kd_net *net, const overrides *o, kd_session *s) {
  const char *file = net->source ? "model.ini" : net->name;
  KD_TRY(kd_runtime_join(&s->comm));
  kd_sources *sources = kd_sources_create(s->pool);
  kd_sources_add_text(sources, file, kd_net_text(net));
  kd_ini_request request = {.n_files = 1,
                            .files = &file,
                            .n_overrides = o->count,
                            .overrides = o->text,
                            .overrides_name = "kd_compile"};
  s->config = kd_config_load(&request, sources);
  KD_TRY(kd_comm_agree(s->comm, "model", kd_config_hash(s->config, &request)));
  s->model = kd_config_model(s->config);
  KD_TRY(kd_diag_status(s->config->diag));
  for (size_t i = 0; i < s->config->diag->n_warnings; i++)
    kd_log(KD_LOG_WARNING, "%s", s->config->diag->warnings[i]);
  KD_CHECK(s->model && s->model->n_outputs > 0, KD_ERR_USAGE,
           "%s: there is no model: add an input and layers", file);
  KD_CHECK(s->model->n_inputs <= KD_MAX_FIELDS && s->model->n_outputs <= KD_MAX_FIELDS, KD_ERR_USAGE,
           "%s: more than %d inputs or outputs", file, KD_MAX_FIELDS);
  kd_comm_set_timeout(s->comm, s->config->run.distributed.timeout);
  return kd_session_open_device(s);
}

static void close_session(kd_session *s) {
  kd_replica_destroy(s->replica);
  kd_model_destroy(s->model);
  kd_device_group_close(s->group);
  if (s->device_open) kd_device_close(&s->device);
  kd_config_destroy(s->config);
  kd_pool_destroy(s->pool);
  *s = (kd_session){0};
}

void kd_net_release(kd_net *net) {
  kd_step_release(net);
  close_session(&net->session);
  kd_pool_destroy(net->feed_pool);
  kd_pool_destroy(net->goal_pool);
  net->feed_pool = net->goal_pool = NULL;
  net->compiled = false;
  net->logs = (kd_net_logs){0};
}

static kd_status compile(kd_net *net, const overrides *o) {
  kd_session made = {.pool = kd_pool_create(), .purpose = KD_FOR_TRAINING};
  kd_status status = load(net, o, &made);
  if (status == KD_OK) status = kd_net_set_aside(net);
  if (status != KD_OK) {
    close_session(&made);
    return status;
  }
  kd_net_drop_slots(net);
  kd_net_release(net);
  net->session = made;
  net->compiled = true;
  net->iteration = net->epoch = 0;
  net->rate_set = false;
  return KD_OK;
}

static kd_status check_free(const kd_net *net, const char *function) {
  KD_CHECK(net, KD_ERR_USAGE, "%s: there is no net (NULL)", function);
  KD_TRY(kd_net_status(net));
  KD_CHECK(!net->running, KD_ERR_USAGE, "%s: net %s is in kd_fit, whose callbacks may not call this",
           function, net->name);
  return KD_OK;
}

kd_status kd_net_ready(kd_net *net, const char *function) {
  KD_TRY(check_free(net, function));
  return net->compiled ? KD_OK : compile(net, &(overrides){0});
}

kd_status kd_net_look(kd_net *net, const char *function) {
  return net && net->running ? KD_OK : kd_net_ready(net, function);
}

kd_status kd_compile_call(kd_compile_args args) {
  kd_net *net = args.net;
  KD_TRY(check_free(net, "kd_compile"));
  overrides o = {0};
  set_text(net, &o, "train.optimizer", args.optimizer);
  set_text(net, &o, "train.loss", args.loss);
  set_text(net, &o, "train.loss_weights", args.loss_weights);
  set_text(net, &o, "train.metrics", args.metrics);
  set_text(net, &o, "train.weighted_metrics", args.weighted_metrics);
  set_text(net, &o, "train.class_weight", args.class_weight);
  set_text(net, &o, "train.dtype_policy", args.dtype_policy);
  set_int(net, &o, "run.seed", args.seed);
  set_int(net, &o, "train.micro_batch", args.micro_batch);
  set_text(net, &o, "train.recompute", args.recompute);
  set_text(net, &o, "distributed.determinism", args.determinism);
  set_int(net, &o, "distributed.threads", args.threads);
  set_text(net, &o, "distributed.device", args.device);
  return compile(net, &o);
}

kd_status kd_net_params(kd_net *net, bool trainable, int64_t *count) {
  KD_TRY(kd_net_look(net, "kd_net_params"));
  *count = kd_model_count_params(net->session.model, trainable);
  return KD_OK;
}

kd_status kd_net_output_shape(kd_net *net, int output, int *rank, int64_t *shape) {
  KD_TRY(kd_net_look(net, "kd_net_output_shape"));
  const kd_model *model = net->session.model;
  KD_CHECK(output >= 0 && output < model->n_outputs, KD_ERR_USAGE, "net %s has %d outputs, not output %d",
           net->name, model->n_outputs, output);
  kd_tap tap = model->outputs[output].tap;
  const kd_shape *whole = &model->calls[tap.call]->output_shape[tap.output];
  *rank = whole->rank - 1;
  memcpy(shape, whole->dim + 1, (size_t)*rank * sizeof *shape);
  return KD_OK;
}
