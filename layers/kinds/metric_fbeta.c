#include "layers/kinds/loss_table.h"

/* F-scores of one-hot or yes-or-no labels. State per class: true positives, predictions and labels, weighted.
 */
typedef struct fbeta_options {
  kd_metric_common common;
  int average;
  double beta; /* 0 in F1Score: 1 */
  double threshold;
} fbeta_options;

enum { NO_AVERAGE = -1, MICRO, MACRO, WEIGHTED };
enum { TRUE_POSITIVES, PREDICTED, LABELLED, PARTS };

#define AVERAGE                                                                                              \
  {                                                                                                          \
    .name = "average", .type = KD_OPT_CHOICE, .offset = offsetof(fbeta_options, average), .initial = "none", \
    .help = "how classes become one value; none: a value each, NAME.0, NAME.1 ...",                          \
    .choices = "micro|macro|weighted", .flags = KD_OPT_NONE_OK                                               \
  }
#define THRESHOLD                                                                                            \
  {                                                                                                          \
    .name = "threshold", .type = KD_OPT_FLOAT, .offset = offsetof(fbeta_options, threshold),                 \
    .initial = "none", .help = "predictions above it mean yes; none: the largest of a sample", .min = 0,     \
    .max = 1, .flags = KD_OPT_NONE_OK | KD_OPT_OPEN_MIN                                                      \
  }

static const kd_option f1_table[] = {AVERAGE, THRESHOLD, KD_METRIC_COMMON(fbeta_options), {0}};
static const kd_option fbeta_table[] = {AVERAGE,
                                        {.name = "beta",
                                         .type = KD_OPT_FLOAT,
                                         .offset = offsetof(fbeta_options, beta),
                                         .initial = "1.0",
                                         .help = "weight of recall against precision",
                                         .min = 0,
                                         .flags = KD_OPT_OPEN_MIN},
                                        THRESHOLD,
                                        KD_METRIC_COMMON(fbeta_options),
                                        {0}};

static int64_t classes_of(const kd_shape *y_pred) {
  return y_pred->dim[y_pred->rank - 1];
}

static int64_t n_state(const void *options, const kd_shape *y_pred) {
  (void)options;
  return PARTS * classes_of(y_pred);
}

static int n_results(const void *options, const kd_shape *y_pred) {
  const fbeta_options *o = options;
  return o->average == NO_AVERAGE ? (int)classes_of(y_pred) : 1;
}

/* 1 where the prediction means yes. A sample of zeros has no largest prediction. */
static kd_sym decisions(kd_graph *g, const fbeta_options *o, kd_sym x) {
  if (o->threshold != KD_UNSET_FLOAT) return kd_binary(g, KD_PW_LT, kd_const(g, o->threshold), x);
  kd_sym largest = kd_binary(g, KD_PW_LE, kd_reduce_last(g, KD_REDUCE_MAX, x, true), x);
  kd_sym there = kd_binary(g, KD_PW_LT, kd_const(g, 1e-9), kd_unary(g, KD_PW_ABS, x));
  return kd_binary(g, KD_PW_AND, largest, there);
}

static kd_sym update(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p, kd_sym weight) {
  kd_sym y = kd_cast(g, kd_align_labels(g, y_true, p->y_pred, false), KD_F32);
  if (y == KD_NO_SYM || p->y_pred == KD_NO_SYM) return KD_NO_SYM;
  const kd_shape *truth = kd_sym_shape(g, y), *shape = kd_sym_shape(g, p->y_pred);
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  if (shape->rank != 2 || !kd_shape_equal(truth, shape))
    return kd_graph_fail(g, "F-scores need labels and predictions (rows, classes), not shapes %s and %s",
                         kd_shape_text(truth, a), kd_shape_text(shape, b));
  kd_sym yes = decisions(g, options, p->y_pred);
  kd_sym part[PARTS] = {kd_mul(g, yes, y), yes, y};
  for (int i = 0; i < PARTS; i++) {
    if (weight != KD_NO_SYM) part[i] = kd_mul(g, part[i], kd_reshape(g, weight, KD_SHAPE(shape->dim[0], 1)));
    part[i] = kd_reduce(g, KD_REDUCE_SUM, part[i], 1, (int[]){0}, false);
  }
  return kd_concat(g, PARTS, part, 0);
}

static double score(double beta, double tp, double predicted, double labelled) {
  double precision = tp / (predicted + KD_KERAS_EPSILON), recall = tp / (labelled + KD_KERAS_EPSILON);
  double mean = precision * recall / (beta * beta * precision + recall + KD_KERAS_EPSILON);
  return mean * (1 + beta * beta);
}

static double result(const void *options, int n, const double *state, int number) {
  const fbeta_options *o = options;
  const double *tp = state, *predicted = state + n / PARTS, *labelled = predicted + n / PARTS;
  double beta = o->beta > 0 ? o->beta : 1, sum[PARTS] = {0}, macro = 0, weighted = 0;
  if (o->average == NO_AVERAGE) return score(beta, tp[number], predicted[number], labelled[number]);
  int classes = n / PARTS;
  for (int c = 0; c < classes; c++) {
    double value = score(beta, tp[c], predicted[c], labelled[c]);
    macro += value / classes;
    weighted += value * labelled[c];
    sum[TRUE_POSITIVES] += tp[c];
    sum[PREDICTED] += predicted[c];
    sum[LABELLED] += labelled[c];
  }
  if (o->average == MACRO) return macro;
  if (o->average == WEIGHTED) return weighted / (sum[LABELLED] + KD_KERAS_EPSILON);
  return score(beta, sum[TRUE_POSITIVES], sum[PREDICTED], sum[LABELLED]);
}

#define FSCORE(id, class, log, text, table)                                                                  \
  extern const kd_metric_kind id;                                                                            \
  const kd_metric_kind id = {.base = {.name = class,                                                         \
                                      .aliases = log,                                                        \
                                      .help = text,                                                          \
                                      .options = table,                                                      \
                                      .options_size = sizeof(fbeta_options)},                                \
                             .n_state = n_state,                                                             \
                             .n_results = n_results,                                                         \
                             .update = update,                                                               \
                             .result = result,                                                               \
                             .ignores_mask = true,                                                           \
                             .direction = 1,                                                                 \
                             .log_name = log}

FSCORE(kd_metric_f1, "F1Score", "f1_score", "harmonic mean of precision and recall", f1_table);
FSCORE(kd_metric_fbeta, "FBetaScore", "fbeta_score", "weighted harmonic mean of precision and recall",
       fbeta_table);
