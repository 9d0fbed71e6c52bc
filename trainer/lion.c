#include "trainer/optimizer.h"

/* Lion (Chen et al., NeurIPS 2023), as keras.optimizers.Lion:
 *   w -= rate sign(b1 m + (1 - b1) g);  m = b2 m + (1 - b2) g */
typedef struct lion_options {
  kd_optimizer_common common;
  double beta_1, beta_2;
} lion_options;

static const kd_option table[] = {
    KD_OPTIMIZER_RATE(lion_options, "0.001"),
    KD_OPTIMIZER_NUMBER(lion_options, beta_1, "0.9", "share of the momentum in a step", 0, 1,
                        KD_OPT_OPEN_MIN),
    KD_OPTIMIZER_NUMBER(lion_options, beta_2, "0.99", "decay of the momentum", 0, 1, 0),
    KD_OPTIMIZER_COMMON(lion_options, "none"),
    {0}};

static int slots(const void *options, const char **names) {
  (void)options;
  names[0] = "momentum";
  return 1;
}

static void values(const void *options, double rate, int64_t t, float *value) {
  (void)options, (void)t;
  value[0] = (float)rate;
}

/* share a + (1 - share) b */
static kd_sym blend(kd_graph *g, double share, kd_sym a, kd_sym b) {
  return kd_add(g, kd_scale(g, a, share), kd_scale(g, b, 1 - share));
}

static void update(kd_graph *g, const void *options, kd_update *u) {
  const lion_options *o = options;
  kd_sym sign = kd_unary(g, KD_PW_SIGN, blend(g, o->beta_1, u->slot[0], u->g));
  u->w = kd_sub(g, u->w, kd_mul(g, sign, u->value[0]));
  u->slot[0] = blend(g, o->beta_2, u->slot[0], u->g);
}

const kd_optimizer_kind kd_optimizer_lion = {
    .base = {.name = "Lion",
             .aliases = "lion",
             .help = "signs of momentum",
             .options = table,
             .options_size = sizeof(lion_options)},
    .keras_name = "lion",
    .slots = slots,
    .n_values = 1,
    .values = values,
    .update = update,
};
