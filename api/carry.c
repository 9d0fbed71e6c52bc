/* What training has made, in host memory: on its way from one replica to the next, or between net and file.
 * Slots may have to wait: a replica that only predicts has none. */
#include "api/net.h"

int kd_saved_parts(const kd_net *net) {
  const kd_optimizer *optimizer = &net->session.config->optimizer;
  return optimizer->kind ? kd_optimizer_parts(optimizer) : 0;
}

static size_t kept_count(const kd_model *model, int number) {
  return (size_t)(kd_model_batch_size(model) * model->kept[number].width);
}

static kd_status alloc(size_t floats, float **values, size_t *bytes) {
  void *block;
  *bytes = floats * sizeof(float);
  KD_TRY(kd_large_alloc(*bytes, &block));
  *values = block;
  return KD_OK;
}

kd_status kd_saved_alloc(const kd_net *net, bool slots, kd_net_saved *saved) {
  const kd_model *model = net->session.model;
  size_t weights = 0, trained = 0;
  for (int w = 0; w < model->n_weights; w++) {
    weights += (size_t)model->weights[w].count;
    if (model->weights[w].trainable) trained += (size_t)model->weights[w].count;
  }
  for (int k = 0; k < model->n_kept; k++) weights += kept_count(model, k);
  KD_TRY(alloc(weights, &saved->weights, &saved->weights_bytes));
  return slots ? alloc(trained * (size_t)kd_saved_parts(net), &saved->slots, &saved->slots_bytes) : KD_OK;
}

void kd_saved_free(kd_net_saved *saved) {
  kd_large_free(saved->weights, saved->weights_bytes);
  kd_large_free(saved->slots, saved->slots_bytes);
  *saved = (kd_net_saved){0};
}

kd_status kd_saved_weights(const kd_net *net, const kd_net_saved *saved, kd_saved_visit visit,
                           void *context) {
  const kd_model *model = net->session.model;
  float *at = saved->weights;
  for (int w = 0; w < model->n_weights; at += model->weights[w++].count)
    KD_TRY(visit(context, KD_PART_WEIGHT, w, at));
  for (int k = 0; k < model->n_kept; at += kept_count(model, k++))
    KD_TRY(visit(context, KD_SAVED_KEPT, k, at));
  return KD_OK;
}

kd_status kd_saved_slots(const kd_net *net, const kd_net_saved *saved, kd_saved_visit visit, void *context) {
  const kd_model *model = net->session.model;
  float *at = saved->slots;
  for (int w = 0; at && w < model->n_weights; w++)
    for (int part = 0; model->weights[w].trainable && part < kd_saved_parts(net); part++) {
      KD_TRY(visit(context, part, w, at));
      at += model->weights[w].count;
    }
  return KD_OK;
}

/* --- between replica and memory --- */

static kd_status get(void *context, int part, int number, float *values) {
  const kd_session *s = context;
  if (part != KD_SAVED_KEPT) return kd_replica_get(s->replica, part, number, values);
  KD_TRY(kd_replica_get_kept(s->replica, number, values));
  return kd_comm_broadcast(s->comm, values, kept_count(s->model, number) * sizeof *values);
}

static kd_status put(void *context, int part, int number, float *values) {
  const kd_session *s = context;
  if (part != KD_SAVED_KEPT) return kd_replica_put(s->replica, part, number, values);
  kd_replica_put_kept(s->replica, number, values);
  return KD_OK;
}

bool kd_net_trains(const kd_net *net) {
  return net->session.replica && net->session.setup.optimizer;
}

kd_status kd_net_take(kd_net *net, kd_net_saved *saved) {
  kd_session *s = &net->session;
  bool trains = kd_net_trains(net);
  kd_status status = kd_saved_alloc(net, trains, saved);
  if (status == KD_OK) status = kd_saved_weights(net, saved, get, s);
  if (status == KD_OK) status = kd_saved_slots(net, saved, get, s);
  if (status == KD_OK && trains) saved->scale = kd_replica_loss_scale(s->replica);
  if (status != KD_OK) kd_saved_free(saved);
  return status;
}

kd_status kd_net_set_aside(kd_net *net) {
  kd_session *s = &net->session;
  kd_net_saved now = {0};
  if (!s->replica) return KD_OK;
  KD_TRY(kd_net_take(net, &now));
  if (!kd_net_trains(net)) {
    now.slots = net->saved.slots;
    now.slots_bytes = net->saved.slots_bytes;
    now.scale = net->saved.scale;
    net->saved.slots = NULL;
  }
  kd_saved_free(&net->saved);
  net->saved = now;
  kd_replica_destroy(s->replica);
  s->replica = NULL;
  return KD_OK;
}

void kd_net_drop_slots(kd_net *net) {
  kd_large_free(net->saved.slots, net->saved.slots_bytes);
  net->saved.slots = NULL;
  net->saved.slots_bytes = 0;
}

static kd_status put_slots(kd_net *net) {
  kd_session *s = &net->session;
  if (!net->saved.slots || !kd_net_trains(net)) return KD_OK;
  KD_TRY(kd_saved_slots(net, &net->saved, put, s));
  if (s->setup.optimizer->scaling.dynamic) KD_TRY(kd_replica_set_loss_scale(s->replica, net->saved.scale));
  kd_net_drop_slots(net);
  return KD_OK;
}

kd_status kd_net_restore(kd_net *net) {
  kd_net_saved *saved = &net->saved;
  KD_TRY(kd_saved_weights(net, saved, put, &net->session));
  kd_large_free(saved->weights, saved->weights_bytes);
  saved->weights = NULL;
  saved->weights_bytes = 0;
  return put_slots(net);
}
