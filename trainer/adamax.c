#include <math.h>

#include "trainer/moments.h"

/* Adamax, Adam with the largest gradient in place of the mean square (Kingma and Ba, ICLR 2015), as
 * keras.optimizers.Adamax:
 *   m += (g - m)(1 - b1);  u = max(b2 u, |g|);  w -= rate m / ((1 - b1^t)(u + epsilon)) */
typedef struct adamax_options {
  kd_optimizer_common common;
  double beta_1, beta_2, epsilon;
} adamax_options;

static const kd_option table[] = {KD_OPTIMIZER_RATE(adamax_options, "0.001"),
                                  KD_OPTIMIZER_BETAS(adamax_options, "decay of the largest gradient"),
                                  KD_OPTIMIZER_COMMON(adamax_options, "none"),
                                  {0}};

static int slots(const void *options, const char **names) {
  (void)options;
  names[0] = "momentum";
  names[1] = "norm";
  return 2;
}

static void values(const void *options, double rate, int64_t t, float *value) {
  const adamax_options *o = options;
  value[0] = (float)(rate / (1 - pow(o->beta_1, (double)t)));
}

static void update(kd_graph *g, const void *options, kd_update *u) {
  const adamax_options *o = options;
  kd_moments_mean(g, o->beta_1, u);
  kd_sym norm = kd_max(g, kd_scale(g, u->slot[1], o->beta_2), kd_unary(g, KD_PW_ABS, u->g));
  u->slot[1] = norm;
  u->w = kd_sub(g, u->w, kd_div(g, kd_mul(g, u->slot[0], u->value[0]), kd_shift(g, norm, o->epsilon)));
}

const kd_optimizer_kind kd_optimizer_adamax = {
    .base = {.name = "Adamax",
             .aliases = "adamax",
             .help = "Adam with the largest gradient",
             .options = table,
             .options_size = sizeof(adamax_options)},
    .keras_name = "adamax",
    .slots = slots,
    .n_values = 1,
    .values = values,
    .update = update,
    .interleaved = 2,
};
