/* Losses of how much labels and predictions overlap: Dice and Tversky. Without an axis, or with the batch
 * among the axes, they are functions of sums over the whole batch (kd_whole_loss); else of each row. */
#include "layers/kinds/loss_table.h"

typedef struct overlap_options {
  kd_loss_common common;
  kd_ints axis; /* none: all */
  double alpha, beta;
} overlap_options;

#define ROW_AXIS                                                                                             \
  {                                                                                                          \
    .name = "axis", .type = KD_OPT_INTS, .offset = offsetof(overlap_options, axis), .initial = "none",       \
    .help = "axes that are summed, 0: the batch; none: all, one loss of the whole batch",                    \
    .min = -KD_MAX_RANK, .max = KD_MAX_RANK - 1, .flags = KD_OPT_NONE_OK | KD_OPT_KEY_ONLY                   \
  }
#define ROW_FACTOR(field, text)                                                                              \
  {                                                                                                          \
    .name = #field, .type = KD_OPT_FLOAT, .offset = offsetof(overlap_options, field), .initial = "0.5",      \
    .help = text, .min = 0, .max = 1e30                                                                      \
  }

static const kd_option dice_table[] = {ROW_AXIS, KD_LOSS_COMMON(overlap_options), {0}};
static const kd_option tversky_table[] = {
    ROW_FACTOR(alpha, "weight of labels that are missed"),
    ROW_FACTOR(beta, "weight of predictions without a label"),
    ROW_AXIS,
    KD_LOSS_COMMON(overlap_options),
    {0},
};

/* Which axes of that many are summed. */
typedef struct summed {
  bool axis[KD_MAX_RANK];
  int wrong; /* an axis that is none of them; KD_MAX_RANK: all are good */
} summed;

static summed summed_axes(const overlap_options *o, int rank) {
  summed s = {.wrong = KD_MAX_RANK};
  for (int i = 0; o->axis.count == 0 && i < rank; i++) s.axis[i] = true;
  for (int i = 0; i < o->axis.count; i++) {
    int64_t axis = o->axis.v[i] < 0 ? o->axis.v[i] + rank : o->axis.v[i];
    if (axis < 0 || axis >= rank)
      s.wrong = (int)o->axis.v[i];
    else
      s.axis[axis] = true;
  }
  return s;
}

/* Positions of the axes behind the batch that are not summed. */
static int64_t kept(const overlap_options *o, const kd_shape *y_pred) {
  summed s = summed_axes(o, y_pred->rank);
  int64_t count = 1;
  for (int i = 1; i < y_pred->rank; i++) count *= s.axis[i] ? 1 : y_pred->dim[i];
  return count;
}

static int64_t values_per_row(const void *options, const kd_shape *y_pred) {
  return kept(options, y_pred);
}

static int64_t n_state(const void *options, const kd_shape *y_pred, int64_t rows) {
  (void)rows;
  return summed_axes(options, y_pred->rank).axis[0] ? 3 * kept(options, y_pred) : 0;
}

static kd_sym sum(kd_graph *g, const overlap_options *o, kd_sym x) {
  int axes[KD_MAX_RANK], n = 0, rank = kd_sym_shape(g, x)->rank;
  summed s = summed_axes(o, rank);
  for (int i = 0; i < rank; i++)
    if (s.axis[i]) axes[n++] = i;
  return kd_reduce(g, KD_REDUCE_SUM, x, n, axes, false);
}

/* Labels as floats; KD_NO_SYM with an error when the shapes or the axes do not fit. */
static kd_sym labels(kd_graph *g, const overlap_options *o, kd_sym y_true, kd_sym y_pred) {
  if (y_true == KD_NO_SYM || y_pred == KD_NO_SYM) return KD_NO_SYM;
  const kd_shape *truth = kd_sym_shape(g, y_true), *shape = kd_sym_shape(g, y_pred);
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  int wrong = summed_axes(o, shape->rank).wrong;
  if (wrong != KD_MAX_RANK)
    return kd_graph_fail(g, "axis %d is none of predictions of shape %s", wrong, kd_shape_text(shape, a));
  if (!kd_shape_equal(truth, shape))
    return kd_graph_fail(g, "labels of shape %s and predictions of shape %s: they must be equal",
                         kd_shape_text(truth, a), kd_shape_text(shape, b));
  return kd_cast(g, y_true, KD_F32);
}

static kd_sym joined(kd_graph *g, kd_sym a, kd_sym b, kd_sym c, int64_t n) {
  kd_sym parts[] = {kd_reshape(g, a, KD_SHAPE(n / 3)), kd_reshape(g, b, KD_SHAPE(n / 3)),
                    kd_reshape(g, c, KD_SHAPE(n / 3))};
  return kd_concat(g, 3, parts, 0);
}

/* Of each position that is kept the values are averaged or added up; a single one stays what it is. */
static double share(const overlap_options *o, int64_t positions) {
  return o->common.reduction == KD_RED_SUM ? 1.0 : 1.0 / (double)positions;
}

/* --- Dice: 1 - 2 sum(y p) / (sum(y) + sum(p)) --- */

static kd_sym dice(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  const overlap_options *o = options;
  kd_sym y = labels(g, o, y_true, p->y_pred);
  if (y == KD_NO_SYM) return KD_NO_SYM;
  kd_sym both = kd_scale(g, sum(g, o, kd_mul(g, y, p->y_pred)), 2);
  kd_sym all = kd_shift(g, kd_add(g, sum(g, o, y), sum(g, o, p->y_pred)), KD_KERAS_EPSILON);
  return kd_sub(g, kd_const(g, 1.0), kd_div(g, both, all));
}

static kd_sym dice_state(kd_graph *g, const void *options, kd_sym y_true, kd_sym y_pred, kd_sym first,
                         int64_t n) {
  const overlap_options *o = options;
  kd_sym y = labels(g, o, y_true, y_pred);
  (void)first;
  if (y == KD_NO_SYM) return KD_NO_SYM;
  return joined(g, sum(g, o, kd_mul(g, y, y_pred)), sum(g, o, y), sum(g, o, y_pred), n);
}

static double dice_value(const void *options, const kd_shape *y_pred, int64_t n_state, const float *state,
                         double *slope) {
  int64_t n = n_state / 3;
  double loss = 0, part = share(options, n);
  (void)y_pred;
  for (int64_t i = 0; i < n; i++) {
    double both = 2 * (double)state[i],
           all = (double)state[n + i] + (double)state[2 * n + i] + KD_KERAS_EPSILON;
    loss += part * (1 - both / all);
    if (!slope) continue;
    slope[i] = -part * 2 / all;
    slope[n + i] = slope[2 * n + i] = part * both / (all * all);
  }
  return loss;
}

/* --- Tversky: 1 - sum(y p) / (sum(y p) + alpha sum(y (1 - p)) + beta sum((1 - y) p)) --- */

static kd_sym rest(kd_graph *g, kd_sym x) {
  return kd_sub(g, kd_const(g, 1.0), x);
}

static kd_sym tversky(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  const overlap_options *o = options;
  kd_sym y = labels(g, o, y_true, p->y_pred);
  if (y == KD_NO_SYM) return KD_NO_SYM;
  kd_sym both = sum(g, o, kd_mul(g, y, p->y_pred));
  kd_sym missed = kd_scale(g, sum(g, o, kd_mul(g, rest(g, p->y_pred), y)), o->alpha);
  kd_sym wrong = kd_scale(g, sum(g, o, kd_mul(g, p->y_pred, rest(g, y))), o->beta);
  kd_sym all = kd_shift(g, kd_add(g, both, kd_add(g, missed, wrong)), KD_KERAS_EPSILON);
  return kd_sub(g, kd_const(g, 1.0), kd_div(g, both, all));
}

static kd_sym tversky_state(kd_graph *g, const void *options, kd_sym y_true, kd_sym y_pred, kd_sym first,
                            int64_t n) {
  const overlap_options *o = options;
  kd_sym y = labels(g, o, y_true, y_pred);
  (void)first;
  if (y == KD_NO_SYM) return KD_NO_SYM;
  return joined(g, sum(g, o, kd_mul(g, y, y_pred)), sum(g, o, kd_mul(g, rest(g, y_pred), y)),
                sum(g, o, kd_mul(g, y_pred, rest(g, y))), n);
}

static double tversky_value(const void *options, const kd_shape *y_pred, int64_t n_state, const float *state,
                            double *slope) {
  const overlap_options *o = options;
  int64_t n = n_state / 3;
  double loss = 0, part = share(o, n);
  (void)y_pred;
  for (int64_t i = 0; i < n; i++) {
    double both = (double)state[i];
    double others = o->alpha * (double)state[n + i] + o->beta * (double)state[2 * n + i] + KD_KERAS_EPSILON;
    double all = both + others;
    loss += part * (1 - both / all);
    if (!slope) continue;
    slope[i] = -part * others / (all * all);
    slope[n + i] = part * both * o->alpha / (all * all);
    slope[2 * n + i] = part * both * o->beta / (all * all);
  }
  return loss;
}

extern const kd_loss_kind kd_loss_dice, kd_loss_tversky;

static const kd_whole_loss dice_whole = {n_state, dice_state, dice_value};
static const kd_whole_loss tversky_whole = {n_state, tversky_state, tversky_value};

const kd_loss_kind kd_loss_dice = {
    .base = {.name = "Dice",
             .aliases = "dice",
             .help = "1 - twice the overlap of labels and predictions over their sums",
             .options = dice_table,
             .options_size = sizeof(overlap_options)},
    .values = dice,
    .values_per_row = values_per_row,
    .whole = &dice_whole,
    .log_name = "dice",
};

const kd_loss_kind kd_loss_tversky = {
    .base = {.name = "Tversky",
             .aliases = "tversky",
             .help = "Dice with weights of misses and of predictions without a label",
             .options = tversky_table,
             .options_size = sizeof(overlap_options)},
    .values = tversky,
    .values_per_row = values_per_row,
    .whole = &tversky_whole,
    .log_name = "tversky",
};
