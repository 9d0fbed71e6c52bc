#include "trainer/trainer.h"

/* keras.callbacks.EarlyStopping: stops when a value has not improved for `patience` epochs. */
typedef struct options {
  const char *monitor;
  double min_delta;
  int64_t patience, verbose;
  int mode;
  double baseline;
  bool restore_best_weights;
  int64_t start_from_epoch;
} options;

static const kd_option table[] = {
    {.name = "monitor",
     .type = KD_OPT_TEXT,
     .offset = offsetof(options, monitor),
     .initial = "val_loss",
     .help = "value that is watched"},
    {.name = "min_delta",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(options, min_delta),
     .initial = "0",
     .help = "least change that counts"},
    {.name = "patience",
     .type = KD_OPT_INT,
     .offset = offsetof(options, patience),
     .initial = "0",
     .help = "epochs without improvement before stopping",
     .min = 0,
     .max = 1e9},
    {.name = "verbose",
     .type = KD_OPT_INT,
     .offset = offsetof(options, verbose),
     .initial = "0",
     .help = "1: say when it stops",
     .min = 0,
     .max = 2},
    {.name = "mode",
     .type = KD_OPT_CHOICE,
     .offset = offsetof(options, mode),
     .initial = "auto",
     .help = "direction of improvement",
     .choices = "auto|min|max"},
    {.name = "baseline",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(options, baseline),
     .initial = "none",
     .help = "value to beat",
     .flags = KD_OPT_NONE_OK},
    {.name = "restore_best_weights",
     .type = KD_OPT_BOOL,
     .offset = offsetof(options, restore_best_weights),
     .initial = "false",
     .help = "end with the weights of the best epoch"},
    {.name = "start_from_epoch",
     .type = KD_OPT_INT,
     .offset = offsetof(options, start_from_epoch),
     .initial = "0",
     .help = "epochs that are ignored first",
     .min = 0,
     .max = 1e9},
    {0},
};

typedef struct state {
  bool has_best;
  double best;
  int64_t wait, best_epoch, stopped_epoch;
  float **weights; /* of the best epoch, per weight; NULL: none */
} state;

static kd_status keep_weights(kd_callback *self, kd_trainer *t) {
  state *s = self->state;
  const kd_model *model = t->setup->model;
  if (!s->weights) {
    s->weights = kd_calloc((size_t)model->n_weights + 1, sizeof *s->weights);
    for (int w = 0; w < model->n_weights; w++)
      s->weights[w] = kd_calloc((size_t)model->weights[w].count, sizeof(float));
  }
  for (int w = 0; w < model->n_weights; w++)
    KD_TRY(kd_replica_get(t->replica, KD_PART_WEIGHT, w, s->weights[w]));
  return KD_OK;
}

/* The order of the tests is Keras's: the first value always counts as an improvement. */
static kd_status epoch_end(kd_callback *self, kd_trainer *t, int64_t epoch, kd_logs *logs) {
  const options *o = self->options;
  state *s = self->state;
  double value;
  if (!kd_monitor_value(self, t, logs, o->monitor, &value) || epoch < o->start_from_epoch) return KD_OK;
  int direction;
  KD_TRY(kd_monitor_direction(self, t, o->mode, o->monitor, &direction));
  if (o->restore_best_weights && !s->weights) {
    KD_TRY(keep_weights(self, t));
    s->best_epoch = epoch;
  }
  s->wait++;
  if (!s->has_best || kd_monitor_improved(direction, o->min_delta, value, s->best)) {
    s->has_best = true;
    s->best = value;
    s->best_epoch = epoch;
    if (o->restore_best_weights) KD_TRY(keep_weights(self, t));
    if (o->baseline == KD_UNSET_FLOAT || kd_monitor_improved(direction, o->min_delta, value, o->baseline))
      s->wait = 0;
    return KD_OK;
  }
  if (s->wait < o->patience || epoch == 0) return KD_OK;
  s->stopped_epoch = epoch;
  t->stop_training = true;
  return KD_OK;
}

static kd_status train_end(kd_callback *self, kd_trainer *t) {
  const options *o = self->options;
  state *s = self->state;
  if (s->stopped_epoch > 0 && o->verbose > 0)
    kd_report_message(t, "Epoch %lld: early stopping", (long long)s->stopped_epoch + 1);
  if (!o->restore_best_weights || !s->weights) return KD_OK;
  if (o->verbose > 0)
    kd_report_message(t, "Restoring model weights from the end of the best epoch: %lld.",
                      (long long)s->best_epoch + 1);
  for (int w = 0; w < t->setup->model->n_weights; w++)
    KD_TRY(kd_replica_put(t->replica, KD_PART_WEIGHT, w, s->weights[w]));
  return KD_OK;
}

static void save(kd_callback *self, kd_trainer *t, kd_snapshot *snapshot) {
  const state *s = self->state;
  kd_snapshot_number(snapshot, self->name, "has_best", (double)s->has_best);
  kd_snapshot_number(snapshot, self->name, "best", s->best);
  kd_snapshot_number(snapshot, self->name, "wait", (double)s->wait);
  kd_snapshot_number(snapshot, self->name, "best_epoch", (double)s->best_epoch);
  kd_snapshot_number(snapshot, self->name, "stopped_epoch", (double)s->stopped_epoch);
  const kd_model *model = t->setup->model;
  for (int w = 0; s->weights && w < model->n_weights; w++)
    kd_snapshot_array(snapshot, self->name, model->weights[w].path,
                      (kd_tensor){KD_F32, model->weights[w].shape, s->weights[w]});
}

static kd_status load(kd_callback *self, kd_trainer *t, const kd_snapshot *snapshot) {
  state *s = self->state;
  double has_best, wait, best_epoch, stopped_epoch;
  /* A callback that the checkpoint does not know starts anew: callbacks may be changed between runs. */
  if (!kd_snapshot_get_array(snapshot, self->name, "has_best")) return KD_OK;
  KD_TRY(kd_snapshot_get_number(snapshot, self->name, "has_best", &has_best));
  KD_TRY(kd_snapshot_get_number(snapshot, self->name, "best", &s->best));
  KD_TRY(kd_snapshot_get_number(snapshot, self->name, "wait", &wait));
  KD_TRY(kd_snapshot_get_number(snapshot, self->name, "best_epoch", &best_epoch));
  KD_TRY(kd_snapshot_get_number(snapshot, self->name, "stopped_epoch", &stopped_epoch));
  s->has_best = has_best != 0;
  s->wait = (int64_t)wait;
  s->best_epoch = (int64_t)best_epoch;
  s->stopped_epoch = (int64_t)stopped_epoch;
  const kd_model *model = t->setup->model;
  for (int w = 0; w < model->n_weights; w++) {
    const kd_tensor *tensor = kd_snapshot_get_array(snapshot, self->name, model->weights[w].path);
    if (!tensor) return KD_OK;
    if (!s->weights) KD_TRY(keep_weights(self, t));
    KD_CHECK(kd_shape_equal(&tensor->shape, &model->weights[w].shape), KD_ERR_USAGE,
             "the checkpoint's %s/%s has another shape than the model", self->name, model->weights[w].path);
    for (int64_t i = 0; i < model->weights[w].count; i++) s->weights[w][i] = ((const float *)tensor->data)[i];
  }
  return KD_OK;
}

static kd_status train_begin(kd_callback *self, kd_trainer *t) {
  state *s = self->state;
  s->stopped_epoch = 0;
  (void)t;
  return KD_OK;
}

static void release(kd_callback *self) {
  state *s = self->state;
  for (float **w = s->weights; w && *w; w++) kd_free(*w);
  kd_free(s->weights);
  s->weights = NULL;
}

const kd_callback_kind kd_callback_early_stopping = {
    .base = {.name = "EarlyStopping",
             .help = "stops when a value no longer improves",
             .options = table,
             .options_size = sizeof(options)},
    .state_size = sizeof(state),
    .train_begin = train_begin,
    .epoch_end = epoch_end,
    .train_end = train_end,
    .save = save,
    .load = load,
    .release = release,
};
