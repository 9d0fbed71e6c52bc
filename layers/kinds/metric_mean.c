#include "layers/kinds/metric_mean.h"

#include <math.h>

int64_t kd_mean_n_state(const void *options, const kd_shape *y_pred) {
  (void)options, (void)y_pred;
  return 2;
}

double kd_mean_result(const void *options, int n_state, const double *state, int number) {
  (void)options, (void)n_state, (void)number;
  return state[1] != 0 ? state[0] / state[1] : 0;
}

static double root_result(const void *options, int n_state, const double *state, int number) {
  return sqrt(kd_mean_result(options, n_state, state, number));
}

/* The similarity is better when larger, its loss when smaller. */
static double negative_result(const void *options, int n_state, const double *state, int number) {
  return -kd_mean_result(options, n_state, state, number);
}

/* Axes behind the first `kept` ones are averaged. */
static kd_sym mean_behind(kd_graph *g, kd_sym x, int kept) {
  int rank = kd_sym_shape(g, x)->rank, axes[KD_MAX_RANK];
  if (rank <= kept) return x;
  for (int i = kept; i < rank; i++) axes[i - kept] = i;
  return kd_reduce(g, KD_REDUCE_MEAN, x, rank - kept, axes, false);
}

/* Keras's Mean: values are averaged down to the axes of the weights, weighted, and both are averaged per
 * sample. */
kd_sym kd_mean_update(kd_graph *g, kd_sym values, kd_sym weight) {
  if (values == KD_NO_SYM) return KD_NO_SYM;
  int64_t rows = kd_sym_shape(g, values)->dim[0];
  kd_sym count = kd_full(g, KD_SHAPE(1), (double)rows);
  if (weight != KD_NO_SYM) {
    kd_shape shape = *kd_sym_shape(g, weight);
    while (shape.rank > kd_sym_shape(g, values)->rank && shape.dim[shape.rank - 1] == 1) shape.rank--;
    weight = kd_reshape(g, weight, shape);
    values = kd_mul(g, mean_behind(g, values, shape.rank), weight);
    count = kd_reshape(g, kd_reduce_all(g, KD_REDUCE_SUM, mean_behind(g, weight, 1)), KD_SHAPE(1));
  }
  kd_sym sum = kd_reshape(g, kd_reduce_all(g, KD_REDUCE_SUM, mean_behind(g, values, 1)), KD_SHAPE(1));
  return kd_concat(g, 2, (kd_sym[]){sum, count}, 0);
}

/* Losses as metrics: keras.metrics.MeanMetricWrapper around the loss function. The options are the loss's
 * own. */
typedef struct wrapped_options {
  kd_metric_common common;
  double label_smoothing;
  bool from_logits;
} wrapped_options;

static const kd_option plain_table[] = {KD_METRIC_COMMON(wrapped_options), {0}};
static const kd_option smooth_table[] = {KD_METRIC_COMMON(wrapped_options),
                                         KD_XENT_FROM_LOGITS(wrapped_options),
                                         KD_XENT_SMOOTHING(wrapped_options),
                                         {0}};
static const kd_option entropy_table[] = {
    KD_METRIC_COMMON(wrapped_options), KD_XENT_FROM_LOGITS(wrapped_options), {0}};

extern const kd_loss_kind kd_loss_bce, kd_loss_categorical_hinge, kd_loss_cce, kd_loss_cosine, kd_loss_hinge,
    kd_loss_kld, kd_loss_log_cosh, kd_loss_mae, kd_loss_mape, kd_loss_mse, kd_loss_msle, kd_loss_poisson,
    kd_loss_scce, kd_loss_squared_hinge;

static kd_sym wrapped(kd_graph *g, const kd_loss_kind *loss, const void *options, kd_sym y_true,
                      const kd_prediction *p, kd_sym weight) {
  const wrapped_options *o = options;
  kd_xent_options passed = {.from_logits = o->from_logits, .label_smoothing = o->label_smoothing};
  kd_object object = {.kind = &loss->base, .options = &passed};
  return kd_mean_update(g, kd_loss_values(g, &object, y_true, p), weight);
}

#define WRAPPED(id, function, loss_kind, class, other_names, text, options_table, value, better, log)        \
  static kd_sym function(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p,            \
                         kd_sym weight) {                                                                    \
    return wrapped(g, &loss_kind, options, y_true, p, weight);                                               \
  }                                                                                                          \
  extern const kd_metric_kind id;                                                                            \
  const kd_metric_kind id = {.base = {.name = class,                                                         \
                                      .aliases = other_names,                                                \
                                      .help = text,                                                          \
                                      .options = options_table,                                              \
                                      .options_size = sizeof(wrapped_options)},                              \
                             .n_state = kd_mean_n_state,                                                     \
                             .update = function,                                                             \
                             .result = value,                                                                \
                             .direction = better,                                                            \
                             .log_name = log}

WRAPPED(kd_metric_mse, update_mse, kd_loss_mse, "MeanSquaredError", "mean_squared_error|mse|MSE",
        "mean of squared errors", plain_table, kd_mean_result, -1, "mean_squared_error");
WRAPPED(kd_metric_rmse, update_rmse, kd_loss_mse, "RootMeanSquaredError", NULL,
        "root of the mean of squared errors", plain_table, root_result, -1, "root_mean_squared_error");
WRAPPED(kd_metric_mae, update_mae, kd_loss_mae, "MeanAbsoluteError", "mean_absolute_error|mae|MAE",
        "mean of absolute errors", plain_table, kd_mean_result, -1, "mean_absolute_error");
WRAPPED(kd_metric_bce, update_bce, kd_loss_bce, "BinaryCrossentropy", "binary_crossentropy|bce|BCE",
        "cross-entropy of yes-or-no labels", smooth_table, kd_mean_result, -1, "binary_crossentropy");
WRAPPED(kd_metric_cce, update_cce, kd_loss_cce, "CategoricalCrossentropy", "categorical_crossentropy",
        "cross-entropy of one-hot labels", smooth_table, kd_mean_result, -1, "categorical_crossentropy");
WRAPPED(kd_metric_scce, update_scce, kd_loss_scce, "SparseCategoricalCrossentropy",
        "sparse_categorical_crossentropy", "cross-entropy of class numbers", entropy_table, kd_mean_result,
        -1, "sparse_categorical_crossentropy");
WRAPPED(kd_metric_mape, update_mape, kd_loss_mape, "MeanAbsolutePercentageError",
        "mean_absolute_percentage_error|mape|MAPE", "mean of errors in percent of the labels", plain_table,
        kd_mean_result, -1, "mean_absolute_percentage_error");
WRAPPED(kd_metric_msle, update_msle, kd_loss_msle, "MeanSquaredLogarithmicError",
        "mean_squared_logarithmic_error|msle|MSLE", "mean of squared differences of log(1 + x)", plain_table,
        kd_mean_result, -1, "mean_squared_logarithmic_error");
WRAPPED(kd_metric_log_cosh, update_log_cosh, kd_loss_log_cosh, "LogCoshError", "log_cosh|logcosh",
        "logarithm of the error's hyperbolic cosine", plain_table, kd_mean_result, -1, "logcosh");
WRAPPED(kd_metric_poisson, update_poisson, kd_loss_poisson, "Poisson", "poisson",
        "negative log-likelihood of counts", plain_table, kd_mean_result, -1, "poisson");
WRAPPED(kd_metric_kld, update_kld, kd_loss_kld, "KLDivergence",
        "kl_divergence|kld|KLD|kullback_leibler_divergence", "Kullback-Leibler divergence", plain_table,
        kd_mean_result, -1, "kl_divergence");
WRAPPED(kd_metric_hinge, update_hinge, kd_loss_hinge, "Hinge", "hinge",
        "margin of labels -1 and 1 (or 0 and 1)", plain_table, kd_mean_result, -1, "hinge");
WRAPPED(kd_metric_squared_hinge, update_squared_hinge, kd_loss_squared_hinge, "SquaredHinge", "squared_hinge",
        "squared margin of labels -1 and 1", plain_table, kd_mean_result, -1, "squared_hinge");
WRAPPED(kd_metric_categorical_hinge, update_categorical_hinge, kd_loss_categorical_hinge, "CategoricalHinge",
        "categorical_hinge", "margin of one-hot labels", plain_table, kd_mean_result, -1,
        "categorical_hinge");
WRAPPED(kd_metric_cosine, update_cosine, kd_loss_cosine, "CosineSimilarity", "cosine_similarity",
        "cosine of the angle between labels and predictions", plain_table, negative_result, 1,
        "cosine_similarity");
