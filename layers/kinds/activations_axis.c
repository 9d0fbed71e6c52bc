/* Activations along an axis: softmax, log_softmax, glu, sparsemax. */
#include "layers/kinds/activations.h"

kd_sym kd_softmax_axes(kd_graph *g, kd_sym x, int n_axes, const int64_t *axes) {
  kd_axes_move move;
  return kd_axes_restore(g, kd_softmax(g, kd_axes_to_last(g, x, n_axes, axes, &move), false), &move);
}

kd_sym kd_softmax_masked(kd_graph *g, kd_sym x, kd_sym mask, int n_axes, const int64_t *axes) {
  if (x == KD_NO_SYM || mask == KD_NO_SYM) return kd_softmax_axes(g, x, n_axes, axes);
  double low = kd_sym_get(g, x)->dtype == KD_F16 ? -3e4 : -1e9; /* Keras's, which half types hold */
  kd_sym p = kd_softmax_axes(g, kd_select(g, mask, x, kd_const(g, low)), n_axes, axes);
  return kd_select(g, mask, p, kd_const(g, 0));
}

kd_sym kd_softmax_activation(kd_graph *g, const void *options, kd_sym x) {
  return kd_softmax_axes(g, x, 1, &((const kd_activation_options *)options)->axis);
}

kd_sym kd_log_softmax_activation(kd_graph *g, const void *options, kd_sym x) {
  const kd_activation_options *o = options;
  kd_axes_move move;
  return kd_axes_restore(g, kd_softmax(g, kd_axes_to_last(g, x, 1, &o->axis, &move), true), &move);
}

kd_sym kd_glu(kd_graph *g, const void *options, kd_sym x) {
  const kd_activation_options *o = options;
  if (x == KD_NO_SYM) return x;
  int axis;
  if (kd_layer_axis(g, x, o->axis, &axis) != KD_OK) return kd_graph_fail(g, "%s", kd_status_text());
  int64_t size = kd_sym_shape(g, x)->dim[axis];
  if (size % 2 != 0)
    return kd_graph_fail(g, "glu halves axis %lld, but its size %lld is odd", (long long)o->axis,
                         (long long)size);
  kd_sym value = kd_slice_axis(g, x, axis, 0, size / 2), gate = kd_slice_axis(g, x, axis, size / 2, size / 2);
  return kd_mul(g, value, kd_unary(g, KD_PW_SIGMOID, gate));
}

/* More would ask for gigabytes: all pairs of the axis are compared. */
enum { SPARSEMAX_LIMIT = 4096 };

/* keras.ops.sparsemax without its sort. With s_j the sum and r_j the number of entries not below x_j, x_j
 * belongs to the support when 1 + r_j x_j > s_j (Martins and Astudillo, "From Softmax to Sparsemax", 2016).
 * Keras then takes tau = (sum of s_j over the support - 1) / size of the support, on all its backends; the
 * paper has the sum of x_j there, so the results do not sum to 1. Models made with Keras depend on what Keras
 * does. In Keras's sorted order m equal entries have m different partial sums, whose mean is s_j - x_j (m -
 * 1) / 2. */
static kd_sym sparsemax_last(kd_graph *g, kd_sym x) {
  kd_shape shape = *kd_sym_shape(g, x), row = shape, column = shape;
  int64_t size = shape.dim[shape.rank - 1];
  if (shape.rank == KD_MAX_RANK || size > SPARSEMAX_LIMIT)
    return kd_graph_fail(
        g, "sparsemax takes inputs of rank %d and %d entries at most, not rank %d and %lld entries",
        KD_MAX_RANK - 1, SPARSEMAX_LIMIT, shape.rank, (long long)size);
  row.rank = column.rank = shape.rank + 1;
  row.dim[shape.rank - 1] = 1;
  row.dim[shape.rank] = size;
  column.dim[shape.rank] = 1;
  kd_sym each = kd_reshape(g, x, column), other = kd_reshape(g, x, row);
  kd_sym not_below = kd_binary(g, KD_PW_LE, each, other);
  kd_sym count = kd_reduce_last(g, KD_REDUCE_SUM, not_below, false);
  kd_sym sum = kd_reduce_last(g, KD_REDUCE_SUM, kd_select(g, not_below, other, kd_const(g, 0)), false);
  kd_sym support = kd_binary(g, KD_PW_LT, sum, kd_shift(g, kd_mul(g, count, x), 1));
  kd_sym ties = kd_reduce_last(g, KD_REDUCE_SUM, kd_binary(g, KD_PW_EQ, each, other), false);
  kd_sym partial = kd_sub(g, sum, kd_mul(g, x, kd_scale(g, kd_shift(g, ties, -1), 0.5)));
  kd_sym chosen = kd_reduce_last(g, KD_REDUCE_SUM, kd_select(g, support, partial, kd_const(g, 0)), true);
  kd_sym tau = kd_div(g, kd_shift(g, chosen, -1), kd_reduce_last(g, KD_REDUCE_SUM, support, true));
  return kd_unary(g, KD_PW_RELU, kd_sub(g, x, tau));
}

kd_sym kd_sparsemax(kd_graph *g, const void *options, kd_sym x) {
  const kd_activation_options *o = options;
  kd_axes_move move;
  kd_sym last = kd_axes_to_last(g, x, 1, &o->axis, &move);
  return last == KD_NO_SYM ? last : kd_axes_restore(g, sparsemax_last(g, last), &move);
}
