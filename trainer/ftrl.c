#include <float.h>

#include "trainer/optimizer.h"

/* Follow the regularized leader (McMahan et al., KDD 2013), as keras.optimizers.Ftrl, with p = -power:
 *   N = A + g^2;  z += g + 2 shrinkage w - (N^p - A^p) / rate w;  A = N
 *   w = (clip(z, -l1, l1) - z) / (N^p / rate + 2 (l2 + beta / (2 rate))) */
typedef struct ftrl_options {
  kd_optimizer_common common;
  double learning_rate_power, initial_accumulator_value, l1_regularization_strength,
      l2_regularization_strength, l2_shrinkage_regularization_strength, beta;
} ftrl_options;

static const kd_option table[] = {
    KD_OPTIMIZER_RATE(ftrl_options, "0.001"),
    KD_OPTIMIZER_NUMBER(ftrl_options, learning_rate_power, "-0.5", "power of the falling rate", -1e3, 0, 0),
    KD_OPTIMIZER_NUMBER(ftrl_options, initial_accumulator_value, "0.1", "start of the sum of squares", 0,
                        1e30, 0),
    KD_OPTIMIZER_NUMBER(ftrl_options, l1_regularization_strength, "0.0", "pull to zero, by size", 0, 1e30, 0),
    KD_OPTIMIZER_NUMBER(ftrl_options, l2_regularization_strength, "0.0", "pull to zero, by square", 0, 1e30,
                        0),
    KD_OPTIMIZER_NUMBER(ftrl_options, l2_shrinkage_regularization_strength, "0.0",
                        "pull to zero, in the gradient", 0, 1e30, 0),
    KD_OPTIMIZER_NUMBER(ftrl_options, beta, "0.0", "added to the rate's divisor", 0, 1e30, 0),
    KD_OPTIMIZER_COMMON(ftrl_options, "none"),
    {0}};

static int slots(const void *options, const char **names) {
  (void)options;
  names[0] = "accumulator";
  names[1] = "linear";
  return 2;
}

static double slot_start(const void *options, int slot) {
  return slot == 0 ? ((const ftrl_options *)options)->initial_accumulator_value : 0;
}

static void values(const void *options, double rate, int64_t t, float *value) {
  const ftrl_options *o = options;
  (void)t;
  value[0] = (float)rate;
  value[1] = (float)(2 * (o->l2_regularization_strength + o->beta / (2 * rate)));
}

static void update(kd_graph *g, const void *options, kd_update *u) {
  const ftrl_options *o = options;
  kd_sym power = kd_const(g, -o->learning_rate_power), l1 = kd_const(g, o->l1_regularization_strength);
  kd_sym gradient = kd_add(g, u->g, kd_scale(g, u->w, 2 * o->l2_shrinkage_regularization_strength));
  kd_sym seen = kd_add(g, u->slot[0], kd_unary(g, KD_PW_SQUARE, u->g));
  kd_sym now = kd_binary(g, KD_PW_POW, seen, power), old = kd_binary(g, KD_PW_POW, u->slot[0], power);
  kd_sym pull = kd_mul(g, kd_div(g, kd_sub(g, now, old), u->value[0]), u->w);
  kd_sym z = kd_add(g, u->slot[1], kd_sub(g, gradient, pull));
  kd_sym clipped = kd_max(g, kd_min(g, z, l1), kd_unary(g, KD_PW_NEG, l1));
  kd_sym divisor = kd_add(g, kd_div(g, now, u->value[0]), u->value[1]);
  u->slot[0] = seen;
  u->slot[1] = z;
  /* The divisor is zero where no gradient was seen from an empty sum: then z is too, and so is w. */
  u->w = kd_div(g, kd_sub(g, clipped, z), kd_max(g, divisor, kd_const(g, (double)FLT_MIN)));
}

const kd_optimizer_kind kd_optimizer_ftrl = {
    .base = {.name = "Ftrl",
             .aliases = "ftrl",
             .help = "follow the regularized leader",
             .options = table,
             .options_size = sizeof(ftrl_options)},
    .keras_name = "ftrl",
    .slots = slots,
    .n_values = 2,
    .values = values,
    .update = update,
    .slot_start = slot_start,
    .interleaved = 2,
};
