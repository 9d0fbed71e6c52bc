/* Regularizers (keras/src/regularizers/regularizers.py): l1 * sum|x| + l2 * sum(x^2), without a half, and the
 * mean of |cosine| over all pairs of rows or columns. */
#include "layers/kinds/kinds.h"
#include "layers/kinds/loss_table.h"

typedef struct l1l2_options {
  double l1, l2;
} l1l2_options;

static kd_sym l1l2_penalty(kd_graph *g, const void *options, kd_sym x) {
  const l1l2_options *o = options;
  kd_sym total = KD_NO_SYM;
  if (o->l1 != 0) total = kd_scale(g, kd_reduce_all(g, KD_REDUCE_SUM, kd_unary(g, KD_PW_ABS, x)), o->l1);
  if (o->l2 != 0) {
    kd_sym squares = kd_scale(g, kd_reduce_all(g, KD_REDUCE_SUMSQ, x), o->l2);
    total = total == KD_NO_SYM ? squares : kd_add(g, total, squares);
  }
  return total == KD_NO_SYM ? kd_const(g, 0) : total;
}

typedef struct orthogonal_options {
  double factor;
  int mode;
} orthogonal_options;

enum { ROWS, COLUMNS };

static kd_sym orthogonal_penalty(kd_graph *g, const void *options, kd_sym x) {
  const orthogonal_options *o = options;
  const kd_shape shape = *kd_sym_shape(g, x);
  char text[KD_SHAPE_TEXT];
  if (shape.rank != 2)
    return kd_graph_fail(g, "OrthogonalRegularizer is for matrices, not for a weight of shape %s",
                         kd_shape_text(&shape, text));
  bool rows = o->mode == ROWS;
  int axis = rows ? 1 : 0;
  int64_t n = shape.dim[1 - axis];
  if (n == 1) /* Keras divides zero by no pairs */
    return kd_graph_fail(g, "OrthogonalRegularizer compares %s, but a weight of shape %s has one",
                         rows ? "rows" : "columns", kd_shape_text(&shape, text));
  kd_sym squares = kd_reduce(g, KD_REDUCE_SUM, kd_unary(g, KD_PW_SQUARE, x), 1, &axis, true);
  kd_sym inverse = kd_min(g, kd_unary(g, KD_PW_RSQRT, squares), kd_const(g, 1 / KD_KERAS_EPSILON));
  kd_sym unit = kd_mul(g, x, inverse);
  kd_sym cosines = kd_matmul(g, unit, unit, !rows, rows);
  kd_shape all = KD_SHAPE(n, n);
  kd_sym same = kd_binary(g, KD_PW_EQ, kd_iota(g, all, 0), kd_iota(g, all, 1));
  kd_sym pairs = kd_select(g, same, kd_const(g, 0), kd_unary(g, KD_PW_ABS, cosines));
  return kd_scale(g, kd_reduce_all(g, KD_REDUCE_SUM, pairs), o->factor / ((double)n * ((double)n - 1)));
}

kd_sym kd_penalty(kd_graph *graph, const kd_object *regularizer, kd_sym x) {
  const kd_regularizer_kind *kind = (const kd_regularizer_kind *)regularizer->kind;
  return kind->penalty(graph, regularizer->options, x);
}

#define ROW_L1(start) KD_ROW_FLOAT(l1l2_options, l1, start, 0, 1e30, "factor of the sum of absolute values")
#define ROW_L2(start) KD_ROW_FLOAT(l1l2_options, l2, start, 0, 1e30, "factor of the sum of squares")
static const kd_option l1_options[] = {ROW_L1("0.01"), KD_ROW_END};
static const kd_option l2_options[] = {ROW_L2("0.01"), KD_ROW_END};
static const kd_option both_options[] = {ROW_L1("0.0"), ROW_L2("0.0"), KD_ROW_END};

static const kd_regularizer_kind l1 = {.base = {.name = "L1",
                                                .aliases = "l1",
                                                .help = "l1 * sum|x|",
                                                .options = l1_options,
                                                .options_size = sizeof(l1l2_options)},
                                       .penalty = l1l2_penalty};
static const kd_regularizer_kind l2 = {.base = {.name = "L2",
                                                .aliases = "l2",
                                                .help = "l2 * sum(x^2)",
                                                .options = l2_options,
                                                .options_size = sizeof(l1l2_options)},
                                       .penalty = l1l2_penalty};
static const kd_regularizer_kind l1l2 = {.base = {.name = "L1L2",
                                                  .aliases = "l1_l2|l1l2",
                                                  .help = "l1 * sum|x| + l2 * sum(x^2)",
                                                  .options = both_options,
                                                  .options_size = sizeof(l1l2_options)},
                                         .penalty = l1l2_penalty};

static const kd_option orthogonal_table[] = {
    KD_ROW_FLOAT(orthogonal_options, factor, "0.01", 0, 1e30, "factor of the mean over pairs"),
    KD_ROW_CHOICE(orthogonal_options, mode, "rows", "rows|columns", "what is to be orthogonal"), KD_ROW_END};
static const kd_regularizer_kind orthogonal = {
    .base = {.name = "OrthogonalRegularizer",
             .aliases = "orthogonal_regularizer",
             .help = "factor * mean |cosine| of pairs of rows or columns",
             .options = orthogonal_table,
             .options_size = sizeof(orthogonal_options)},
    .penalty = orthogonal_penalty,
    .whole = true};

static const kd_kind *const kinds[] = {&l1.base, &l1l2.base, &l2.base, &orthogonal.base};
const kd_family kd_regularizer_family = {"regularizer", kinds, sizeof kinds / sizeof *kinds};

/* The layer that only adds a penalty of its input to the loss. */
static kd_status activity_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                kd_sym *outputs) {
  (void)n_inputs;
  outputs[0] = inputs[0];
  kd_build_add_loss(build, l1l2_penalty(build->graph, layer->options, inputs[0]));
  return KD_OK;
}

const kd_layer_kind kd_layer_activity_regularization = {
    .base = {.name = "ActivityRegularization",
             .help = "adds a penalty of its input to the loss",
             .options = both_options,
             .options_size = sizeof(l1l2_options)},
    .min_inputs = 1,
    .max_inputs = 1,
    .build = activity_build,
    .mask = KD_MASK_PASS,
};
