#include <math.h>

#include "device/base/text.h"
#include "trainer/trainer.h"

/* keras.callbacks.ReduceLROnPlateau: lowers the learning rate when a value stops improving. */
typedef struct options {
  const char *monitor;
  double factor;
  int64_t patience, verbose;
  int mode;
  double min_delta;
  int64_t cooldown;
  double min_lr;
} options;

static const kd_option table[] = {
    {.name = "monitor",
     .type = KD_OPT_TEXT,
     .offset = offsetof(options, monitor),
     .initial = "val_loss",
     .help = "value that is watched"},
    {.name = "factor",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(options, factor),
     .initial = "0.1",
     .help = "new rate = rate * factor",
     .min = 0,
     .max = 1,
     .flags = KD_OPT_OPEN_MAX},
    {.name = "patience",
     .type = KD_OPT_INT,
     .offset = offsetof(options, patience),
     .initial = "10",
     .help = "epochs without improvement before lowering",
     .min = 0,
     .max = 1e9},
    {.name = "verbose",
     .type = KD_OPT_INT,
     .offset = offsetof(options, verbose),
     .initial = "0",
     .help = "1: say when it lowers",
     .min = 0,
     .max = 2},
    {.name = "mode",
     .type = KD_OPT_CHOICE,
     .offset = offsetof(options, mode),
     .initial = "auto",
     .help = "direction of improvement",
     .choices = "auto|min|max"},
    {.name = "min_delta",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(options, min_delta),
     .initial = "1e-4",
     .help = "least change that counts"},
    {.name = "cooldown",
     .type = KD_OPT_INT,
     .offset = offsetof(options, cooldown),
     .initial = "0",
     .help = "epochs to wait after lowering",
     .min = 0,
     .max = 1e9},
    {.name = "min_lr",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(options, min_lr),
     .initial = "0.0",
     .help = "least rate",
     .min = 0,
     .max = 1e30},
    {0},
};

typedef struct state {
  bool has_best;
  double best;
  int64_t wait, cooldown;
} state;

static kd_status train_begin(kd_callback *self, kd_trainer *t) {
  KD_CHECK(!t->setup->optimizer->rate.schedule.kind, KD_ERR_USAGE,
           "callback %s (ReduceLROnPlateau) cannot change a learning rate that is a schedule (%s)",
           self->name, t->setup->optimizer->rate.schedule.kind->name);
  return KD_OK;
}

static void lower(const options *o, state *s, kd_trainer *t, int64_t epoch) {
  double old = (double)(float)t->rate;
  if (old <= (double)(float)o->min_lr) return;
  t->rate = fmax(old * o->factor, o->min_lr);
  char text[32];
  kd_format_float(t->rate, false, text);
  if (o->verbose > 0)
    kd_report_message(t, "Epoch %lld: ReduceLROnPlateau reducing learning rate to %s.", (long long)epoch + 1,
                      text);
  s->cooldown = o->cooldown;
  s->wait = 0;
}

static kd_status epoch_end(kd_callback *self, kd_trainer *t, int64_t epoch, kd_logs *logs) {
  const options *o = self->options;
  state *s = self->state;
  kd_logs_set(logs, "learning_rate", (double)(float)t->rate);
  double value;
  if (!kd_monitor_value(self, t, logs, o->monitor, &value)) return KD_OK;
  int direction;
  KD_TRY(kd_monitor_direction(self, t, o->mode, o->monitor, &direction));
  if (s->cooldown > 0) {
    s->cooldown--;
    s->wait = 0;
  }
  if (!s->has_best || kd_monitor_improved(direction, o->min_delta, value, s->best)) {
    s->has_best = true;
    s->best = value;
    s->wait = 0;
  } else if (s->cooldown == 0) {
    s->wait++;
    if (s->wait >= o->patience) lower(o, s, t, epoch);
  }
  return KD_OK;
}

static void save(kd_callback *self, kd_trainer *t, kd_snapshot *snapshot) {
  const state *s = self->state;
  (void)t;
  kd_snapshot_number(snapshot, self->name, "has_best", (double)s->has_best);
  kd_snapshot_number(snapshot, self->name, "best", s->best);
  kd_snapshot_number(snapshot, self->name, "wait", (double)s->wait);
  kd_snapshot_number(snapshot, self->name, "cooldown", (double)s->cooldown);
}

static kd_status load(kd_callback *self, kd_trainer *t, const kd_snapshot *snapshot) {
  state *s = self->state;
  double has_best, wait, cooldown;
  (void)t;
  if (!kd_snapshot_get_array(snapshot, self->name, "cooldown")) return KD_OK;
  KD_TRY(kd_snapshot_get_number(snapshot, self->name, "has_best", &has_best));
  KD_TRY(kd_snapshot_get_number(snapshot, self->name, "best", &s->best));
  KD_TRY(kd_snapshot_get_number(snapshot, self->name, "wait", &wait));
  KD_TRY(kd_snapshot_get_number(snapshot, self->name, "cooldown", &cooldown));
  s->has_best = has_best != 0;
  s->wait = (int64_t)wait;
  s->cooldown = (int64_t)cooldown;
  return KD_OK;
}

const kd_callback_kind kd_callback_plateau = {
    .base = {.name = "ReduceLROnPlateau",
             .help = "lowers the learning rate when a value no longer improves",
             .options = table,
             .options_size = sizeof(options)},
    .state_size = sizeof(state),
    .train_begin = train_begin,
    .epoch_end = epoch_end,
    .save = save,
    .load = load,
};
