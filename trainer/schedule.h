/* Learning-rate schedules (keras.optimizers.schedules): pure functions of the step. */
#ifndef KD_SCHEDULE_H
#define KD_SCHEDULE_H

#include "device/base/option.h"

typedef struct kd_schedule_kind {
  kd_kind base;
  /* The rate at `step`, counted from 0 (micro-steps when accumulating, as Keras counts). */
  double (*at)(const void *options, double step);
} kd_schedule_kind;

extern const kd_family kd_schedule_family;

/* A rate that is a number or a schedule: an option of type KD_OPT_VALUE read by kd_rate_make. */
typedef struct kd_rate {
  double constant;
  kd_object schedule; /* kind NULL: constant */
} kd_rate;

/* value: a number > 0 or = 0, or a schedule call. Errors go to diag. */
bool kd_rate_make(kd_pool *pool, kd_diag *diag, const kd_value *value, kd_rate *rate);
double kd_rate_at(const kd_rate *rate, int64_t step);

#endif
