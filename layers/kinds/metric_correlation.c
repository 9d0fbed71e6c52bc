#include "layers/kinds/metric_mean.h"

/* Correlation of labels and predictions along the last axis of each sample, averaged over samples. */
typedef struct correlation_options {
  kd_metric_common common;
  int64_t axis;
} correlation_options;

static const kd_option table[] = {
    KD_METRIC_COMMON(correlation_options),
    {.name = "axis",
     .type = KD_OPT_INT,
     .offset = offsetof(correlation_options, axis),
     .initial = "-1",
     .help = "axis of the values: the last",
     .min = -1,
     .max = -1,
     .flags = KD_OPT_KEY_ONLY},
    {0},
};

static kd_sym mean_of(kd_graph *g, kd_sym x) {
  return kd_reduce_last(g, KD_REDUCE_MEAN, x, true);
}

static kd_sym variance_of(kd_graph *g, kd_sym centred) {
  return mean_of(g, kd_unary(g, KD_PW_SQUARE, centred));
}

static kd_sym pearson(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p,
                      kd_sym weight) {
  (void)options;
  kd_sym y = kd_cast(g, kd_align_labels(g, y_true, p->y_pred, false), KD_F32), x = p->y_pred;
  y = kd_sub(g, y, mean_of(g, y));
  x = kd_sub(g, x, mean_of(g, x));
  y = kd_div(g, y, kd_unary(g, KD_PW_SQRT, variance_of(g, y)));
  x = kd_div(g, x, kd_unary(g, KD_PW_SQRT, variance_of(g, x)));
  return kd_mean_update(g, kd_mean_last(g, kd_mul(g, y, x)), weight);
}

/* Keras takes the covariance around the predictions' mean. */
static kd_sym concordance(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p,
                          kd_sym weight) {
  (void)options;
  kd_sym y = kd_cast(g, kd_align_labels(g, y_true, p->y_pred, false), KD_F32), x = p->y_pred;
  kd_sym y_mean = mean_of(g, y), x_mean = mean_of(g, x), around = kd_sub(g, x, x_mean);
  kd_sym norm = kd_add(g, variance_of(g, kd_sub(g, y, y_mean)), variance_of(g, around));
  norm = kd_add(g, norm, kd_unary(g, KD_PW_SQUARE, kd_sub(g, y_mean, x_mean)));
  kd_sym covariance = kd_scale(g, kd_mul(g, kd_sub(g, y, x_mean), around), 2);
  kd_sym values = kd_div(g, covariance, kd_shift(g, norm, KD_KERAS_EPSILON));
  return kd_mean_update(g, kd_mean_last(g, values), weight);
}

#define CORRELATION(id, class, log, text, function)                                                          \
  extern const kd_metric_kind id;                                                                            \
  const kd_metric_kind id = {.base = {.name = class,                                                         \
                                      .aliases = log,                                                        \
                                      .help = text,                                                          \
                                      .options = table,                                                      \
                                      .options_size = sizeof(correlation_options)},                          \
                             .n_state = kd_mean_n_state,                                                     \
                             .update = function,                                                             \
                             .result = kd_mean_result,                                                       \
                             .direction = 1,                                                                 \
                             .log_name = log}

CORRELATION(kd_metric_concordance, "ConcordanceCorrelation", "concordance_correlation",
            "concordance of the values of a sample", concordance);
CORRELATION(kd_metric_pearson, "PearsonCorrelation", "pearson_correlation",
            "correlation of the values of a sample", pearson);
