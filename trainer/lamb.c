#include "trainer/moments.h"

/* Lamb (You et al., ICLR 2020), as keras.optimizers.Lamb. m and v as Adam, then for each weight:
 *   d = (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon);  w -= rate |w| / |d| d
 * where a norm of zero makes the ratio 1. */
typedef struct lamb_options {
  kd_optimizer_common common;
  double beta_1, beta_2, epsilon;
} lamb_options;

static const kd_option table[] = {KD_OPTIMIZER_RATE(lamb_options, "0.001"),
                                  KD_OPTIMIZER_BETAS(lamb_options, "decay of the mean square"),
                                  KD_OPTIMIZER_COMMON(lamb_options, "none"),
                                  {0}};

static void values(const void *options, double rate, int64_t t, float *value) {
  const lamb_options *o = options;
  value[0] = (float)rate;
  value[1] = (float)(kd_moments_correction(o->beta_1, t));
  value[2] = (float)(kd_moments_correction(o->beta_2, t));
}

static kd_sym norm(kd_graph *g, kd_sym x) {
  return kd_unary(g, KD_PW_SQRT, kd_reduce_all(g, KD_REDUCE_SUMSQ, x));
}

/* |w| / |step|, or 1 when either is zero. */
static kd_sym trust(kd_graph *g, kd_sym w, kd_sym step) {
  kd_sym of_weight = norm(g, w), of_step = norm(g, step), zero = kd_const(g, 0.0);
  kd_sym both =
      kd_binary(g, KD_PW_AND, kd_binary(g, KD_PW_LT, zero, of_weight), kd_binary(g, KD_PW_LT, zero, of_step));
  return kd_select(g, both, kd_div(g, of_weight, of_step), kd_const(g, 1.0));
}

static void update(kd_graph *g, const void *options, kd_update *u) {
  const lamb_options *o = options;
  kd_moments_mean(g, o->beta_1, u);
  kd_moments_square(g, o->beta_2, u);
  kd_sym root = kd_unary(g, KD_PW_SQRT, kd_mul(g, u->slot[1], u->value[2]));
  kd_sym step = kd_div(g, kd_mul(g, u->slot[0], u->value[1]), kd_shift(g, root, o->epsilon));
  u->w = kd_sub(g, u->w, kd_mul(g, step, kd_mul(g, trust(g, u->w, step), u->value[0])));
}

const kd_optimizer_kind kd_optimizer_lamb = {
    .base = {.name = "Lamb",
             .aliases = "lamb",
             .help = "Adam with steps in the size of the weights",
             .options = table,
             .options_size = sizeof(lamb_options)},
    .keras_name = "lamb",
    .slots = kd_moments_slots,
    .n_values = 3,
    .values = values,
    .update = update,
    .interleaved = 2,
    .per_weight = true,
};
