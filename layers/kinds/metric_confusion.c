#include "layers/kinds/metric_counts.h"

/* Counts at thresholds, and precision and recall. */
typedef struct confusion_options {
  kd_metric_common common;
  kd_floats thresholds;
  int64_t top_k, class_id;
} confusion_options;

static const kd_option count_table[] = {
    KD_METRIC_THRESHOLDS(confusion_options), KD_METRIC_COMMON(confusion_options), {0}};
static const kd_option ratio_table[] = {
    KD_METRIC_THRESHOLDS(confusion_options),
    {.name = "top_k",
     .type = KD_OPT_INT,
     .offset = offsetof(confusion_options, top_k),
     .initial = "none",
     .help = "only that many best predictions of a sample mean yes; without thresholds, all of them do",
     .min = 1,
     .max = 1e6,
     .flags = KD_OPT_NONE_OK},
    KD_METRIC_CLASS_ID(confusion_options),
    KD_METRIC_COMMON(confusion_options),
    {0},
};

/* The counts have no top_k and class_id. */
static kd_count_spec count_spec(const void *options) {
  static const double half = 0.5;
  const confusion_options *o = options;
  kd_count_spec spec = {.n = 1, .threshold = &half, .top_k = KD_UNSET_INT, .class_id = KD_UNSET_INT};
  if (o->thresholds.count > 0) {
    spec.n = o->thresholds.count;
    spec.threshold = o->thresholds.v;
  }
  return spec;
}

static kd_count_spec ratio_spec(const void *options) {
  static const double lowest = -1e10; /* what top_k leaves out is at it */
  const confusion_options *o = options;
  kd_count_spec spec = count_spec(options);
  if (o->thresholds.count == 0 && o->top_k != KD_UNSET_INT) spec.threshold = &lowest;
  spec.top_k = o->top_k;
  spec.class_id = o->class_id;
  return spec;
}

static int64_t n_state(const void *options, const kd_shape *y_pred) {
  kd_count_spec spec = count_spec(options);
  return kd_counts_n_state(&spec, y_pred);
}

static int n_results(const void *options, const kd_shape *y_pred) {
  (void)y_pred;
  return count_spec(options).n;
}

static kd_sym count(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p, kd_sym weight) {
  kd_count_spec spec = count_spec(options);
  return kd_counts_update(g, &spec, y_true, p->y_pred, weight);
}

static kd_sym count_chosen(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p,
                           kd_sym weight) {
  kd_count_spec spec = ratio_spec(options);
  return kd_counts_update(g, &spec, y_true, p->y_pred, weight);
}

static kd_counts counts_of(const void *options, const double *state, int number) {
  kd_count_spec spec = count_spec(options);
  return kd_counts_at(&spec, number, state);
}

static double true_positives(const void *options, int n, const double *state, int number) {
  (void)n;
  return counts_of(options, state, number).tp;
}

static double false_positives(const void *options, int n, const double *state, int number) {
  (void)n;
  return counts_of(options, state, number).fp;
}

static double true_negatives(const void *options, int n, const double *state, int number) {
  (void)n;
  return counts_of(options, state, number).tn;
}

static double false_negatives(const void *options, int n, const double *state, int number) {
  (void)n;
  return counts_of(options, state, number).fn;
}

static double precision(const void *options, int n, const double *state, int number) {
  (void)n;
  kd_counts c = counts_of(options, state, number);
  return kd_ratio(c.tp, c.tp + c.fp);
}

static double recall(const void *options, int n, const double *state, int number) {
  (void)n;
  kd_counts c = counts_of(options, state, number);
  return kd_ratio(c.tp, c.tp + c.fn);
}

#define CONFUSION(id, class, other_name, text, table, function, value, better)                               \
  extern const kd_metric_kind id;                                                                            \
  const kd_metric_kind id = {.base = {.name = class,                                                         \
                                      .aliases = other_name,                                                 \
                                      .help = text,                                                          \
                                      .options = table,                                                      \
                                      .options_size = sizeof(confusion_options)},                            \
                             .n_state = n_state,                                                             \
                             .n_results = n_results,                                                         \
                             .update = function,                                                             \
                             .result = value,                                                                \
                             .ignores_mask = true,                                                           \
                             .numbered = true,                                                               \
                             .direction = better,                                                            \
                             .log_name = other_name}

CONFUSION(kd_metric_false_negatives, "FalseNegatives", "false_negatives", "labels 1 that are not predicted",
          count_table, count, false_negatives, 0);
CONFUSION(kd_metric_false_positives, "FalsePositives", "false_positives", "predictions of labels 0 as 1",
          count_table, count, false_positives, 0);
CONFUSION(kd_metric_true_negatives, "TrueNegatives", "true_negatives", "labels 0 that are predicted",
          count_table, count, true_negatives, 0);
CONFUSION(kd_metric_true_positives, "TruePositives", "true_positives", "labels 1 that are predicted",
          count_table, count, true_positives, 0);
CONFUSION(kd_metric_precision, "Precision", "precision", "share of labels 1 among what is predicted as 1",
          ratio_table, count_chosen, precision, 1);
CONFUSION(kd_metric_recall, "Recall", "recall", "share of what is predicted as 1 among labels 1", ratio_table,
          count_chosen, recall, 1);
