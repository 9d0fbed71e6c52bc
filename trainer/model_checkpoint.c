#include <stdio.h>
#include <string.h>

#include "device/base/file.h"
#include "device/base/text.h"
#include "io/saved_model/export.h"
#include "trainer/path_format.h"
#include "trainer/trainer.h"

/* keras.callbacks.ModelCheckpoint: writes weights or the model at the end of epochs or every so many batches.
 */
typedef struct options {
  const char *filepath, *monitor;
  int64_t verbose;
  bool save_best_only, save_weights_only;
  int mode;
  const kd_value *save_freq;
  double initial_value_threshold;
} options;

static const kd_option table[] = {
    {.name = "filepath",
     .type = KD_OPT_TEXT,
     .offset = offsetof(options, filepath),
     .help = "file, a Python format string; relative to the run folder"},
    {.name = "monitor",
     .type = KD_OPT_TEXT,
     .offset = offsetof(options, monitor),
     .initial = "val_loss",
     .help = "value that is watched with save_best_only"},
    {.name = "verbose",
     .type = KD_OPT_INT,
     .offset = offsetof(options, verbose),
     .initial = "0",
     .help = "1: say when it saves",
     .min = 0,
     .max = 2},
    {.name = "save_best_only",
     .type = KD_OPT_BOOL,
     .offset = offsetof(options, save_best_only),
     .initial = "false",
     .help = "save only when the value is better than all before"},
    {.name = "save_weights_only",
     .type = KD_OPT_BOOL,
     .offset = offsetof(options, save_weights_only),
     .initial = "false",
     .help = "write .weights.h5, else the whole model as .keras, .onnx or FOLDER/ (a SavedModel)"},
    {.name = "mode",
     .type = KD_OPT_CHOICE,
     .offset = offsetof(options, mode),
     .initial = "auto",
     .help = "direction of improvement",
     .choices = "auto|min|max"},
    {.name = "save_freq",
     .type = KD_OPT_VALUE,
     .offset = offsetof(options, save_freq),
     .initial = "epoch",
     .help = "'epoch' or a number of batches"},
    {.name = "initial_value_threshold",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(options, initial_value_threshold),
     .initial = "none",
     .help = "value to beat at the start",
     .flags = KD_OPT_NONE_OK},
    {0},
};

typedef struct state {
  bool has_best;
  double best;
  int64_t batches; /* since the last save, across epochs */
} state;

static void check(const void *given, kd_diag *diag, kd_origin origin) {
  const options *o = given;
  bool right = o->save_weights_only
                   ? kd_ends_with(o->filepath, ".weights.h5")
                   : kd_ends_with(o->filepath, ".keras") || kd_ends_with(o->filepath, ".onnx") ||
                         kd_ends_with(o->filepath, KD_SAVED_MODEL_END);
  if (!right)
    kd_diag_error(
        diag, origin, "ModelCheckpoint: with save_weights_only=%s the filepath ends in %s (filepath is '%s')",
        o->save_weights_only ? "true" : "false",
        o->save_weights_only ? ".weights.h5" : ".keras, .onnx or / (a SavedModel)", kd_quoted(o->filepath));
  bool epoch = o->save_freq->type == KD_V_TEXT && strcmp(o->save_freq->text, "epoch") == 0;
  if (!epoch && !(o->save_freq->type == KD_V_INT && o->save_freq->integer > 0))
    kd_diag_error(diag, origin, "ModelCheckpoint: save_freq is 'epoch' or a number of batches above 0");
}

static bool by_epoch(const options *o) {
  return o->save_freq->type == KD_V_TEXT;
}

static kd_status write_file(kd_trainer *t, const char *name) {
  kd_pool *pool = kd_pool_create();
  const char *path = kd_path_join(pool, t->fit->run_folder, name);
  kd_status status = t->comm->rank == 0 ? kd_make_folder_of(path) : KD_OK;
  if (status == KD_OK) status = kd_trainer_save(t, path);
  kd_pool_destroy(pool);
  return status;
}

/* Whether the monitored value is the best so far; a missing one is saved, as Keras does. */
static kd_status is_wanted(kd_callback *self, kd_trainer *t, int64_t epoch, const kd_logs *logs,
                           const char *name, bool *wanted) {
  const options *o = self->options;
  state *s = self->state;
  double value;
  char before[32] = "None";
  *wanted = true;
  if (!o->save_best_only || !kd_monitor_value(self, t, logs, o->monitor, &value)) {
    if (o->verbose > 0 && !o->save_best_only)
      kd_report_message(t, "Epoch %lld: saving model to %s", (long long)epoch + 1, name);
    return KD_OK;
  }
  int direction;
  KD_TRY(kd_monitor_direction(self, t, o->mode, o->monitor, &direction));
  if (!s->has_best && o->initial_value_threshold != KD_UNSET_FLOAT) {
    s->has_best = true;
    s->best = o->initial_value_threshold;
  }
  if (s->has_best) snprintf(before, sizeof before, "%.5f", s->best);
  *wanted = !s->has_best || kd_monitor_improved(direction, 0, value, s->best);
  if (*wanted) {
    s->has_best = true;
    s->best = value;
  }
  if (o->verbose > 0 && *wanted)
    kd_report_message(t, "Epoch %lld: %s improved from %s to %.5f, saving model to %s", (long long)epoch + 1,
                      o->monitor, before, value, name);
  else if (o->verbose > 0)
    kd_report_message(t, "Epoch %lld: %s did not improve from %s", (long long)epoch + 1, o->monitor, before);
  return KD_OK;
}

static kd_status consider(kd_callback *self, kd_trainer *t, int64_t epoch, const kd_logs *logs) {
  const options *o = self->options;
  kd_pool *pool = kd_pool_create();
  const char *name;
  bool wanted = false;
  kd_status status = kd_path_format(pool, o->filepath, epoch + 1, t->batch, logs, &name);
  if (status == KD_OK) status = is_wanted(self, t, epoch, logs, name, &wanted);
  if (status == KD_OK && wanted) status = write_file(t, name);
  kd_pool_destroy(pool);
  return status;
}

static bool watches(const kd_callback *self) {
  const options *o = self->options;
  const state *s = self->state;
  return !by_epoch(o) && s->batches + 1 >= o->save_freq->integer;
}

static kd_status batch_end(kd_callback *self, kd_trainer *t, int64_t batch) {
  const options *o = self->options;
  state *s = self->state;
  bool due = watches(self);
  (void)batch;
  s->batches += !by_epoch(o);
  if (!due) return KD_OK;
  s->batches = 0;
  return consider(self, t, t->epoch, &t->logs);
}

static kd_status epoch_end(kd_callback *self, kd_trainer *t, int64_t epoch, kd_logs *logs) {
  const options *o = self->options;
  return by_epoch(o) ? consider(self, t, epoch, logs) : KD_OK;
}

static void save(kd_callback *self, kd_trainer *t, kd_snapshot *snapshot) {
  const state *s = self->state;
  (void)t;
  kd_snapshot_number(snapshot, self->name, "has_best", (double)s->has_best);
  kd_snapshot_number(snapshot, self->name, "best", s->best);
  kd_snapshot_number(snapshot, self->name, "batches", (double)s->batches);
}

static kd_status load(kd_callback *self, kd_trainer *t, const kd_snapshot *snapshot) {
  state *s = self->state;
  double has_best, batches;
  (void)t;
  if (!kd_snapshot_get_array(snapshot, self->name, "batches")) return KD_OK;
  KD_TRY(kd_snapshot_get_number(snapshot, self->name, "has_best", &has_best));
  KD_TRY(kd_snapshot_get_number(snapshot, self->name, "best", &s->best));
  KD_TRY(kd_snapshot_get_number(snapshot, self->name, "batches", &batches));
  s->has_best = has_best != 0;
  s->batches = (int64_t)batches;
  return KD_OK;
}

const kd_callback_kind kd_callback_model_checkpoint = {
    .base = {.name = "ModelCheckpoint",
             .help = "writes weights or the model while training",
             .options = table,
             .options_size = sizeof(options),
             .check = check},
    .state_size = sizeof(state),
    .batch_end = batch_end,
    .watches = watches,
    .epoch_end = epoch_end,
    .save = save,
    .load = load,
};
