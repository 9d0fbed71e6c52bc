#include <math.h>

#include "trainer/optimizer.h"

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
  names[0] = "momentum";
  names[1] = "velocity";
  names[2] = "velocity_hat";
  return o->amsgrad ? 3 : 2;
}

static void values(const void *options, double rate, int64_t t, float *value) {
  const adam_options *o = options;
  value[0] = (float)(rate * sqrt(1 - pow(o->beta_2, (double)t)) / (1 - pow(o->beta_1, (double)t)));
}

static void update(kd_graph *g, const void *options, kd_update *u) {
  const adam_options *o = options;
  kd_sym m = kd_add(g, u->slot[0], kd_scale(g, kd_sub(g, u->g, u->slot[0]), 1 - o->beta_1));
  kd_sym square = kd_unary(g, KD_PW_SQUARE, u->g);
  kd_sym v = kd_add(g, u->slot[1], kd_scale(g, kd_sub(g, square, u->slot[1]), 1 - o->beta_2));
  kd_sym under_root = v;
  u->slot[0] = m;
  u->slot[1] = v;
  if (o->amsgrad) {
    under_root = kd_max(g, u->slot[2], v);
    u->slot[2] = under_root;
  }
  kd_sym root = kd_shift(g, kd_unary(g, KD_PW_SQRT, under_root), o->epsilon);
  u->w = kd_sub(g, u->w, kd_div(g, kd_mul(g, m, u->value[0]), root));
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
