#include <math.h>

#include "layers/kinds/loss_table.h"

/* keras.losses of real numbers: means over the last axis. */
typedef struct regression_options {
  kd_loss_common common;
  double delta;
} regression_options;

static const kd_option plain_table[] = {KD_LOSS_COMMON(regression_options), {0}};
static const kd_option huber_table[] = {
    {.name = "delta",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(regression_options, delta),
     .initial = "1.0",
     .help = "error above which the loss is linear",
     .min = 0,
     .max = 1e30},
    KD_LOSS_COMMON(regression_options),
    {0},
};

static kd_sym difference(kd_graph *g, kd_sym y_true, const kd_prediction *p) {
  return kd_sub(g, p->y_pred, kd_cast(g, y_true, KD_F32));
}

static kd_sym squared(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  (void)options;
  return kd_mean_last(g, kd_unary(g, KD_PW_SQUARE, difference(g, y_true, p)));
}

static kd_sym absolute(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  (void)options;
  return kd_mean_last(g, kd_unary(g, KD_PW_ABS, difference(g, y_true, p)));
}

/* Huber: e^2 / 2 up to delta, delta |e| - delta^2 / 2 beyond. */
static kd_sym huber(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  const regression_options *o = options;
  kd_sym error = difference(g, y_true, p), size = kd_unary(g, KD_PW_ABS, error);
  kd_sym inner = kd_scale(g, kd_unary(g, KD_PW_SQUARE, error), 0.5);
  kd_sym outer = kd_shift(g, kd_scale(g, size, o->delta), -0.5 * o->delta * o->delta);
  kd_sym small = kd_binary(g, KD_PW_LE, size, kd_const(g, o->delta));
  return kd_mean_last(g, kd_select(g, small, inner, outer));
}

/* 100 |e| / max(|t|, epsilon) */
static kd_sym percentage(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  (void)options;
  kd_sym size = kd_unary(g, KD_PW_ABS, kd_cast(g, y_true, KD_F32));
  kd_sym share = kd_div(g, difference(g, y_true, p), kd_max(g, size, kd_const(g, KD_KERAS_EPSILON)));
  return kd_scale(g, kd_mean_last(g, kd_unary(g, KD_PW_ABS, share)), 100);
}

static kd_sym log_above_one(kd_graph *g, kd_sym x) {
  return kd_unary(g, KD_PW_LOG1P, kd_max(g, x, kd_const(g, KD_KERAS_EPSILON)));
}

static kd_sym squared_logarithmic(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  (void)options;
  kd_sym truth = log_above_one(g, kd_cast(g, y_true, KD_F32));
  return kd_mean_last(g, kd_unary(g, KD_PW_SQUARE, kd_sub(g, log_above_one(g, p->y_pred), truth)));
}

/* log(cosh(e)) = e + softplus(-2 e) - log(2) */
static kd_sym log_cosh(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  (void)options;
  kd_sym error = difference(g, y_true, p);
  kd_sym rest = kd_unary(g, KD_PW_SOFTPLUS, kd_scale(g, error, -2));
  return kd_mean_last(g, kd_shift(g, kd_add(g, error, rest), -log(2)));
}

/* Poisson's negative log-likelihood without the part of the labels alone. */
static kd_sym poisson(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  (void)options;
  kd_sym log_rate = kd_unary(g, KD_PW_LOG, kd_shift(g, p->y_pred, KD_KERAS_EPSILON));
  return kd_mean_last(g, kd_sub(g, p->y_pred, kd_mul(g, kd_cast(g, y_true, KD_F32), log_rate)));
}

static kd_sym probability(kd_graph *g, kd_sym x) {
  return kd_min(g, kd_max(g, x, kd_const(g, KD_KERAS_EPSILON)), kd_const(g, 1.0));
}

/* Kullback-Leibler divergence: sum of t log(t / p), both clipped to [epsilon, 1]. */
static kd_sym divergence(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  (void)options;
  kd_sym truth = probability(g, kd_cast(g, y_true, KD_F32));
  kd_sym ratio = kd_div(g, truth, probability(g, p->y_pred));
  return kd_sum_last(g, kd_mul(g, truth, kd_unary(g, KD_PW_LOG, ratio)));
}

/* keras.ops.normalize: x / max(norm, epsilon). */
static kd_sym unit(kd_graph *g, kd_sym x) {
  kd_sym square = kd_reduce_last(g, KD_REDUCE_SUMSQ, x, true);
  kd_sym floor = kd_const(g, KD_KERAS_EPSILON * KD_KERAS_EPSILON);
  return kd_mul(g, x, kd_unary(g, KD_PW_RSQRT, kd_max(g, square, floor)));
}

static kd_sym cosine(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  (void)options;
  kd_sym product = kd_mul(g, unit(g, kd_cast(g, y_true, KD_F32)), unit(g, p->y_pred));
  return kd_unary(g, KD_PW_NEG, kd_sum_last(g, product));
}

#define REGRESSION(id, class, other_names, text, options_table, function, log)                               \
  const kd_loss_kind id = {.base = {.name = class,                                                           \
                                    .aliases = other_names,                                                  \
                                    .help = text,                                                            \
                                    .options = options_table,                                                \
                                    .options_size = sizeof(regression_options)},                             \
                           .values = function,                                                               \
                           .log_name = log}

REGRESSION(kd_loss_mse, "MeanSquaredError", "mean_squared_error|mse|MSE", "mean of squared errors",
           plain_table, squared, "mean_squared_error");
REGRESSION(kd_loss_mae, "MeanAbsoluteError", "mean_absolute_error|mae|MAE", "mean of absolute errors",
           plain_table, absolute, "mean_absolute_error");
REGRESSION(kd_loss_huber, "Huber", "huber|huber_loss", "squared near zero, linear beyond delta", huber_table,
           huber, "huber_loss");
REGRESSION(kd_loss_mape, "MeanAbsolutePercentageError", "mean_absolute_percentage_error|mape|MAPE",
           "mean of errors in percent of the labels", plain_table, percentage,
           "mean_absolute_percentage_error");
REGRESSION(kd_loss_msle, "MeanSquaredLogarithmicError", "mean_squared_logarithmic_error|msle|MSLE",
           "mean of squared differences of log(1 + x)", plain_table, squared_logarithmic,
           "mean_squared_logarithmic_error");
REGRESSION(kd_loss_log_cosh, "LogCosh", "log_cosh|logcosh", "logarithm of the error's hyperbolic cosine",
           plain_table, log_cosh, "log_cosh");
REGRESSION(kd_loss_poisson, "Poisson", "poisson", "negative log-likelihood of counts", plain_table, poisson,
           "poisson");
REGRESSION(kd_loss_kld, "KLDivergence", "kl_divergence|kld|KLD|kullback_leibler_divergence",
           "Kullback-Leibler divergence of probabilities", plain_table, divergence, "kl_divergence");
REGRESSION(kd_loss_cosine, "CosineSimilarity", "cosine_similarity",
           "negative cosine of the angle between labels and predictions", plain_table, cosine,
           "cosine_similarity");
