#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "layers/kinds/metric_counts.h"

/* Area under a curve of thresholds. */
typedef struct auc_options {
  kd_metric_common common;
  int64_t num_thresholds;
  int curve, summation;
  kd_floats thresholds;
  bool multi_label, from_logits;
  int64_t num_labels;
  kd_floats label_weights;
} auc_options;

enum { ROC, PR, PRGAIN, CURVES };
enum { INTERPOLATION, MAJORING, MINORING };

static const kd_option table[] = {
    KD_METRIC_NUM_THRESHOLDS(auc_options, 2),
    {.name = "curve",
     .type = KD_OPT_CHOICE,
     .offset = offsetof(auc_options, curve),
     .initial = "ROC",
     .help = "true over false positive rate; precision over recall; the same as gains over always yes",
     .choices = "ROC|PR|PRGAIN|roc|pr|prgain"},
    {.name = "summation_method",
     .type = KD_OPT_CHOICE,
     .offset = offsetof(auc_options, summation),
     .initial = "interpolation",
     .help = "between two thresholds: the middle, the larger or the smaller value",
     .choices = "interpolation|majoring|minoring"},
    KD_METRIC_COMMON(auc_options),
    {.name = "thresholds",
     .type = KD_OPT_FLOATS,
     .offset = offsetof(auc_options, thresholds),
     .initial = "none",
     .help = "thresholds between those below 0 and above 1; none: num_thresholds",
     .min = 0,
     .max = 1,
     .flags = KD_OPT_NONE_OK | KD_OPT_KEY_ONLY | KD_OPT_LIST},
    {.name = "multi_label",
     .type = KD_OPT_BOOL,
     .offset = offsetof(auc_options, multi_label),
     .initial = "false",
     .help = "mean of the areas of each label",
     .flags = KD_OPT_KEY_ONLY},
    {.name = "num_labels",
     .type = KD_OPT_INT,
     .offset = offsetof(auc_options, num_labels),
     .initial = "none",
     .help = "labels of multi_label; none: those of the prediction",
     .min = 1,
     .max = 1e9,
     .flags = KD_OPT_NONE_OK | KD_OPT_KEY_ONLY},
    {.name = "label_weights",
     .type = KD_OPT_FLOATS,
     .offset = offsetof(auc_options, label_weights),
     .initial = "none",
     .help = "weights of the labels, in the mean of multi_label or of each prediction",
     .min = 0,
     .max = (double)INFINITY,
     .flags = KD_OPT_NONE_OK | KD_OPT_KEY_ONLY | KD_OPT_LIST},
    {.name = "from_logits",
     .type = KD_OPT_BOOL,
     .offset = offsetof(auc_options, from_logits),
     .initial = "false",
     .help = "predictions are logits, not probabilities",
     .flags = KD_OPT_KEY_ONLY},
    {0},
};

static void check(const void *options, kd_diag *diag, kd_origin origin) {
  const auc_options *o = options;
  if (o->num_labels != KD_UNSET_INT && !o->multi_label)
    kd_diag_error(diag, origin, "metric AUC: num_labels is needed only with multi_label = true");
  if (o->num_labels != KD_UNSET_INT && o->label_weights.count > 0 && o->label_weights.count != o->num_labels)
    kd_diag_error(diag, origin, "metric AUC: %d label_weights for %lld labels", o->label_weights.count,
                  (long long)o->num_labels);
}

static int n_thresholds(const auc_options *o) {
  return o->thresholds.count > 0 ? o->thresholds.count + 2 : (int)o->num_thresholds;
}

/* Without the thresholds, which only an update needs. */
static kd_count_spec spec_of(const auc_options *o) {
  kd_count_spec spec = {.n = n_thresholds(o),
                        .open = true,
                        .top_k = KD_UNSET_INT,
                        .class_id = KD_UNSET_INT,
                        .by_label = o->multi_label};
  if (!o->multi_label) spec.label_weights = o->label_weights;
  return spec;
}

static int64_t n_state(const void *options, const kd_shape *y_pred) {
  kd_count_spec spec = spec_of(options);
  return kd_counts_n_state(&spec, y_pred);
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Given ones with an end on each side; they count as even when they are so with ends at 0 and 1. NULL: even.
 */
static const double *given_thresholds(kd_pool *pool, const auc_options *o) {
  int n = o->thresholds.count;
  if (n == 0) return NULL;
  double *all = kd_pool_alloc(pool, (size_t)n + 2, sizeof *all);
  memcpy(all + 1, o->thresholds.v, (size_t)n * sizeof *all);
  qsort(all + 1, (size_t)n, sizeof *all, by_size);
  all[n + 1] = 1;
  if (kd_thresholds_even(n + 2, all)) return NULL;
  all[0] = -KD_KERAS_EPSILON;
  all[n + 1] = 1 + KD_KERAS_EPSILON;
  return all;
}

static kd_sym update(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p, kd_sym weight) {
  const auc_options *o = options;
  kd_count_spec spec = spec_of(o);
  const kd_shape *shape = kd_sym_shape(g, p->y_pred);
  int64_t labels = shape->dim[shape->rank - 1];
  if (o->num_labels != KD_UNSET_INT && o->num_labels != labels)
    return kd_graph_fail(g, "num_labels = %lld, but predictions have %lld labels", (long long)o->num_labels,
                         (long long)labels);
  if (o->multi_label && o->label_weights.count > 0 && o->label_weights.count != labels)
    return kd_graph_fail(g, "%d label_weights for %lld labels", o->label_weights.count, (long long)labels);
  spec.threshold = given_thresholds(g->pool, o);
  kd_sym x = o->from_logits ? kd_unary(g, KD_PW_SIGMOID, p->y_pred) : p->y_pred;
  return kd_counts_update(g, &spec, y_true, x, weight);
}

/* A threshold's place on the curve. */
static void place(const kd_counts *c, int curve, double *x, double *y) {
  double positive = c->tp + c->fn, negative = c->fp + c->tn;
  double recall = kd_ratio(c->tp, positive);
  if (curve == ROC) {
    *x = kd_ratio(c->fp, negative);
    *y = recall;
  } else if (curve == PR) {
    *x = recall;
    *y = kd_ratio(c->tp, c->tp + c->fp);
  } else {
    double scale = kd_ratio(positive, negative);
    *x = c->tp == 0 ? 0 : fmax(1 - scale * c->fn / c->tp, 0);
    *y = c->tp == 0 ? 1 : 1 - scale * c->fp / c->tp;
  }
}

/* Precision between two thresholds is not linear: counts are interpolated (Davis and Goadrich 2006). */
static double precision_between(const kd_counts *low, const kd_counts *high) {
  double dtp = low->tp - high->tp, p_low = low->tp + low->fp, p_high = high->tp + high->fp;
  double slope = kd_ratio(dtp, fmax(p_low - p_high, 0)), intercept = high->tp - slope * p_high;
  double ratio = p_low > 0 && p_high > 0 ? p_low / p_high : 1;
  return kd_ratio(slope * (dtp + intercept * log(ratio)), fmax(high->tp + high->fn, 0));
}

static double area_between(const auc_options *o, const kd_counts *low, const kd_counts *high) {
  int curve = o->curve % CURVES;
  if (curve == PR && o->summation == INTERPOLATION) return precision_between(low, high);
  double x_low, y_low, x_high, y_high;
  place(low, curve, &x_low, &y_low);
  place(high, curve, &x_high, &y_high);
  double height = o->summation == INTERPOLATION ? (y_low + y_high) / 2
                  : o->summation == MAJORING    ? fmax(y_low, y_high)
                                                : fmin(y_low, y_high);
  return (x_low - x_high) * height;
}

static double area(const auc_options *o, int n, const double *state) {
  kd_counts counts = kd_counts_above(n, state);
  double sum = 0;
  kd_counts_lower(&counts, n, state);
  for (int b = n - 1; b > 0; b--) {
    kd_counts high = counts;
    kd_counts_lower(&counts, b, state);
    sum += area_between(o, &counts, &high);
  }
  return sum;
}

static double result(const void *options, int n_state_, const double *state, int number) {
  (void)number;
  const auc_options *o = options;
  int n = n_thresholds(o), each = 2 * (n + 1), labels = n_state_ / each;
  double sum = 0, weights = 0;
  for (int i = 0; i < labels; i++) {
    double weight = o->multi_label && o->label_weights.count > 0 ? o->label_weights.v[i] : 1;
    sum += weight * area(o, n, state + (size_t)i * (size_t)each);
    weights += weight;
  }
  return kd_ratio(sum, weights);
}

extern const kd_metric_kind kd_metric_auc;
const kd_metric_kind kd_metric_auc = {.base = {.name = "AUC",
                                               .aliases = "auc",
                                               .help = "area under the ROC or precision-recall curve",
                                               .options = table,
                                               .options_size = sizeof(auc_options),
                                               .check = check},
                                      .n_state = n_state,
                                      .update = update,
                                      .result = result,
                                      .ignores_mask = true,
                                      .numbered = true,
                                      .direction = 1,
                                      .log_name = "auc"};
