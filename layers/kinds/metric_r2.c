#include <math.h>

#include "layers/kinds/loss_table.h"

/* The share of the labels' variance that predictions explain. State per column: weighted sums of labels,
 * their squares and squared errors, and of weights; behind them the number of labels. */
typedef struct r2_options {
  kd_metric_common common;
  int aggregation;
  int64_t num_regressors;
} r2_options;

enum { NO_AGGREGATION = -1, UNIFORM, BY_VARIANCE };
enum { SUM, SQUARES, ERRORS, WEIGHTS, PARTS };

static const kd_option table[] = {
    {.name = "class_aggregation",
     .type = KD_OPT_CHOICE,
     .offset = offsetof(r2_options, aggregation),
     .initial = "uniform_average",
     .help = "how columns become one value; none: a value each, NAME.0, NAME.1 ...",
     .choices = "uniform_average|variance_weighted_average",
     .flags = KD_OPT_NONE_OK},
    {.name = "num_regressors",
     .type = KD_OPT_INT,
     .offset = offsetof(r2_options, num_regressors),
     .initial = "0",
     .help = "adjusts the score to that many independent predictors",
     .min = 0,
     .max = 1e9},
    KD_METRIC_COMMON(r2_options),
    {0},
};

static int64_t n_state(const void *options, const kd_shape *y_pred) {
  (void)options;
  return PARTS * y_pred->dim[y_pred->rank - 1] + 1;
}

static int n_results(const void *options, const kd_shape *y_pred) {
  const r2_options *o = options;
  return o->aggregation == NO_AGGREGATION ? (int)y_pred->dim[y_pred->rank - 1] : 1;
}

static kd_sym update(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p, kd_sym weight) {
  (void)options;
  kd_sym y = kd_cast(g, kd_align_labels(g, y_true, p->y_pred, false), KD_F32);
  if (y == KD_NO_SYM || p->y_pred == KD_NO_SYM) return KD_NO_SYM;
  kd_shape truth = *kd_sym_shape(g, y), shape = *kd_sym_shape(g, p->y_pred);
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  if (shape.rank != 2 || !kd_shape_equal(&truth, &shape))
    return kd_graph_fail(g, "R2Score needs labels and predictions (rows, columns), not shapes %s and %s",
                         kd_shape_text(&truth, a), kd_shape_text(&shape, b));
  kd_sym factor = weight == KD_NO_SYM ? kd_const(g, 1) : kd_reshape(g, weight, KD_SHAPE(shape.dim[0], 1));
  kd_sym weighted = kd_mul(g, y, factor), error = kd_sub(g, y, p->y_pred);
  kd_sym part[PARTS + 1] = {weighted, kd_mul(g, y, weighted),
                            kd_mul(g, kd_unary(g, KD_PW_SQUARE, error), factor),
                            kd_broadcast(g, factor, shape)};
  for (int i = 0; i < PARTS; i++) part[i] = kd_reduce(g, KD_REDUCE_SUM, part[i], 1, (int[]){0}, false);
  part[PARTS] = kd_full(g, KD_SHAPE(1), (double)kd_shape_count(&shape));
  return kd_concat(g, PARTS + 1, part, 0);
}

/* Also the variance of the column, times its weight. */
static double raw_score(const double *state, int columns, int c, double *variance) {
  double sum = state[SUM * columns + c], weights = state[WEIGHTS * columns + c];
  *variance = state[SQUARES * columns + c] - sum * (sum / weights);
  double score = 1 - state[ERRORS * columns + c] / *variance;
  return isinf(score) ? 0 : score;
}

/* Falls back to the plain score where there are too few samples, as Keras does. */
static double adjusted(double score, double samples, double regressors) {
  if (regressors == 0 || regressors >= samples - 1) return score;
  return 1 - (1 - score) * (samples - 1) / (samples - regressors - 1);
}

static double result(const void *options, int n, const double *state, int number) {
  const r2_options *o = options;
  int columns = (n - 1) / PARTS;
  double samples = state[n - 1], regressors = (double)o->num_regressors, uniform = 0, weighted = 0, total = 0;
  if (samples == 0) return 0;
  for (int c = 0; c < columns; c++) {
    double variance, score = raw_score(state, columns, c, &variance);
    if (o->aggregation == NO_AGGREGATION && c == number) return adjusted(score, samples, regressors);
    uniform += score / columns;
    weighted += score * variance;
    total += variance;
  }
  return adjusted(o->aggregation == UNIFORM ? uniform : weighted / total, samples, regressors);
}

extern const kd_metric_kind kd_metric_r2;
const kd_metric_kind kd_metric_r2 = {
    .base = {.name = "R2Score",
             .aliases = "r2_score",
             .help = "share of the labels' variance that predictions explain",
             .options = table,
             .options_size = sizeof(r2_options)},
    .n_state = n_state,
    .n_results = n_results,
    .update = update,
    .result = result,
    .ignores_mask = true,
    .direction = 1,
    .log_name = "r2_score"};
