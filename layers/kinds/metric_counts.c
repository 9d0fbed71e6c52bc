#include "layers/kinds/metric_counts.h"

#include <math.h>

#include "layers/kinds/kinds.h"

bool kd_thresholds_even(int n, const double *threshold) {
  bool even = n >= 3;
  for (int i = 0; even && i < n; i++) {
    double exact = (double)((float)i / (float)(n - 1));
    even = fabs(threshold[i] - exact) <= KD_KERAS_EPSILON + 1e-5 * exact;
  }
  return even;
}

static int64_t labels_of(const kd_count_spec *spec, const kd_shape *y_pred) {
  return spec->by_label ? y_pred->dim[y_pred->rank - 1] : 1;
}

int64_t kd_counts_n_state(const kd_count_spec *spec, const kd_shape *y_pred) {
  return labels_of(spec, y_pred) * (spec->n + 1) * 2;
}

/* 1 for the k largest of the last axis, the first of equal ones, as k times the largest is taken away. */
static kd_sym among_top(kd_graph *g, kd_sym x, int64_t k) {
  kd_shape shape = *kd_sym_shape(g, x), best = shape;
  if (shape.rank < 2 || k > shape.dim[shape.rank - 1]) {
    char text[KD_SHAPE_TEXT];
    return kd_graph_fail(g, "top_k = %lld is more than there is in predictions of shape %s", (long long)k,
                         kd_shape_text(&shape, text));
  }
  best.dim[best.rank - 1] = 1;
  kd_sym number = kd_iota(g, shape, shape.rank - 1), taken = kd_const(g, 0);
  for (int64_t i = 0; i < k; i++) {
    kd_sym rest = kd_select(g, taken, kd_const(g, (double)-INFINITY), x);
    kd_sym largest = kd_cast(g, kd_reshape(g, kd_argmax(g, rest, -1), best), KD_F32);
    taken = kd_binary(g, KD_PW_OR, taken, kd_binary(g, KD_PW_EQ, number, largest));
  }
  return taken;
}

/* How many thresholds a prediction is above; not a number: none. */
static kd_sym buckets(kd_graph *g, const kd_count_spec *spec, kd_sym x) {
  if (!spec->threshold || kd_thresholds_even(spec->n, spec->threshold)) {
    kd_sym inside = kd_min(g, kd_max(g, x, kd_const(g, 0)), kd_const(g, 1));
    inside = kd_select(g, kd_unary(g, KD_PW_FINITE, inside), inside, kd_const(g, 0));
    kd_sym b = kd_unary(g, KD_PW_NEG, kd_unary(g, KD_PW_FLOOR, kd_scale(g, inside, -(spec->n - 1))));
    return spec->open ? kd_max(g, b, kd_const(g, 1)) : b;
  }
  kd_sym b = kd_const(g, 0);
  for (int i = 0; i < spec->n; i++)
    b = kd_add(g, b, kd_binary(g, KD_PW_LT, kd_const(g, spec->threshold[i]), x));
  return b;
}

/* The weights of the labels along the last axis, of x's shape. */
static kd_sym label_weights(kd_graph *g, const kd_floats *weights, const kd_shape *shape) {
  if (weights->count == 0) return KD_NO_SYM;
  if (shape->dim[shape->rank - 1] != weights->count)
    return kd_graph_fail(g, "%d label_weights for %lld labels", weights->count,
                         (long long)shape->dim[shape->rank - 1]);
  kd_sym number = kd_iota(g, *shape, shape->rank - 1), weight = kd_const(g, 0);
  for (int i = 0; i < weights->count; i++)
    weight = kd_select(g, kd_binary(g, KD_PW_EQ, number, kd_const(g, i)), kd_const(g, weights->v[i]), weight);
  return weight;
}

/* One row of weight for each prediction. */
static kd_sym rows_of_weights(kd_graph *g, const kd_count_spec *spec, kd_sym x, kd_sym weight) {
  kd_shape shape = *kd_sym_shape(g, x), rows = KD_SHAPE(kd_shape_count(&shape), 1);
  kd_sym factor = kd_mask_factor(g, weight, x), labels = label_weights(g, &spec->label_weights, &shape);
  if (factor == KD_NO_SYM && labels == KD_NO_SYM) return kd_full(g, rows, 1);
  if (factor == KD_NO_SYM)
    factor = labels;
  else if (labels != KD_NO_SYM)
    factor = kd_mul(g, factor, labels);
  return kd_reshape(g, kd_broadcast(g, factor, shape), rows);
}

static bool check(kd_graph *g, const kd_count_spec *spec, const kd_shape *y, const kd_shape *x) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  if (!kd_shape_equal(y, x))
    kd_graph_fail(g, "labels of shape %s for predictions of shape %s: one yes or no is needed for each",
                  kd_shape_text(y, a), kd_shape_text(x, b));
  else if (spec->class_id != KD_UNSET_INT && (x->rank < 2 || spec->class_id >= x->dim[x->rank - 1]))
    kd_graph_fail(g, "class_id = %lld is not in predictions of shape %s", (long long)spec->class_id,
                  kd_shape_text(x, b));
  else if (spec->by_label && x->rank != 2)
    kd_graph_fail(g, "multi_label needs predictions (rows, labels), not shape %s", kd_shape_text(x, b));
  else
    return true;
  return false;
}

kd_sym kd_counts_update(kd_graph *g, const kd_count_spec *spec, kd_sym y_true, kd_sym x, kd_sym weight) {
  kd_sym y = kd_align_labels(g, y_true, x, false);
  if (y == KD_NO_SYM || !check(g, spec, kd_sym_shape(g, y), kd_sym_shape(g, x))) return KD_NO_SYM;
  int64_t n_state = kd_counts_n_state(spec, kd_sym_shape(g, x));
  if (spec->top_k != KD_UNSET_INT) x = kd_select(g, among_top(g, x, spec->top_k), x, kd_const(g, -1e10));
  if (spec->class_id != KD_UNSET_INT) {
    x = kd_slice_axis(g, x, -1, spec->class_id, 1);
    y = kd_slice_axis(g, y, -1, spec->class_id, 1);
  }
  if (x == KD_NO_SYM) return KD_NO_SYM;
  kd_shape shape = *kd_sym_shape(g, x);
  kd_sym place = buckets(g, spec, x);
  if (spec->by_label) place = kd_add(g, place, kd_scale(g, kd_iota(g, shape, 1), spec->n + 1));
  kd_sym yes = kd_unary(g, KD_PW_NOT, kd_unary(g, KD_PW_NOT, kd_cast(g, y, KD_F32)));
  kd_sym number = kd_cast(g, kd_add(g, kd_scale(g, place, 2), yes), KD_I32);
  kd_sym ids = kd_reshape(g, number, KD_SHAPE(kd_shape_count(&shape)));
  kd_sym rows = rows_of_weights(g, spec, x, weight);
  if (rows == KD_NO_SYM) return KD_NO_SYM;
  kd_shape_attr table = {KD_SHAPE(n_state, 1)};
  kd_sym sums = kd_append(g, KD_OP_SCATTER_ADD, &table, 2, (kd_sym[]){ids, rows}, NULL);
  return kd_reshape(g, sums, KD_SHAPE(n_state));
}

kd_counts kd_counts_above(int n, const double *state) {
  kd_counts counts = {0};
  for (int b = 0; b <= n; b++) {
    counts.tn += state[2 * b];
    counts.fn += state[2 * b + 1];
  }
  return counts;
}

void kd_counts_lower(kd_counts *counts, int b, const double *state) {
  counts->fp += state[2 * b];
  counts->tn -= state[2 * b];
  counts->tp += state[2 * b + 1];
  counts->fn -= state[2 * b + 1];
}

kd_counts kd_counts_at(const kd_count_spec *spec, int i, const double *state) {
  int below = 0;
  for (int k = 0; k < spec->n; k++) below += spec->threshold[k] < spec->threshold[i];
  kd_counts counts = kd_counts_above(spec->n, state);
  for (int b = spec->n; b > below; b--) kd_counts_lower(&counts, b, state);
  return counts;
}
