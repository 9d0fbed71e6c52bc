#include "device/base/text.h"
#include "trainer/trainer.h"

/* keras.callbacks.LearningRateScheduler with a schedule of the epoch, counted from 0. */
typedef struct options {
  kd_object schedule;
  int64_t verbose;
} options;

static const kd_option table[] = {
    {.name = "schedule",
     .type = KD_OPT_OBJECT,
     .offset = offsetof(options, schedule),
     .help = "a learning-rate schedule that gets the epoch in place of the step",
     .family = &kd_schedule_family},
    {.name = "verbose",
     .type = KD_OPT_INT,
     .offset = offsetof(options, verbose),
     .initial = "0",
     .help = "1: say the rate at each epoch",
     .min = 0,
     .max = 2},
    {0},
};

static kd_status train_begin(kd_callback *self, kd_trainer *t) {
  KD_CHECK(!t->setup->optimizer->rate.schedule.kind, KD_ERR_USAGE,
           "callback %s (LearningRateScheduler) cannot change a learning rate that is a schedule (%s)",
           self->name, t->setup->optimizer->rate.schedule.kind->name);
  return KD_OK;
}

static kd_status epoch_begin(kd_callback *self, kd_trainer *t, int64_t epoch) {
  const options *o = self->options;
  const kd_schedule_kind *kind = (const kd_schedule_kind *)o->schedule.kind;
  t->rate = kind->at(o->schedule.options, (double)epoch);
  char text[32];
  kd_format_float(t->rate, false, text);
  if (o->verbose > 0)
    kd_report_message(t, "Epoch %lld: LearningRateScheduler setting learning rate to %s.",
                      (long long)epoch + 1, text);
  return KD_OK;
}

static kd_status epoch_end(kd_callback *self, kd_trainer *t, int64_t epoch, kd_logs *logs) {
  (void)self, (void)epoch;
  kd_logs_set(logs, "learning_rate", (double)(float)t->rate);
  return KD_OK;
}

const kd_callback_kind kd_callback_rate_scheduler = {
    .base = {.name = "LearningRateScheduler",
             .help = "sets the learning rate at each epoch",
             .options = table,
             .options_size = sizeof(options)},
    .train_begin = train_begin,
    .epoch_begin = epoch_begin,
    .epoch_end = epoch_end,
};
