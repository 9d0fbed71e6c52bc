#include <math.h>
#include <string.h>

#include "device/base/log.h"
#include "trainer/trainer.h"

/* --- building and reading snapshots --- */

static const char *full_name(kd_pool *pool, const char *owner, const char *name) {
  return kd_pool_printf(pool, "%s/%s", owner, name);
}

void kd_snapshot_array(kd_snapshot *s, const char *owner, const char *name, kd_tensor tensor) {
  kd_checkpoint *c = &s->checkpoint;
  c->records =
      kd_pool_grow(s->pool, c->records, (size_t)c->n_records, &s->record_capacity, sizeof *c->records);
  c->records[c->n_records++] = (kd_record){full_name(s->pool, owner, name), tensor};
}

void kd_snapshot_number(kd_snapshot *s, const char *owner, const char *name, double value) {
  double *copy = kd_pool_alloc(s->pool, 1, sizeof *copy);
  *copy = value;
  kd_snapshot_array(s, owner, name, (kd_tensor){KD_F64, KD_SCALAR, copy});
}

void kd_snapshot_note(kd_snapshot *s, const char *owner, const char *name, const char *text) {
  kd_checkpoint *c = &s->checkpoint;
  c->notes = kd_pool_grow(s->pool, c->notes, (size_t)c->n_notes, &s->note_capacity, sizeof *c->notes);
  c->notes[c->n_notes++] = (kd_note){full_name(s->pool, owner, name), kd_pool_strdup(s->pool, text)};
}

const kd_tensor *kd_snapshot_get_array(const kd_snapshot *s, const char *owner, const char *name) {
  const kd_record *record = kd_checkpoint_record(&s->checkpoint, full_name(s->pool, owner, name));
  return record ? &record->tensor : NULL;
}

kd_status kd_snapshot_get_number(const kd_snapshot *s, const char *owner, const char *name, double *value) {
  const kd_tensor *tensor = kd_snapshot_get_array(s, owner, name);
  KD_CHECK(tensor && tensor->dtype == KD_F64 && tensor->shape.rank == 0, KD_ERR_USAGE,
           "the checkpoint lacks %s/%s: it belongs to another configuration", owner, name);
  memcpy(value, tensor->data, sizeof *value);
  return KD_OK;
}

/* --- weights and slots --- */

const char *kd_snapshot_part(kd_pool *pool, const kd_optimizer *optimizer, int part) {
  if (part == KD_PART_WEIGHT) return "weights";
  return kd_pool_printf(pool, "slots/%s",
                        part < optimizer->n_slots ? optimizer->slot_name[part] : "accumulated");
}

static kd_status save_weights(kd_trainer *t, kd_snapshot *s) {
  const kd_model *model = t->setup->model;
  for (int part = KD_PART_WEIGHT; part < kd_optimizer_parts(t->setup->optimizer); part++) {
    for (int w = 0; w < model->n_weights; w++) {
      const kd_weight *weight = &model->weights[w];
      if (part != KD_PART_WEIGHT && !weight->trainable) continue;
      kd_tensor tensor;
      KD_TRY(kd_replica_save(t->replica, s->pool, part, w, &tensor));
      kd_snapshot_array(s, kd_snapshot_part(s->pool, t->setup->optimizer, part), weight->path, tensor);
    }
  }
  return KD_OK;
}

static kd_status load_weights(kd_trainer *t, const kd_snapshot *s) {
  const kd_model *model = t->setup->model;
  for (int part = KD_PART_WEIGHT; part < kd_optimizer_parts(t->setup->optimizer); part++) {
    for (int w = 0; w < model->n_weights; w++) {
      const kd_weight *weight = &model->weights[w];
      if (part != KD_PART_WEIGHT && !weight->trainable) continue;
      const char *owner = kd_snapshot_part(s->pool, t->setup->optimizer, part);
      const kd_tensor *tensor = kd_snapshot_get_array(s, owner, weight->path);
      KD_CHECK(tensor, KD_ERR_USAGE, "the checkpoint lacks %s/%s", owner, weight->path);
      kd_status status = kd_replica_load(t->replica, part, w, tensor);
      if (status != KD_OK) return kd_fail_context(status, "the checkpoint's %s/%s", owner, weight->path);
    }
  }
  return KD_OK;
}

/* --- what stateful layers keep --- */

static kd_tensor kept_tensor(const kd_trainer *t, int number, float *values) {
  const kd_model *model = t->setup->model;
  return (kd_tensor){KD_F32, KD_SHAPE(kd_model_batch_size(model), model->kept[number].width), values};
}

/* Rank 0 gathers the rows of all. */
static kd_status save_kept(kd_trainer *t, kd_snapshot *s) {
  const kd_model *model = t->setup->model;
  for (int i = 0; i < model->n_kept; i++) {
    int64_t count = kd_model_batch_size(model) * model->kept[i].width;
    float *values = kd_pool_alloc(s->pool, t->comm->rank == 0 ? (size_t)count : 1, sizeof *values);
    KD_TRY(kd_replica_get_kept(t->replica, i, values));
    kd_snapshot_array(s, "kept", model->kept[i].path, kept_tensor(t, i, values));
  }
  return KD_OK;
}

static kd_status load_kept(kd_trainer *t, const kd_snapshot *s) {
  const kd_model *model = t->setup->model;
  for (int i = 0; i < model->n_kept; i++) {
    kd_tensor wanted = kept_tensor(t, i, NULL);
    const kd_tensor *tensor = kd_snapshot_get_array(s, "kept", model->kept[i].path);
    KD_CHECK(tensor && tensor->dtype == KD_F32 && kd_shape_equal(&tensor->shape, &wanted.shape), KD_ERR_USAGE,
             "the checkpoint lacks kept/%s in the shape that the model has", model->kept[i].path);
    kd_replica_put_kept(t->replica, i, tensor->data);
  }
  return KD_OK;
}

/* --- totals and history --- */

static kd_tensor doubles(double *values, int64_t count) {
  return (kd_tensor){KD_F64, KD_SHAPE(count), values};
}

static void save_progress(kd_trainer *t, kd_snapshot *s, bool complete) {
  const struct {
    const char *name;
    double value;
  } numbers[] = {{"epoch", (double)t->epoch},
                 {"batch", (double)t->batch},
                 {"iteration", (double)t->iteration},
                 {"rate", t->rate},
                 {"stop", (double)t->stop_training},
                 {"diverged", (double)t->diverged},
                 {"complete", (double)complete},
                 {"rows", t->totals.rows},
                 {"loss", t->totals.loss},
                 {"first_epoch", (double)t->history.first_epoch},
                 {"epochs_logged", (double)t->history.n_epochs}};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    kd_snapshot_number(s, "state", numbers[i].name, numbers[i].value);
  const kd_objective *objective = t->setup->objective;
  kd_snapshot_array(s, "state", "output_loss", doubles(t->totals.output_loss, objective->n_outputs));
  kd_snapshot_array(s, "state", "metrics", doubles(t->totals.state, objective->n_logged));
  kd_history_save(&t->history, s);
}

void kd_snapshot_put_scale(kd_snapshot *s, const kd_optimizer *optimizer, kd_loss_scale scale) {
  if (!optimizer->scaling.dynamic) return;
  kd_snapshot_number(s, "loss_scale", "scale", scale.scale);
  kd_snapshot_number(s, "loss_scale", "good_steps", (double)scale.good_steps);
  kd_snapshot_number(s, "loss_scale", "skipped", (double)scale.skipped);
}

kd_status kd_snapshot_get_scale(const kd_snapshot *s, const kd_optimizer *optimizer, kd_loss_scale *scale) {
  double good, skipped;
  if (!optimizer->scaling.dynamic) return KD_OK;
  KD_TRY(kd_snapshot_get_number(s, "loss_scale", "scale", &scale->scale));
  KD_TRY(kd_snapshot_get_number(s, "loss_scale", "good_steps", &good));
  KD_TRY(kd_snapshot_get_number(s, "loss_scale", "skipped", &skipped));
  scale->good_steps = (int64_t)good;
  scale->skipped = (int64_t)skipped;
  return KD_OK;
}

static kd_status load_loss_scale(kd_trainer *t, const kd_snapshot *s) {
  kd_loss_scale scale = {0};
  KD_TRY(kd_snapshot_get_scale(s, t->setup->optimizer, &scale));
  return t->setup->optimizer->scaling.dynamic ? kd_replica_set_loss_scale(t->replica, scale) : KD_OK;
}

static kd_status load_doubles(const kd_snapshot *s, const char *name, double *values, int64_t count) {
  const kd_tensor *tensor = kd_snapshot_get_array(s, "state", name);
  KD_CHECK(tensor && tensor->dtype == KD_F64 && kd_shape_count(&tensor->shape) == count, KD_ERR_USAGE,
           "the checkpoint's state/%s does not fit this configuration's losses and metrics", name);
  memcpy(values, tensor->data, (size_t)count * sizeof *values);
  return KD_OK;
}

static kd_status load_progress(kd_trainer *t, const kd_snapshot *s, bool *complete) {
  double epoch, batch, iteration, stop, diverged, done, first, logged;
  KD_TRY(kd_snapshot_get_number(s, "state", "epoch", &epoch));
  KD_TRY(kd_snapshot_get_number(s, "state", "batch", &batch));
  KD_TRY(kd_snapshot_get_number(s, "state", "iteration", &iteration));
  KD_TRY(kd_snapshot_get_number(s, "state", "rate", &t->rate));
  KD_TRY(kd_snapshot_get_number(s, "state", "stop", &stop));
  KD_TRY(kd_snapshot_get_number(s, "state", "diverged", &diverged));
  KD_TRY(kd_snapshot_get_number(s, "state", "complete", &done));
  KD_TRY(kd_snapshot_get_number(s, "state", "first_epoch", &first));
  KD_TRY(kd_snapshot_get_number(s, "state", "epochs_logged", &logged));
  KD_TRY(kd_snapshot_get_number(s, "state", "rows", &t->totals.rows));
  KD_TRY(kd_snapshot_get_number(s, "state", "loss", &t->totals.loss));
  const kd_objective *objective = t->setup->objective;
  KD_TRY(load_doubles(s, "output_loss", t->totals.output_loss, objective->n_outputs));
  KD_TRY(load_doubles(s, "metrics", t->totals.state, objective->n_logged));
  t->epoch = (int64_t)epoch;
  t->batch = (int64_t)batch;
  t->iteration = (int64_t)iteration;
  t->stop_training = stop != 0;
  t->diverged = diverged != 0;
  /* More epochs than the finished run had: it goes on. */
  *complete = done != 0 && (t->stop_training || t->epoch >= t->fit->epochs);
  t->history.first_epoch = (int64_t)first;
  return kd_history_load(t->pool, &t->history, s, logged);
}

/* --- writing and restoring --- */

static kd_status fill(kd_trainer *t, kd_snapshot *s, bool complete) {
  s->checkpoint.step = t->iteration;
  KD_TRY(save_weights(t, s));
  save_progress(t, s, complete);
  kd_snapshot_put_scale(s, t->setup->optimizer, kd_replica_loss_scale(t->replica));
  kd_snapshot_note(s, "state", "optimizer", t->setup->optimizer->kind->base.name);
  kd_snapshot_note(s, "run", "identity", t->fit->identity);
  for (int i = 0; i < t->fit->n_callbacks; i++) {
    kd_callback *callback = &t->fit->callbacks[i];
    if (callback->kind->save) callback->kind->save(callback, t, s);
  }
  return KD_OK;
}

kd_status kd_trainer_checkpoint(kd_trainer *t, bool complete) {
  if (!t->fit->checkpoint_folder) return KD_OK;
  kd_snapshot snapshot = {.pool = kd_pool_create()};
  kd_status status = save_kept(t, &snapshot);
  if (status == KD_OK && t->writer) status = fill(t, &snapshot, complete);
  if (status == KD_OK && t->writer) status = kd_checkpoint_writer_post(t->writer, &snapshot.checkpoint);
  kd_pool_destroy(snapshot.pool);
  return status;
}

/* Both texts have one fact a line; the first line that differs is shown. */
static kd_status compare_identity(const char *was, const char *is) {
  const char *old_line = was, *new_line = is;
  for (; *was && *was == *is; was++, is++) {
    if (*was != '\n') continue;
    old_line = was + 1;
    new_line = is + 1;
  }
  if (!*was && !*is) return KD_OK;
  return kd_fail(KD_ERR_USAGE,
                 "this run cannot be continued with other settings: the checkpoint was made with\n  "
                 "%.*s\nbut now it is\n"
                 "  %.*s\nuse the old settings, or --overwrite to start anew",
                 (int)strcspn(old_line, "\n"), old_line, (int)strcspn(new_line, "\n"), new_line);
}

static kd_status restore(kd_trainer *t, kd_snapshot *s, bool *complete) {
  const char *identity = kd_checkpoint_note(&s->checkpoint, "run/identity");
  KD_CHECK(identity, KD_ERR_USAGE, "the checkpoint does not say which run it belongs to");
  KD_TRY(compare_identity(identity, t->fit->identity));
  KD_TRY(load_weights(t, s));
  KD_TRY(load_kept(t, s));
  KD_TRY(load_progress(t, s, complete));
  KD_TRY(load_loss_scale(t, s));
  for (int i = 0; i < t->fit->n_callbacks; i++) {
    kd_callback *callback = &t->fit->callbacks[i];
    if (callback->kind->load) KD_TRY(callback->kind->load(callback, t, s));
  }
  return KD_OK;
}

/* Every rank reads the file: it holds nothing of a rank, and all stand on the same file system. */
kd_status kd_trainer_restore(kd_trainer *t, bool *found, bool *complete) {
  *found = *complete = false;
  if (!t->fit->restore_folder) return KD_OK;
  kd_snapshot snapshot = {.pool = kd_pool_create()};
  kd_checkpoint *checkpoint = NULL;
  const char *path = NULL;
  kd_status status = kd_checkpoint_read_newest(t->fit->restore_folder, snapshot.pool, &checkpoint, &path);
  if (status == KD_OK && checkpoint) {
    snapshot.checkpoint = *checkpoint;
    status = restore(t, &snapshot, complete);
    *found = status == KD_OK;
    if (status != KD_OK) status = kd_fail_context(status, "%s", path);
  }
  kd_pool_destroy(snapshot.pool);
  status = kd_comm_all_ok(t->comm, status);
  if (status != KD_OK) return status;
  return kd_comm_agree(t->comm, "checkpoint that is continued", (uint64_t)t->iteration);
}
