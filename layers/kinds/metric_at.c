#include "layers/kinds/metric_counts.h"

/* The best of one rate where another is high enough. */
typedef struct at_options {
  kd_metric_common common;
  double least;
  int64_t num_thresholds, class_id;
} at_options;

#define AT_TABLE(id, option, text)                                                                           \
  static const kd_option id[] = {                                                                            \
      {.name = option,                                                                                       \
       .type = KD_OPT_FLOAT,                                                                                 \
       .offset = offsetof(at_options, least),                                                                \
       .help = text,                                                                                         \
       .min = 0,                                                                                             \
       .max = 1,                                                                                             \
       .flags = KD_OPT_REQUIRED},                                                                            \
      KD_METRIC_NUM_THRESHOLDS(at_options, 1),                                                               \
      KD_METRIC_CLASS_ID(at_options),                                                                        \
      KD_METRIC_COMMON(at_options),                                                                          \
      {0},                                                                                                   \
  }

AT_TABLE(specificity_table, "specificity", "least specificity");
AT_TABLE(sensitivity_table, "sensitivity", "least sensitivity");
AT_TABLE(recall_table, "recall", "least recall");
AT_TABLE(precision_table, "precision", "least precision");

static kd_count_spec spec_of(const void *options) {
  static const double half = 0.5;
  const at_options *o = options;
  return (kd_count_spec){.n = (int)o->num_thresholds,
                         .threshold = o->num_thresholds == 1 ? &half : NULL,
                         .top_k = KD_UNSET_INT,
                         .class_id = o->class_id};
}

static int64_t n_state(const void *options, const kd_shape *y_pred) {
  kd_count_spec spec = spec_of(options);
  return kd_counts_n_state(&spec, y_pred);
}

static kd_sym update(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p, kd_sym weight) {
  kd_count_spec spec = spec_of(options);
  return kd_counts_update(g, &spec, y_true, p->y_pred, weight);
}

typedef double rate_fn(const kd_counts *c);

static double recall(const kd_counts *c) {
  return kd_ratio(c->tp, c->tp + c->fn);
}

static double specificity(const kd_counts *c) {
  return kd_ratio(c->tn, c->tn + c->fp);
}

static double precision(const kd_counts *c) {
  return kd_ratio(c->tp, c->tp + c->fp);
}

/* Rates are compared in float32, as Keras does: 0.3 is enough for 0.3. */
static double best(const at_options *o, const double *state, rate_fn *wanted, rate_fn *constrained) {
  int n = (int)o->num_thresholds;
  kd_counts counts = kd_counts_above(n, state);
  double highest = 0;
  for (int b = n; b > 0; b--) {
    kd_counts_lower(&counts, b, state);
    double value = wanted(&counts);
    if ((float)constrained(&counts) >= (float)o->least && value > highest) highest = value;
  }
  return highest;
}

#define AT(id, class, log, text, table, function, wanted, constrained)                                       \
  static double function(const void *options, int n, const double *state, int number) {                      \
    (void)n, (void)number;                                                                                   \
    return best(options, state, wanted, constrained);                                                        \
  }                                                                                                          \
  extern const kd_metric_kind id;                                                                            \
  const kd_metric_kind id = {.base = {.name = class,                                                         \
                                      .aliases = log,                                                        \
                                      .help = text,                                                          \
                                      .options = table,                                                      \
                                      .options_size = sizeof(at_options)},                                   \
                             .n_state = n_state,                                                             \
                             .update = update,                                                               \
                             .result = function,                                                             \
                             .ignores_mask = true,                                                           \
                             .numbered = true,                                                               \
                             .direction = 1,                                                                 \
                             .log_name = log}

AT(kd_metric_precision_at_recall, "PrecisionAtRecall", "precision_at_recall",
   "best precision of thresholds with enough recall", recall_table, precision_at, precision, recall);
AT(kd_metric_recall_at_precision, "RecallAtPrecision", "recall_at_precision",
   "best recall of thresholds with enough precision", precision_table, recall_at, recall, precision);
AT(kd_metric_sensitivity_at, "SensitivityAtSpecificity", "sensitivity_at_specificity",
   "best sensitivity (recall) of thresholds with enough specificity", specificity_table, sensitivity_at,
   recall, specificity);
AT(kd_metric_specificity_at, "SpecificityAtSensitivity", "specificity_at_sensitivity",
   "best specificity of thresholds with enough sensitivity (recall)", sensitivity_table, specificity_at,
   specificity, recall);
