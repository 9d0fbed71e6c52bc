#include "trainer/optimizer.h"

/* SGD with momentum and Nesterov's form, as keras.optimizers.SGD:
 *   m = momentum * m - rate * g;  w += m   (nesterov: w += momentum * m - rate * g) */
typedef struct sgd_options {
  kd_optimizer_common common;
  double momentum;
  bool nesterov;
} sgd_options;

static const kd_option table[] = {
    KD_OPTIMIZER_RATE(sgd_options, "0.01"),
    {.name = "momentum",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(sgd_options, momentum),
     .initial = "0.0",
     .help = "share of the last step that is kept",
     .min = 0,
     .max = 1},
    {.name = "nesterov",
     .type = KD_OPT_BOOL,
     .offset = offsetof(sgd_options, nesterov),
     .initial = "false",
     .help = "look ahead by the momentum"},
    KD_OPTIMIZER_COMMON(sgd_options, "none"),
    {0},
};

static int slots(const void *options, const char **names) {
  const sgd_options *o = options;
  names[0] = "momentum";
  return o->momentum != 0;
}

static void values(const void *options, double rate, int64_t t, float *value) {
  (void)options, (void)t;
  value[0] = (float)rate;
}

static void update(kd_graph *g, const void *options, kd_update *u) {
  const sgd_options *o = options;
  kd_sym step = kd_mul(g, u->g, u->value[0]);
  if (o->momentum == 0) {
    u->w = kd_sub(g, u->w, step);
    return;
  }
  kd_sym m = kd_sub(g, kd_scale(g, u->slot[0], o->momentum), step);
  u->slot[0] = m;
  u->w = kd_add(g, u->w, o->nesterov ? kd_sub(g, kd_scale(g, m, o->momentum), step) : m);
}

const kd_optimizer_kind kd_optimizer_sgd = {
    .base = {.name = "SGD",
             .aliases = "sgd",
             .help = "gradient descent with momentum",
             .options = table,
             .options_size = sizeof(sgd_options)},
    .keras_name = "sgd",
    .slots = slots,
    .n_values = 1,
    .values = values,
    .update = update,
};
