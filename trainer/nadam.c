#include <math.h>

#include "trainer/moments.h"

/* Nadam, Adam with Nesterov's momentum (Dozat, 2016), as keras.optimizers.Nadam, with
 *   mu_t = b1 (1 - 0.96^t / 2) and U_t = mu_1 mu_2 ... mu_t:
 *   m and v as Adam;  m^ = mu_t+1 m / (1 - U_t+1) + (1 - mu_t) g / (1 - U_t)
 *   w -= rate m^ / (sqrt(v / (1 - b2^t)) + epsilon) */
typedef struct nadam_options {
  kd_optimizer_common common;
  double beta_1, beta_2, epsilon;
} nadam_options;

static const kd_option table[] = {KD_OPTIMIZER_RATE(nadam_options, "0.001"),
                                  KD_OPTIMIZER_BETAS(nadam_options, "decay of the mean square"),
                                  KD_OPTIMIZER_COMMON(nadam_options, "none"),
                                  {0}};

static double momentum_at(const nadam_options *o, int64_t t) {
  return o->beta_1 * (1 - 0.5 * pow(0.96, (double)t));
}

/* U_t. Behind the first thousand factors 1 - 0.96^t / 2 is 1 in double. */
static double product(const void *options, int64_t t) {
  const nadam_options *o = options;
  double warm = 1;
  for (int64_t i = 1; i <= t && i <= 1000; i++) warm *= 1 - 0.5 * pow(0.96, (double)i);
  return warm * pow(o->beta_1, (double)t);
}

static void values(const void *options, double rate, int64_t t, float *value) {
  const nadam_options *o = options;
  double before = product(o, t), next = momentum_at(o, t + 1);
  value[0] = (float)(rate * next / (1 - before * next));
  value[1] = (float)(rate * (1 - momentum_at(o, t)) / (1 - before));
  value[2] = (float)(kd_moments_correction(o->beta_2, t));
}

static void update(kd_graph *g, const void *options, kd_update *u) {
  const nadam_options *o = options;
  kd_moments_mean(g, o->beta_1, u);
  kd_moments_square(g, o->beta_2, u);
  kd_sym step = kd_add(g, kd_mul(g, u->slot[0], u->value[0]), kd_mul(g, u->g, u->value[1]));
  kd_sym root = kd_unary(g, KD_PW_SQRT, kd_mul(g, u->slot[1], u->value[2]));
  u->w = kd_sub(g, u->w, kd_div(g, step, kd_shift(g, root, o->epsilon)));
}

const kd_optimizer_kind kd_optimizer_nadam = {
    .base = {.name = "Nadam",
             .aliases = "nadam",
             .help = "Adam with Nesterov's momentum",
             .options = table,
             .options_size = sizeof(nadam_options)},
    .keras_name = "nadam",
    .slots = kd_moments_slots,
    .n_values = 3,
    .values = values,
    .update = update,
    .interleaved = 2,
    .scalar = product,
};
