#include <math.h>

#include "trainer/moments.h"

/* ScheduleFreeAdamW (Defazio et al., 2024), as keras.optimizers.ScheduleFreeAdamW. The weights are y, between
 * the slow average x and the place z where gradients are applied (slot "momentum"):
 *   v as Adam;  z -= rate g / (sqrt(v / (1 - b2^t)) + epsilon)
 *   x = (y - (1 - b1) z_before) / b1;  x += (z - x) / t;  y = (1 - b1) z + b1 x
 * where the rate grows over the first warmup_steps. Before the first update z is the weights. */
typedef struct schedule_free_options {
  kd_optimizer_common common;
  double beta_1, beta_2, epsilon;
  int64_t warmup_steps;
} schedule_free_options;

static const kd_option table[] = {KD_OPTIMIZER_RATE(schedule_free_options, "0.0025"),
                                  KD_OPTIMIZER_NUMBER(schedule_free_options, beta_1, "0.9",
                                                      "share of the average in the weights", 0, 1,
                                                      KD_OPT_OPEN_MIN),
                                  KD_OPTIMIZER_NUMBER(schedule_free_options, beta_2, "0.999",
                                                      "decay of the mean square", 0, 1, KD_OPT_OPEN_MAX),
                                  KD_OPTIMIZER_NUMBER(schedule_free_options, epsilon, "1e-8",
                                                      "added to the divisor", 0, 1, KD_OPT_OPEN_MIN),
                                  {.name = "warmup_steps",
                                   .type = KD_OPT_INT,
                                   .offset = offsetof(schedule_free_options, warmup_steps),
                                   .initial = "0",
                                   .help = "updates over which the rate grows to its value",
                                   .min = 0,
                                   .max = 1e15},
                                  KD_OPTIMIZER_COMMON(schedule_free_options, "none"),
                                  {0}};

static void values(const void *options, double rate, int64_t t, float *value) {
  const schedule_free_options *o = options;
  double warm = o->warmup_steps > 0 ? fmin((double)t / (double)o->warmup_steps, 1) : 1;
  value[0] = (float)(rate * warm);
  value[1] = (float)kd_moments_correction(o->beta_2, t);
  value[2] = (float)(1 / (double)t);
  value[3] = t == 1;
}

static void update(kd_graph *g, const void *options, kd_update *u) {
  const schedule_free_options *o = options;
  kd_sym before = kd_select(g, u->value[3], u->before, u->slot[0]);
  kd_moments_square(g, o->beta_2, u);
  kd_sym root = kd_unary(g, KD_PW_SQRT, kd_mul(g, u->slot[1], u->value[1]));
  kd_sym step = kd_div(g, kd_mul(g, u->g, u->value[0]), kd_shift(g, root, o->epsilon));
  kd_sym z = kd_sub(g, before, step);
  kd_sym average = kd_scale(g, kd_sub(g, u->w, kd_scale(g, before, 1 - o->beta_1)), 1 / o->beta_1);
  average = kd_add(g, average, kd_mul(g, kd_sub(g, z, average), u->value[2]));
  u->w = kd_add(g, kd_scale(g, z, 1 - o->beta_1), kd_scale(g, average, o->beta_1));
  u->slot[0] = z;
}

const kd_optimizer_kind kd_optimizer_schedule_free = {
    .base = {.name = "ScheduleFreeAdamW",
             .aliases = "schedulefreeadamw",
             .help = "adaptive steps and an average of weights in place of a schedule",
             .options = table,
             .options_size = sizeof(schedule_free_options)},
    .keras_name = "schedule_free_adam_w",
    .slots = kd_moments_slots,
    .begins_as_weight = 1,
    .n_values = 4,
    .values = values,
    .update = update,
    .interleaved = 2,
};
