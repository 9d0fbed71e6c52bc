#include "trainer/optimizer.h"

/* Adadelta (Zeiler, 2012), as keras.optimizers.Adadelta:
 *   E = rho E + (1 - rho) g^2;  d = -sqrt(D + epsilon) / sqrt(E + epsilon) g
 *   D = rho D + (1 - rho) d^2;  w += rate d */
typedef struct adadelta_options {
  kd_optimizer_common common;
  double rho, epsilon;
} adadelta_options;

static const kd_option table[] = {
    KD_OPTIMIZER_RATE(adadelta_options, "0.001"),
    KD_OPTIMIZER_NUMBER(adadelta_options, rho, "0.95", "decay of both mean squares", 0, 1, 0),
    KD_OPTIMIZER_NUMBER(adadelta_options, epsilon, "1e-7", "added under the roots", 0, 1, 0),
    KD_OPTIMIZER_COMMON(adadelta_options, "none"),
    {0}};

static int slots(const void *options, const char **names) {
  (void)options;
  names[0] = "accumulated_grad";
  names[1] = "accumulated_delta_var";
  return 2;
}

static void values(const void *options, double rate, int64_t t, float *value) {
  (void)options, (void)t;
  value[0] = (float)rate;
}

/* rho old + (1 - rho) x^2 */
static kd_sym mean_square(kd_graph *g, const adadelta_options *o, kd_sym old, kd_sym x) {
  return kd_add(g, kd_scale(g, old, o->rho), kd_scale(g, kd_unary(g, KD_PW_SQUARE, x), 1 - o->rho));
}

static kd_sym root(kd_graph *g, const adadelta_options *o, kd_sym square) {
  return kd_unary(g, KD_PW_SQRT, kd_shift(g, square, o->epsilon));
}

static void update(kd_graph *g, const void *options, kd_update *u) {
  const adadelta_options *o = options;
  kd_sym seen = mean_square(g, o, u->slot[0], u->g);
  kd_sym step = kd_div(g, kd_mul(g, root(g, o, u->slot[1]), u->g), root(g, o, seen));
  u->slot[0] = seen;
  u->slot[1] = mean_square(g, o, u->slot[1], step);
  u->w = kd_sub(g, u->w, kd_mul(g, step, u->value[0]));
}

const kd_optimizer_kind kd_optimizer_adadelta = {
    .base = {.name = "Adadelta",
             .aliases = "adadelta",
             .help = "steps in the size of the steps before",
             .options = table,
             .options_size = sizeof(adadelta_options)},
    .keras_name = "adadelta",
    .slots = slots,
    .n_values = 1,
    .values = values,
    .update = update,
    .interleaved = 2,
};
