#include "trainer/moments.h"

/* Adam and AdamW (Kingma and Ba, ICLR 2015; Loshchilov and Hutter, ICLR 2019), as keras.optimizers.Adam:
 *   m += (g - m)(1 - b1);  v += (g^2 - v)(1 - b2);  w -= alpha m / (sqrt(v) + epsilon)
 *   alpha = rate sqrt(1 - b2^t) / (1 - b1^t): epsilon stands beside the uncorrected root. */
typedef struct adam_options {
  kd_optimizer_common common;
  double beta_1, beta_2, epsilon;
  bool amsgrad;
} adam_options;

#define AMSGRAD                                                                                              \
  {                                                                                                          \
    .name = "amsgrad", .type = KD_OPT_BOOL, .offset = offsetof(adam_options, amsgrad), .initial = "false",   \
    .help = "use the largest mean square seen"                                                               \
  }

static const kd_option adam_table[] = {KD_OPTIMIZER_RATE(adam_options, "0.001"),
                                       KD_OPTIMIZER_BETAS(adam_options, "decay of the mean square"),
                                       AMSGRAD,
                                       KD_OPTIMIZER_COMMON(adam_options, "none"),
                                       {0}};

/* AdamW's decay stands second in Keras's order; it is a key here as in all optimizers. */
static const kd_option adamw_table[] = {KD_OPTIMIZER_RATE(adam_options, "0.001"),
                                        KD_OPTIMIZER_BETAS(adam_options, "decay of the mean square"),
                                        AMSGRAD,
                                        KD_OPTIMIZER_COMMON(adam_options, "0.004"),
                                        {0}};

static int slots(const void *options, const char **names) {
  const adam_options *o = options;
  int n = kd_moments_slots(options, names);
  if (o->amsgrad) names[n++] = "velocity_hat";
  return n;
}

static void values(const void *options, double rate, int64_t t, float *value) {
  const adam_options *o = options;
  value[0] = (float)kd_moments_rate(o->beta_1, o->beta_2, rate, t);
}

static void update(kd_graph *g, const void *options, kd_update *u) {
  const adam_options *o = options;
  kd_moments_mean(g, o->beta_1, u);
  kd_moments_square(g, o->beta_2, u);
  if (o->amsgrad) u->slot[2] = kd_max(g, u->slot[2], u->slot[1]);
  kd_moments_step(g, u->value[0], u->slot[o->amsgrad ? 2 : 1], o->epsilon, u);
}

#define ADAM(id, class, alias, keras, text, options_table)                                                   \
  const kd_optimizer_kind id = {.base = {.name = class,                                                      \
                                         .aliases = alias,                                                   \
                                         .help = text,                                                       \
                                         .options = options_table,                                           \
                                         .options_size = sizeof(adam_options)},                              \
                                .keras_name = keras,                                                         \
                                .slots = slots,                                                              \
                                .n_values = 1,                                                               \
                                .values = values,                                                            \
                                .update = update,                                                            \
                                .interleaved = 2}

ADAM(kd_optimizer_adam, "Adam", "adam", "adam", "adaptive moments", adam_table);
ADAM(kd_optimizer_adamw, "AdamW", "adamw", "adam_w", "adaptive moments with decoupled weight decay",
     adamw_table);
