/* kd_save_state, kd_load_state: what training has made and where it stands, as the checkpoints of `kdist fit`
 * hold it. Rank 0 writes and reads. */
#include <string.h>

#include "api/net.h"
#include "device/base/text.h"

/* Where training stands. */
typedef struct position {
  double step, epoch, rate;
  kd_loss_scale scale;
  bool slots; /* the file has some: training had begun */
} position;

typedef struct carrier {
  const kd_net *net;
  kd_snapshot *snapshot;
} carrier;

/* The name of a record of kd_net_saved. */
static const char *owner_of(const carrier *c, int part) {
  if (part == KD_SAVED_KEPT) return "kept";
  return kd_snapshot_part(c->snapshot->pool, &c->net->session.config->optimizer, part);
}

static const char *path_of(const kd_model *model, int part, int number) {
  return part == KD_SAVED_KEPT ? model->kept[number].path : model->weights[number].path;
}

static kd_shape shape_of(const kd_model *model, int part, int number) {
  if (part != KD_SAVED_KEPT) return model->weights[number].shape;
  return KD_SHAPE(kd_model_batch_size(model), model->kept[number].width);
}

/* --- writing --- */

static kd_status add_record(void *context, int part, int number, float *values) {
  const carrier *c = context;
  const kd_model *model = c->net->session.model;
  kd_snapshot_array(c->snapshot, owner_of(c, part), path_of(model, part, number),
                    (kd_tensor){KD_F32, shape_of(model, part, number), values});
  return KD_OK;
}

static kd_status write_state(kd_net *net, const kd_net_saved *weights, const kd_net_saved *slots,
                             const position *at, const char *folder) {
  const kd_config *config = net->session.config;
  kd_snapshot s = {.pool = kd_pool_create(), .checkpoint.step = (int64_t)at->step};
  carrier c = {net, &s};
  kd_status status = kd_saved_weights(net, weights, add_record, &c);
  if (status == KD_OK) status = kd_saved_slots(net, slots, add_record, &c);
  kd_snapshot_number(&s, "state", "iteration", at->step);
  kd_snapshot_number(&s, "state", "epoch", at->epoch);
  kd_snapshot_number(&s, "state", "rate", at->rate);
  if (config->optimizer.kind) {
    kd_snapshot_note(&s, "state", "optimizer", config->optimizer.kind->base.name);
    if (slots->slots) kd_snapshot_put_scale(&s, &config->optimizer, slots->scale);
  }
  if (status == KD_OK) status = kd_checkpoint_write(folder, &s.checkpoint, (int)config->run.train.keep);
  kd_pool_destroy(s.pool);
  return status;
}

/* In the hooks of kd_fit an epoch counts when its last batch is done. */
static bool between_epochs(const kd_trainer *t) {
  return t->batch == 0 || t->batch == t->steps || t->stop_training;
}

static position present(const kd_net *net) {
  const kd_trainer *t = net->running;
  if (t)
    return (position){
        .step = (double)t->iteration, .epoch = (double)(t->epoch + (t->batch > 0)), .rate = t->rate};
  return (position){.step = (double)net->iteration,
                    .epoch = (double)net->epoch,
                    .rate = net->session.config->optimizer.rate.constant};
}

kd_status kd_save_state(kd_net *net, const char *folder) {
  KD_TRY(kd_net_look(net, "kd_save_state"));
  KD_CHECK(folder && *folder, KD_ERR_USAGE, "kd_save_state: there is no folder");
  KD_CHECK(!net->running || between_epochs(net->running), KD_ERR_USAGE,
           "kd_save_state: in the middle of an epoch of kd_fit; call it in epoch_end, or use the callback "
           "BackupAndRestore(save_freq=...)");
  if (!net->running) KD_TRY(kd_net_prepare(net, NULL, false));
  kd_net_saved now = {0};
  const kd_net_saved *slots = kd_net_trains(net) ? &now : &net->saved;
  position at = present(net);
  KD_TRY(kd_net_take(net, &now));
  kd_status status = net->session.comm->rank == 0 ? write_state(net, &now, slots, &at, folder) : KD_OK;
  kd_saved_free(&now);
  return kd_comm_all_ok(net->session.comm, status);
}

/* --- reading --- */

static kd_status read_record(void *context, int part, int number, float *values) {
  const carrier *c = context;
  const kd_model *model = c->net->session.model;
  const char *owner = owner_of(c, part), *path = path_of(model, part, number);
  kd_shape shape = shape_of(model, part, number);
  char have[KD_SHAPE_TEXT], want[KD_SHAPE_TEXT];
  const kd_tensor *tensor = kd_snapshot_get_array(c->snapshot, owner, path);
  KD_CHECK(tensor && tensor->dtype == KD_F32, KD_ERR_USAGE, "it has no %s/%s, which net %s needs", owner,
           path, c->net->name);
  KD_CHECK(kd_shape_equal(&tensor->shape, &shape), KD_ERR_USAGE,
           "%s/%s has shape %s there, but net %s wants %s", owner, path, kd_shape_text(&tensor->shape, have),
           c->net->name, kd_shape_text(&shape, want));
  memcpy(values, tensor->data, (size_t)kd_shape_count(&shape) * sizeof *values);
  return KD_OK;
}

static kd_status check_optimizer(const kd_net *net, const kd_snapshot *s) {
  const kd_optimizer *optimizer = &net->session.config->optimizer;
  const char *was = kd_checkpoint_note(&s->checkpoint, "state/optimizer");
  KD_CHECK(!was || !optimizer->kind || kd_streq(was, optimizer->kind->base.name), KD_ERR_USAGE,
           "it was made with the optimizer %s, but net %s has %s", kd_quoted(was), net->name,
           optimizer->kind->base.name);
  return KD_OK;
}

/* Any slot will do: all are there, or none. */
static bool has_slots(const kd_snapshot *s) {
  for (int i = 0; i < s->checkpoint.n_records; i++)
    if (!strncmp(s->checkpoint.records[i].name, "slots/", 6)) return true;
  return false;
}

static kd_status take_records(const carrier *c, kd_net_saved *saved, position *at) {
  const kd_net *net = c->net;
  const kd_snapshot *s = c->snapshot;
  const kd_optimizer *optimizer = &net->session.config->optimizer;
  KD_TRY(check_optimizer(net, s));
  KD_TRY(kd_snapshot_get_number(s, "state", "iteration", &at->step));
  KD_TRY(kd_snapshot_get_number(s, "state", "epoch", &at->epoch));
  KD_TRY(kd_snapshot_get_number(s, "state", "rate", &at->rate));
  KD_TRY(kd_saved_weights(net, saved, read_record, (void *)(uintptr_t)c));
  at->slots = optimizer->kind && (at->step > 0 || has_slots(s));
  if (!at->slots) return KD_OK;
  KD_TRY(kd_snapshot_get_scale(s, optimizer, &at->scale));
  return kd_saved_slots(net, saved, read_record, (void *)(uintptr_t)c);
}

static kd_status read_state(const kd_net *net, const char *folder, kd_net_saved *saved, position *at) {
  kd_snapshot s = {.pool = kd_pool_create()};
  kd_checkpoint *checkpoint;
  const char *path;
  kd_status status = kd_checkpoint_read_newest(folder, s.pool, &checkpoint, &path);
  if (status == KD_OK && !checkpoint)
    status = kd_fail(KD_ERR_USAGE, "kd_load_state: %s holds no checkpoint", kd_quoted(folder));
  if (status == KD_OK) {
    s.checkpoint = *checkpoint;
    status = take_records(&(carrier){net, &s}, saved, at);
    if (status != KD_OK) status = kd_fail_context(status, "kd_load_state: %s", kd_quoted(path));
  }
  kd_pool_destroy(s.pool);
  return status;
}

/* The same on all ranks. */
static kd_status get_state(const kd_net *net, const char *folder, kd_net_saved *saved, position *at) {
  kd_comm *comm = net->session.comm;
  KD_TRY(kd_comm_all_ok(comm, kd_saved_alloc(net, true, saved)));
  KD_TRY(kd_comm_all_ok(comm, comm->rank == 0 ? read_state(net, folder, saved, at) : KD_OK));
  KD_TRY(kd_comm_broadcast(comm, at, sizeof *at));
  KD_TRY(kd_comm_broadcast(comm, saved->weights, saved->weights_bytes));
  return kd_comm_broadcast(comm, saved->slots, saved->slots_bytes);
}

kd_status kd_load_state(kd_net *net, const char *folder) {
  KD_TRY(kd_net_ready(net, "kd_load_state"));
  KD_CHECK(folder && *folder, KD_ERR_USAGE, "kd_load_state: there is no folder");
  kd_net_saved saved = {0};
  position at = {0};
  kd_status status = get_state(net, folder, &saved, &at);
  if (status != KD_OK) {
    kd_saved_free(&saved);
    return status;
  }
  kd_step_release(net);
  kd_replica_destroy(net->session.replica);
  net->session.replica = NULL;
  kd_saved_free(&net->saved);
  saved.scale = at.scale;
  net->saved = saved;
  if (!at.slots) kd_net_drop_slots(net);
  kd_rate *rate = &net->session.config->optimizer.rate;
  net->rate_set = net->rate_set || (!rate->schedule.kind && rate->constant != at.rate);
  if (!rate->schedule.kind) rate->constant = at.rate;
  net->iteration = (int64_t)at.step;
  net->epoch = (int64_t)at.epoch;
  net->began = true;
  return KD_OK;
}

kd_status kd_progress(const kd_net *net, int64_t *step, int64_t *epoch) {
  KD_CHECK(net && step && epoch, KD_ERR_USAGE, "kd_progress: net, step or epoch is NULL");
  position at = net->compiled ? present(net) : (position){0};
  *step = (int64_t)at.step;
  *epoch = (int64_t)at.epoch;
  return KD_OK;
}
