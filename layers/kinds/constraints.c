/* Constraints (keras/src/constraints/constraints.py): what weights are made to hold after each update. Norms
 * are over `axis`, which for kernels of convolutions is (0, 1, 2). */
#include "layers/kinds/kinds.h"
#include "layers/kinds/loss_table.h"

typedef struct norm_options {
  double min_value, max_value, rate;
  kd_ints axis;
} norm_options;

#define ROW(field, start, low, high, text) KD_ROW_FLOAT(norm_options, field, start, low, high, text)
#define ROW_AXIS                                                                                             \
  KD_ROW_INTS(norm_options, axis, "0", -KD_MAX_RANK, KD_MAX_RANK - 1, "axes that one norm is over")

static const kd_option none[] = {KD_ROW_END};
static const kd_option unit_options[] = {ROW_AXIS, KD_ROW_END};
static const kd_option max_options[] = {ROW(max_value, "2", 0, 1e30, "largest norm"), ROW_AXIS, KD_ROW_END};
static const kd_option both_options[] = {
    ROW(min_value, "0.0", 0, 1e30, "smallest norm"), ROW(max_value, "1.0", 0, 1e30, "largest norm"),
    ROW(rate, "1.0", 0, 1, "share of the way that an update goes towards the limits"), ROW_AXIS, KD_ROW_END};

/* The norms with the axes kept; errors of axes are the graph's. */
static kd_sym norms(kd_graph *g, const norm_options *o, kd_sym w) {
  int axes[KD_MAX_INTS], rank = kd_sym_shape(g, w)->rank;
  char text[KD_SHAPE_TEXT];
  for (int i = 0; i < o->axis.count; i++) {
    if (o->axis.v[i] < -rank || o->axis.v[i] >= rank)
      return kd_graph_fail(g, "a constraint has axis %lld, which a weight of shape %s has not",
                           (long long)o->axis.v[i], kd_shape_text(kd_sym_shape(g, w), text));
    axes[i] = (int)o->axis.v[i];
  }
  kd_sym squares = kd_unary(g, KD_PW_SQUARE, w);
  return kd_unary(g, KD_PW_SQRT, kd_reduce(g, KD_REDUCE_SUM, squares, o->axis.count, axes, true));
}

static kd_sym scaled(kd_graph *g, kd_sym w, kd_sym desired, kd_sym norm) {
  return kd_mul(g, w, kd_div(g, desired, kd_shift(g, norm, KD_KERAS_EPSILON)));
}

static kd_sym max_norm(kd_graph *g, const void *options, kd_sym w) {
  const norm_options *o = options;
  kd_sym norm = norms(g, o, w);
  return scaled(g, w, kd_min(g, norm, kd_const(g, o->max_value)), norm);
}

static kd_sym min_max_norm(kd_graph *g, const void *options, kd_sym w) {
  const norm_options *o = options;
  kd_sym norm = norms(g, o, w);
  kd_sym limited = kd_min(g, kd_max(g, norm, kd_const(g, o->min_value)), kd_const(g, o->max_value));
  kd_sym desired = kd_add(g, kd_scale(g, limited, o->rate), kd_scale(g, norm, 1 - o->rate));
  return scaled(g, w, desired, norm);
}

static kd_sym unit_norm(kd_graph *g, const void *options, kd_sym w) {
  return kd_div(g, w, kd_shift(g, norms(g, options, w), KD_KERAS_EPSILON));
}

static kd_sym non_negative(kd_graph *g, const void *options, kd_sym w) {
  (void)options;
  return kd_max(g, w, kd_const(g, 0.0));
}

static void check_limits(const void *options, kd_diag *diag, kd_origin origin) {
  const norm_options *o = options;
  if (o->min_value > o->max_value)
    kd_diag_error(diag, origin, "MinMaxNorm: min_value = %g is above max_value = %g", o->min_value,
                  o->max_value);
}

static const kd_constraint_kind max_kind = {{.name = "MaxNorm",
                                             .aliases = "max_norm",
                                             .help = "norms of at most max_value",
                                             .options = max_options,
                                             .options_size = sizeof(norm_options)},
                                            max_norm};
static const kd_constraint_kind min_max_kind = {{.name = "MinMaxNorm",
                                                 .aliases = "min_max_norm",
                                                 .help = "norms between min_value and max_value",
                                                 .options = both_options,
                                                 .options_size = sizeof(norm_options),
                                                 .check = check_limits},
                                                min_max_norm};
static const kd_constraint_kind non_neg_kind = {{.name = "NonNeg",
                                                 .aliases = "non_neg",
                                                 .help = "no weight below 0",
                                                 .options = none,
                                                 .options_size = sizeof(norm_options)},
                                                non_negative};
static const kd_constraint_kind unit_kind = {{.name = "UnitNorm",
                                              .aliases = "unit_norm",
                                              .help = "norms of 1",
                                              .options = unit_options,
                                              .options_size = sizeof(norm_options)},
                                             unit_norm};

static const kd_kind *const kinds[] = {&max_kind.base, &min_max_kind.base, &non_neg_kind.base,
                                       &unit_kind.base};
const kd_family kd_constraint_family = {"constraint", kinds, sizeof kinds / sizeof *kinds};
