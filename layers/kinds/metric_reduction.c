#include "layers/kinds/metric_mean.h"

/* Keras's reductions of one tensor, as its compile() calls them: labels, weighted by predictions. */
typedef struct reduction_options {
  kd_metric_common common;
} reduction_options;

static const kd_option table[] = {KD_METRIC_COMMON(reduction_options), {0}};

static kd_sym mean(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p, kd_sym weight) {
  (void)options;
  if (weight != KD_NO_SYM)
    return kd_graph_fail(g, "Mean takes no weights of samples: predictions are its weights");
  return kd_mean_update(g, kd_cast(g, kd_align_labels(g, y_true, p->y_pred, false), KD_F32), p->y_pred);
}

static kd_sym sum(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p, kd_sym weight) {
  (void)options;
  if (weight != KD_NO_SYM)
    return kd_graph_fail(g, "Sum takes no weights of samples: predictions are its weights");
  kd_sym y = kd_cast(g, kd_align_labels(g, y_true, p->y_pred, false), KD_F32);
  kd_sym total = kd_reduce_all(g, KD_REDUCE_SUM, kd_mul(g, y, p->y_pred));
  return kd_reshape(g, total, KD_SHAPE(1));
}

static int64_t one(const void *options, const kd_shape *y_pred) {
  (void)options, (void)y_pred;
  return 1;
}

static double sum_result(const void *options, int n_state, const double *state, int number) {
  (void)options, (void)n_state, (void)number;
  return state[0];
}

#define REDUCTION(id, class, log, text, count, function, value)                                              \
  extern const kd_metric_kind id;                                                                            \
  const kd_metric_kind id = {.base = {.name = class,                                                         \
                                      .aliases = log,                                                        \
                                      .help = text,                                                          \
                                      .options = table,                                                      \
                                      .options_size = sizeof(reduction_options)},                            \
                             .n_state = count,                                                               \
                             .update = function,                                                             \
                             .result = value,                                                                \
                             .ignores_mask = true,                                                           \
                             .log_name = log}

REDUCTION(kd_metric_mean, "Mean", "mean", "mean of the labels, weighted by the predictions", kd_mean_n_state,
          mean, kd_mean_result);
REDUCTION(kd_metric_sum, "Sum", "sum", "sum of the labels, weighted by the predictions", one, sum,
          sum_result);
