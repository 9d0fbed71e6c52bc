/* RMSNormalization and UnitNormalization (keras/src/layers/normalization): division by the root of the mean
 * square, or by the L2 norm. */
#include "layers/kinds/kinds.h"

typedef struct norm_options {
  kd_ints axis;
  double epsilon;
} norm_options;

static kd_status read_axes(const kd_graph *g, kd_sym x, const kd_ints *given, int *axes) {
  bool seen[KD_MAX_RANK] = {false};
  for (int i = 0; i < given->count; i++) {
    KD_TRY(kd_layer_axis(g, x, given->v[i], &axes[i]));
    KD_CHECK(!seen[axes[i]], KD_ERR_USAGE, "axis %lld is given twice", (long long)given->v[i]);
    seen[axes[i]] = true;
  }
  return KD_OK;
}

/* The scale has the sizes of the axes as they are written and broadcasts to the input from the last axis on.
 */
static kd_status rms_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                           kd_sym *outputs) {
  (void)n_inputs;
  const norm_options *o = layer->options;
  kd_graph *g = build->graph;
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  kd_sym x = kd_as_float(g, inputs[0]);
  KD_TRY(kd_graph_status(g));
  int axes[KD_MAX_INTS];
  KD_TRY(read_axes(g, x, &o->axis, axes));
  const kd_shape *shape = kd_sym_shape(g, x);
  kd_shape weight = {.rank = o->axis.count}, joined;
  for (int i = 0; i < weight.rank; i++) weight.dim[i] = shape->dim[axes[i]];
  KD_CHECK(kd_shape_broadcast(shape, &weight, &joined) && kd_shape_equal(shape, &joined), KD_ERR_USAGE,
           "the scale of shape %s does not broadcast to the input of shape %s: the last axes must be "
           "normalised, in "
           "order",
           kd_shape_text(&weight, b), kd_layer_shape(g, x, a));
  kd_object ones = kd_fixed_initializer(build, "ones");
  kd_sym scale = kd_build_weight(build, "scale", weight, &ones, NULL, true);
  kd_sym square = kd_reduce(g, KD_REDUCE_MEAN, kd_unary(g, KD_PW_SQUARE, x), o->axis.count, axes, true);
  kd_sym y = kd_mul(g, x, kd_unary(g, KD_PW_RSQRT, kd_shift(g, square, o->epsilon)));
  outputs[0] = kd_mul(g, y, scale);
  return KD_OK;
}

static kd_status unit_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                            kd_sym *outputs) {
  (void)n_inputs;
  const norm_options *o = layer->options;
  kd_sym x = kd_as_float(build->graph, inputs[0]);
  KD_TRY(kd_graph_status(build->graph));
  int axes[KD_MAX_INTS];
  KD_TRY(read_axes(build->graph, x, &o->axis, axes));
  outputs[0] = kd_l2_normalize(build->graph, x, o->axis.count, axes, 1e-12);
  return KD_OK;
}

#define ROW_AXIS                                                                                             \
  KD_ROW_INTS(norm_options, axis, "-1", -KD_MAX_RANK, KD_MAX_RANK, "axes that are normalised together")
static const kd_option rms_table[] = {
    ROW_AXIS,
    KD_ROW_FLOAT(norm_options, epsilon, "1e-06", 0, 1e30, "added to the mean square"),
    KD_ROW_END,
};
static const kd_option unit_table[] = {ROW_AXIS, KD_ROW_END};

#define LAYER(id, class, text, table, function, rule)                                                        \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class, .help = text, .options = table, .options_size = sizeof(norm_options)},         \
      .min_inputs = 1,                                                                                       \
      .max_inputs = 1,                                                                                       \
      .build = function,                                                                                     \
      .mask = rule,                                                                                          \
  };
LAYER(rms_normalization, "RMSNormalization", "division by the root of the mean square, times a learnt scale",
      rms_table, rms_build, KD_MASK_DROP)
LAYER(unit_normalization, "UnitNormalization", "division by the L2 norm", unit_table, unit_build,
      KD_MASK_PASS)
