/* Circle loss (Sun et al., CVPR 2020), as keras.losses.Circle: with d = max(1 - e_i . e_j, 0) of all pairs of
 * a batch,
 *   loss of row i = softplus(logsumexp over pairs of one class of -gamma (margin + d)(margin - d)
 *                          + logsumexp over the others of gamma max(1 + margin - d, 0)(1 - margin - d))
 * and the mean over rows whose loss is above 0: those with pairs of both sorts. Every row sees all others, so
 * the state is the batch itself: embedding, class and 1 of each row, at its place. */
#include <math.h>

#include "layers/kinds/loss_table.h"

typedef struct circle_options {
  kd_loss_common common;
  double gamma, margin;
  bool remove_diagonal;
} circle_options;

static const kd_option table[] = {
    {.name = "gamma",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(circle_options, gamma),
     .initial = "80.0",
     .help = "scale of the similarities",
     .min = 0,
     .max = 1e6,
     .flags = KD_OPT_OPEN_MIN},
    {.name = "margin",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(circle_options, margin),
     .initial = "0.4",
     .help = "how far classes are pulled apart",
     .min = 0,
     .max = 1},
    {.name = "remove_diagonal",
     .type = KD_OPT_BOOL,
     .offset = offsetof(circle_options, remove_diagonal),
     .initial = "true",
     .help = "a row makes no pair with itself"},
    KD_LOSS_COMMON(circle_options),
    {0},
};

static int64_t n_state(const void *options, const kd_shape *y_pred, int64_t rows) {
  (void)options;
  return y_pred->rank == 2 ? rows * (y_pred->dim[1] + 2) : 0;
}

/* Reached by predictions of other ranks alone. */
static kd_sym refuse(kd_graph *g, const void *options, kd_sym y_true, const kd_prediction *p) {
  char text[KD_SHAPE_TEXT];
  (void)options, (void)y_true;
  return kd_graph_fail(g, "embeddings must have shape (batch, features), not %s",
                       kd_shape_text(kd_sym_shape(g, p->y_pred), text));
}

static kd_sym state(kd_graph *g, const void *options, kd_sym y_true, kd_sym y_pred, kd_sym first, int64_t n) {
  const kd_shape *shape = kd_sym_shape(g, y_pred);
  int64_t rows = shape->dim[0], width = shape->dim[1] + 2;
  char a[KD_SHAPE_TEXT];
  (void)options;
  if (kd_shape_count(kd_sym_shape(g, y_true)) != rows)
    return kd_graph_fail(g, "labels must be one class for each row, not %s",
                         kd_shape_text(kd_sym_shape(g, y_true), a));
  kd_sym label = kd_reshape(g, kd_cast(g, kd_cast(g, y_true, KD_I32), KD_F32), KD_SHAPE(rows, 1));
  kd_sym parts[] = {y_pred, label, kd_full(g, KD_SHAPE(rows, 1), 1.0)};
  kd_sym ids = kd_cast(g, kd_add(g, kd_iota(g, KD_SHAPE(rows), 0), first), KD_I32);
  kd_shape_attr batch = {KD_SHAPE(n / width, width)};
  kd_sym placed =
      kd_append(g, KD_OP_SCATTER_ADD, &batch, 2, (kd_sym[]){ids, kd_concat(g, 3, parts, 1)}, NULL);
  return kd_reshape(g, placed, KD_SHAPE(n));
}

/* --- the loss of the batch --- */

typedef struct batch {
  const circle_options *o;
  const float *rows;
  int64_t n, features;
} batch;

static const float *row_of(const batch *b, int64_t i) {
  return b->rows + i * (b->features + 2);
}

/* A pair of rows: how far it is, its term and the term's slope by the distance. */
typedef struct pair {
  bool alike; /* of one class */
  double distance, term, slope;
} pair;

/* False: no pair. */
static bool pair_of(const batch *b, int64_t i, int64_t j, pair *p) {
  const float *a = row_of(b, i), *c = row_of(b, j);
  const circle_options *o = b->o;
  p->alike = a[b->features] == c[b->features];
  if (c[b->features + 1] == 0 || (i == j && p->alike && o->remove_diagonal)) return false;
  double dot = 0;
  for (int64_t k = 0; k < b->features; k++) dot += (double)a[k] * (double)c[k];
  double d = p->distance = fmax(1 - dot, 0), m = o->margin;
  if (p->alike) {
    p->term = -o->gamma * (m + d) * (m - d);
    p->slope = o->gamma * 2 * d;
  } else {
    double weight = fmax(1 + m - d, 0);
    p->term = o->gamma * weight * (1 - m - d);
    p->slope = weight > 0 ? o->gamma * 2 * (d - 1) : 0;
  }
  if (1 - dot <= 0) p->slope = 0;
  return true;
}

/* log(sum of exp) as numbers come. */
typedef struct log_sum {
  double most, sum;
} log_sum;

static void log_sum_add(log_sum *s, double x) {
  if (x > s->most) {
    s->sum *= exp(s->most - x);
    s->most = x;
  }
  s->sum += exp(x - s->most);
}

static double log_sum_value(const log_sum *s) {
  return s->most + log(s->sum);
}

static double softplus(double x) {
  return fmax(x, 0) + log1p(exp(-fabs(x)));
}

/* Loss of row i; 0 without pairs of both sorts. alike, other: the two sums. */
static double loss_of(const batch *b, int64_t i, log_sum *alike, log_sum *other) {
  *alike = *other = (log_sum){-INFINITY, 0};
  pair p;
  for (int64_t j = 0; j < b->n; j++)
    if (pair_of(b, i, j, &p)) log_sum_add(p.alike ? alike : other, p.term);
  return alike->sum > 0 && other->sum > 0 ? softplus(log_sum_value(alike) + log_sum_value(other)) : 0;
}

/* The slopes of row i's loss by the embeddings, added to those of the others. */
static void add_slopes(const batch *b, int64_t i, const log_sum *alike, const log_sum *other, double *slope) {
  double sum_alike = log_sum_value(alike), sum_other = log_sum_value(other);
  double outer = 1 / (1 + exp(-(sum_alike + sum_other)));
  int64_t width = b->features + 2;
  const float *a = row_of(b, i);
  pair p;
  for (int64_t j = 0; j < b->n; j++) {
    if (!pair_of(b, i, j, &p)) continue;
    double by_dot = -outer * exp(p.term - (p.alike ? sum_alike : sum_other)) * p.slope;
    const float *c = row_of(b, j);
    for (int64_t k = 0; k < b->features; k++) {
      slope[i * width + k] += by_dot * (double)c[k];
      slope[j * width + k] += by_dot * (double)a[k];
    }
  }
}

static double value(const void *options, const kd_shape *y_pred, int64_t n_state, const float *rows,
                    double *slope) {
  int64_t width = y_pred->dim[1] + 2;
  batch b = {options, rows, n_state / width, y_pred->dim[1]};
  double sum = 0, counted = 0;
  for (int64_t i = 0; slope && i < n_state; i++) slope[i] = 0;
  for (int64_t i = 0; i < b.n; i++) {
    log_sum alike, other;
    double loss = row_of(&b, i)[b.features + 1] > 0 ? loss_of(&b, i, &alike, &other) : 0;
    sum += loss;
    counted += loss > 0;
    if (slope && loss > 0) add_slopes(&b, i, &alike, &other, slope);
  }
  double share = b.o->common.reduction == KD_RED_SUM ? 1 : counted > 0 ? 1 / counted : 0;
  for (int64_t i = 0; slope && i < n_state; i++) slope[i] *= share;
  return sum * share;
}

extern const kd_loss_kind kd_loss_circle;

static const kd_shape label_shape = {.rank = 0};
static const kd_whole_loss whole = {n_state, state, value};

const kd_loss_kind kd_loss_circle = {
    .base =
        {.name = "Circle",
         .aliases = "circle",
         .help =
             "pulls normalised embeddings of one class together and others apart, over all pairs of a batch",
         .options = table,
         .options_size = sizeof(circle_options)},
    .values = refuse,
    .label_shape = &label_shape,
    .whole = &whole,
    .log_name = "circle",
};
