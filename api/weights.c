/* kd_save, kd_load, and weights in memory. */
#include <string.h>

#include "api/net.h"
#include "device/base/text.h"

/* In a hook of kd_fit what trains there is saved. */
static kd_status save(kd_net *net, const char *path) {
  const kd_session *s = &net->session;
  kd_trainer own = {.comm = s->comm,
                    .replica = s->replica,
                    .setup = &s->setup,
                    .iteration = net->iteration,
                    .opset = (int)s->config->run.exports.opset,
                    .rate = s->config->optimizer.rate.constant};
  kd_trainer trainer = net->running ? *net->running : own;
  kd_pool *pool = kd_pool_create();
  trainer.keras_config = kd_ends_with(path, ".keras") ? kd_session_keras_config(s, NULL, pool) : NULL;
  kd_status status = kd_comm_all_ok(s->comm, kd_trainer_save(&trainer, path));
  kd_pool_destroy(pool);
  return status;
}

/* The net has weights. */
static kd_status ready(kd_net *net, const char *function) {
  KD_TRY(kd_net_look(net, function));
  return net->running ? KD_OK : kd_net_prepare(net, NULL, false);
}

kd_status kd_save(kd_net *net, const char *path) {
  KD_TRY(ready(net, "kd_save"));
  KD_CHECK(path && *path, KD_ERR_USAGE, "kd_save: there is no path");
  return save(net, path);
}

kd_status kd_load(kd_net *net, const char *path) {
  KD_TRY(ready(net, "kd_load"));
  KD_CHECK(path && *path, KD_ERR_USAGE, "kd_load: there is no path");
  kd_session call = net->session;
  call.pool = kd_pool_create();
  kd_status status = kd_session_load_weights(&call, path);
  kd_pool_destroy(call.pool);
  return status;
}

static kd_status find(kd_net *net, const char *path, int *weight) {
  const kd_model *model = net->session.model;
  for (*weight = 0; *weight < model->n_weights; ++*weight)
    if (path && strcmp(model->weights[*weight].path, path) == 0) return KD_OK;
  return kd_fail(KD_ERR_USAGE, "net %s has no weight '%s'; its weights are named as %s", net->name,
                 kd_quoted(path ? path : ""), model->n_weights ? model->weights[0].path : "layers (none)");
}

kd_status kd_get_weight(kd_net *net, const char *path, float *values) {
  int weight;
  KD_TRY(ready(net, "kd_get_weight"));
  KD_TRY(find(net, path, &weight));
  KD_CHECK(values, KD_ERR_USAGE, "kd_get_weight: values is NULL");
  return kd_replica_get(net->session.replica, KD_PART_WEIGHT, weight, values);
}

kd_status kd_set_weight(kd_net *net, const char *path, const float *values) {
  int weight;
  KD_TRY(ready(net, "kd_set_weight"));
  KD_TRY(find(net, path, &weight));
  KD_CHECK(values, KD_ERR_USAGE, "kd_set_weight: values is NULL");
  return kd_replica_put(net->session.replica, KD_PART_WEIGHT, weight, values);
}

kd_status kd_net_weight(kd_net *net, int number, const char **path, int *rank, int64_t *shape) {
  KD_TRY(kd_net_look(net, "kd_net_weight"));
  const kd_model *model = net->session.model;
  KD_CHECK(number >= 0 && number < model->n_weights, KD_ERR_USAGE, "net %s has %d weights, not weight %d",
           net->name, model->n_weights, number);
  const kd_weight *w = &model->weights[number];
  *path = w->path;
  *rank = w->shape.rank;
  memcpy(shape, w->shape.dim, (size_t)w->shape.rank * sizeof *shape);
  return KD_OK;
}
