#include "layers/kinds/loss_table.h"

/* Generalized cross-entropy (Zhang and Sabuncu, NeurIPS 2018): (1 - p^q) / q of the probability of the right
 * class, between the cross-entropy (q towards 0) and the absolute error (1). */
typedef struct generalized_options {
  kd_loss_common common;
  double q;
} generalized_options;

static const kd_option table[] = {
    {.name = "q",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(generalized_options, q),
     .initial = "0.5",
     .help = "0: as the cross-entropy, 1: as the absolute error, which wrong labels disturb less",
     .min = 0,
     .max = 1,
     .flags = KD_OPT_OPEN_MIN | KD_OPT_OPEN_MAX},
    KD_LOSS_COMMON(generalized_options),
    {0},
};

static kd_sym generalized(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  const generalized_options *o = options;
  kd_shape shape = *kd_sym_shape(g, p->y_pred), column = *kd_sym_shape(g, y_true);
  column.dim[column.rank++] = 1;
  kd_sym label = kd_reshape(g, kd_cast(g, y_true, KD_F32), column);
  kd_sym right = kd_binary(g, KD_PW_EQ, kd_iota(g, shape, shape.rank - 1), label);
  kd_sym probability = kd_reduce_last(g, KD_REDUCE_SUM, kd_mul(g, p->y_pred, right), false);
  kd_sym power = kd_binary(g, KD_PW_POW, probability, kd_const(g, o->q));
  return kd_scale(g, kd_sub(g, kd_const(g, 1.0), power), 1 / o->q);
}

extern const kd_loss_kind kd_loss_categorical_generalized;

const kd_loss_kind kd_loss_categorical_generalized = {
    .base = {.name = "CategoricalGeneralizedCrossEntropy",
             .aliases = "categorical_generalized_cross_entropy",
             .help = "cross-entropy of class numbers that wrong labels disturb less",
             .options = table,
             .options_size = sizeof(generalized_options)},
    .values = generalized,
    .sparse_labels = true,
    .log_name = "categorical_generalized_cross_entropy",
};
