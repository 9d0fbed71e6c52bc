#include "trainer/optimizer.h"

/* keras.optimizers.RMSprop; epsilon stands inside the root. */
typedef struct rmsprop_options {
  kd_optimizer_common common;
  double rho, momentum, epsilon;
  bool centered;
} rmsprop_options;

static const kd_option table[] = {
    KD_OPTIMIZER_RATE(rmsprop_options, "0.001"),
    {.name = "rho",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(rmsprop_options, rho),
     .initial = "0.9",
     .help = "decay of the mean square",
     .min = 0,
     .max = 1},
    {.name = "momentum",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(rmsprop_options, momentum),
     .initial = "0.0",
     .help = "share of the last step that is kept",
     .min = 0,
     .max = 1},
    {.name = "epsilon",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(rmsprop_options, epsilon),
     .initial = "1e-7",
     .help = "added to the mean square",
     .min = 0,
     .max = 1},
    {.name = "centered",
     .type = KD_OPT_BOOL,
     .offset = offsetof(rmsprop_options, centered),
     .initial = "false",
     .help = "divide by the variance in place of the mean square"},
    KD_OPTIMIZER_COMMON(rmsprop_options, "none"),
    {0},
};

/* Keras's order: velocity, then momentum, then average_gradient. */
static int slots(const void *options, const char **names) {
  const rmsprop_options *o = options;
  int n = 0;
  names[n++] = "velocity";
  if (o->momentum > 0) names[n++] = "momentum";
  if (o->centered) names[n++] = "average_gradient";
  return n;
}

static void values(const void *options, double rate, int64_t t, float *value) {
  (void)options, (void)t;
  value[0] = (float)rate;
}

static void update(kd_graph *g, const void *options, kd_update *u) {
  const rmsprop_options *o = options;
  int at_average = o->momentum > 0 ? 2 : 1;
  kd_sym square = kd_unary(g, KD_PW_SQUARE, u->g);
  kd_sym v = kd_add(g, kd_scale(g, u->slot[0], o->rho), kd_scale(g, square, 1 - o->rho));
  kd_sym denominator = kd_shift(g, v, o->epsilon);
  u->slot[0] = v;
  if (o->centered) {
    kd_sym a = kd_add(g, kd_scale(g, u->slot[at_average], o->rho), kd_scale(g, u->g, 1 - o->rho));
    denominator = kd_shift(g, kd_sub(g, v, kd_unary(g, KD_PW_SQUARE, a)), o->epsilon);
    u->slot[at_average] = a;
  }
  kd_sym step = kd_div(g, kd_mul(g, u->g, u->value[0]), kd_unary(g, KD_PW_SQRT, denominator));
  if (o->momentum > 0) {
    step = kd_add(g, kd_scale(g, u->slot[1], o->momentum), step);
    u->slot[1] = step;
  }
  u->w = kd_sub(g, u->w, step);
}

const kd_optimizer_kind kd_optimizer_rmsprop = {
    .base = {.name = "RMSprop",
             .aliases = "rmsprop",
             .help = "gradients scaled by their mean square",
             .options = table,
             .options_size = sizeof(rmsprop_options)},
    .keras_name = "rm_sprop",
    .slots = slots,
    .n_values = 1,
    .values = values,
    .update = update,
};
