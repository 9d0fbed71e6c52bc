#include "layers/kinds/loss_table.h"

/* The cross-entropies of keras.losses. A probability whose last activation is known is replaced by its
 * logits, as TensorFlow does: exact gradients and no clipping (keras.md 4.2). */
static const kd_option smooth_table[] = {KD_XENT_FROM_LOGITS(kd_xent_options),
                                         KD_XENT_SMOOTHING(kd_xent_options),
                                         KD_LOSS_COMMON(kd_xent_options),
                                         {0}};
static const kd_option sparse_table[] = {
    KD_XENT_FROM_LOGITS(kd_xent_options), KD_LOSS_COMMON(kd_xent_options), {0}};

/* The logits to use, or KD_NO_SYM when only probabilities are known. */
static kd_sym logits_of(const kd_xent_options *o, const kd_prediction *p, kd_probability kind) {
  if (o->from_logits) return p->y_pred;
  return p->probability == kind ? p->logits : KD_NO_SYM;
}

static kd_sym clipped(kd_graph *g, kd_sym p) {
  return kd_min(g, kd_max(g, p, kd_const(g, KD_KERAS_EPSILON)), kd_const(g, 1 - KD_KERAS_EPSILON));
}

kd_sym kd_labels_smoothed(kd_graph *g, kd_sym truth, double smoothing, double classes) {
  if (smoothing == 0) return truth;
  return kd_shift(g, kd_scale(g, truth, 1 - smoothing), smoothing / classes);
}

kd_sym kd_binary_entropy(kd_graph *g, kd_sym truth, kd_sym probability, kd_sym logits) {
  if (logits != KD_NO_SYM) return kd_sub(g, kd_unary(g, KD_PW_SOFTPLUS, logits), kd_mul(g, logits, truth));
  kd_sym q = clipped(g, probability), one = kd_const(g, 1.0);
  kd_sym hit = kd_mul(g, truth, kd_unary(g, KD_PW_LOG, q));
  kd_sym miss = kd_mul(g, kd_sub(g, one, truth), kd_unary(g, KD_PW_LOG, kd_sub(g, one, q)));
  return kd_unary(g, KD_PW_NEG, kd_add(g, hit, miss));
}

static kd_sym binary(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  const kd_xent_options *o = options;
  kd_sym truth = kd_labels_smoothed(g, kd_cast(g, y_true, KD_F32), o->label_smoothing, 2);
  return kd_mean_last(g, kd_binary_entropy(g, truth, p->y_pred, logits_of(o, p, KD_PROB_SIGMOID)));
}

kd_sym kd_probability_normalised(kd_graph *g, kd_sym probability) {
  return clipped(g, kd_div(g, probability, kd_reduce_last(g, KD_REDUCE_SUM, probability, true)));
}

static kd_sym categorical(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  const kd_xent_options *o = options;
  const kd_shape *shape = kd_sym_shape(g, p->y_pred);
  if (!shape) return KD_NO_SYM;
  double classes = (double)shape->dim[shape->rank - 1];
  kd_sym truth = kd_labels_smoothed(g, kd_cast(g, y_true, KD_F32), o->label_smoothing, classes);
  kd_sym x = logits_of(o, p, KD_PROB_SOFTMAX);
  kd_sym logs = x != KD_NO_SYM ? kd_softmax(g, x, true)
                               : kd_unary(g, KD_PW_LOG, kd_probability_normalised(g, p->y_pred));
  return kd_unary(g, KD_PW_NEG, kd_reduce_last(g, KD_REDUCE_SUM, kd_mul(g, truth, logs), false));
}

/* On probabilities q the fused op sees log q and gives log(sum q) - log(q of the label), where clipping
 * leaves a sum that is not quite 1. */
static kd_sym sparse(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  const kd_xent_options *o = options;
  kd_sym x = logits_of(o, p, KD_PROB_SOFTMAX);
  const kd_sym_info *info = y_true == KD_NO_SYM ? NULL : kd_sym_get(g, y_true);
  kd_sym labels = info && kd_dtype_is_float(info->dtype) ? kd_cast(g, y_true, KD_I32) : y_true;
  if (x != KD_NO_SYM) return kd_sparse_xent(g, x, labels, INT32_MIN);
  kd_sym q = kd_probability_normalised(g, p->y_pred);
  kd_sym sum = kd_unary(g, KD_PW_LOG, kd_reduce_last(g, KD_REDUCE_SUM, q, false));
  return kd_sub(g, kd_sparse_xent(g, kd_unary(g, KD_PW_LOG, q), labels, INT32_MIN), sum);
}

const kd_loss_kind kd_loss_bce = {
    .base = {.name = "BinaryCrossentropy",
             .aliases = "binary_crossentropy|bce|BCE",
             .help = "cross-entropy of independent yes-or-no labels",
             .options = smooth_table,
             .options_size = sizeof(kd_xent_options)},
    .values = binary,
    .log_name = "binary_crossentropy",
};

const kd_loss_kind kd_loss_cce = {
    .base = {.name = "CategoricalCrossentropy",
             .aliases = "categorical_crossentropy",
             .help = "cross-entropy of one-hot labels",
             .options = smooth_table,
             .options_size = sizeof(kd_xent_options)},
    .values = categorical,
    .log_name = "categorical_crossentropy",
};

const kd_loss_kind kd_loss_scce = {
    .base = {.name = "SparseCategoricalCrossentropy",
             .aliases = "sparse_categorical_crossentropy",
             .help = "cross-entropy of class numbers",
             .options = sparse_table,
             .options_size = sizeof(kd_xent_options)},
    .values = sparse,
    .sparse_labels = true,
    .log_name = "sparse_categorical_crossentropy",
};
