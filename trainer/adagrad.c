#include "trainer/optimizer.h"

/* Adagrad (Duchi, Hazan and Singer, JMLR 2011), as keras.optimizers.Adagrad:
 *   A += g^2;  w -= rate g / sqrt(A + epsilon) */
typedef struct adagrad_options {
  kd_optimizer_common common;
  double initial_accumulator_value, epsilon;
} adagrad_options;

static const kd_option table[] = {
    KD_OPTIMIZER_RATE(adagrad_options, "0.001"),
    KD_OPTIMIZER_NUMBER(adagrad_options, initial_accumulator_value, "0.1", "start of the sum of squares", 0,
                        1e30, 0),
    KD_OPTIMIZER_NUMBER(adagrad_options, epsilon, "1e-7", "added under the root", 0, 1, 0),
    KD_OPTIMIZER_COMMON(adagrad_options, "none"),
    {0}};

static int slots(const void *options, const char **names) {
  (void)options;
  names[0] = "accumulator";
  return 1;
}

static double slot_start(const void *options, int slot) {
  (void)slot;
  return ((const adagrad_options *)options)->initial_accumulator_value;
}

static void values(const void *options, double rate, int64_t t, float *value) {
  (void)options, (void)t;
  value[0] = (float)rate;
}

static void update(kd_graph *g, const void *options, kd_update *u) {
  const adagrad_options *o = options;
  u->slot[0] = kd_add(g, u->slot[0], kd_unary(g, KD_PW_SQUARE, u->g));
  kd_sym root = kd_unary(g, KD_PW_SQRT, kd_shift(g, u->slot[0], o->epsilon));
  u->w = kd_sub(g, u->w, kd_div(g, kd_mul(g, u->g, u->value[0]), root));
}

const kd_optimizer_kind kd_optimizer_adagrad = {
    .base = {.name = "Adagrad",
             .aliases = "adagrad",
             .help = "rates that fall with the squares seen",
             .options = table,
             .options_size = sizeof(adagrad_options)},
    .keras_name = "adagrad",
    .slots = slots,
    .n_values = 1,
    .values = values,
    .update = update,
    .slot_start = slot_start,
};
