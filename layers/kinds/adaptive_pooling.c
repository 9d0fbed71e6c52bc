/* AdaptiveAveragePooling and AdaptiveMaxPooling (keras/src/layers/pooling/base_adaptive_pooling.py): as many
 * windows as output_size asks for. Window i of n over s cells goes from floor(i s / n) to ceil((i + 1) s /
 * n), so windows may overlap. They are boxes, so one axis after the other is pooled. */
#include "layers/kinds/kinds.h"

typedef struct adaptive_options {
  kd_ints output_size;
  int data_format;
} adaptive_options;

static kd_sym pool_axis(kd_graph *g, kd_sym x, int axis, int64_t windows, kd_reduce_kind kind) {
  int64_t cells = kd_sym_shape(g, x)->dim[axis];
  if (windows == cells) return x;
  kd_sym *parts = kd_pool_alloc(g->pool, (size_t)windows, sizeof *parts);
  for (int64_t i = 0; i < windows; i++) {
    int64_t begin = i * cells / windows, end = ((i + 1) * cells + windows - 1) / windows;
    parts[i] = kd_reduce(g, kind, kd_slice_axis(g, x, axis, begin, end - begin), 1, &axis, true);
  }
  return kd_concat(g, (int)windows, parts, axis);
}

static kd_status pool(kd_build *build, const kd_layer *layer, int spatial, kd_reduce_kind kind, kd_sym input,
                      kd_sym *output) {
  const adaptive_options *o = layer->options;
  kd_graph *g = build->graph;
  char text[KD_SHAPE_TEXT];
  KD_CHECK(o->output_size.count == 1 || o->output_size.count == spatial, KD_ERR_USAGE,
           "output_size has %d numbers, but needs 1 or %d", o->output_size.count, spatial);
  KD_CHECK(kd_sym_shape(g, input)->rank == spatial + 2, KD_ERR_USAGE,
           "needs an input of rank %d, but its shape is %s", spatial + 2, kd_layer_shape(g, input, text));
  *output = kd_as_float(g, input);
  for (int i = 0; i < spatial; i++) {
    int64_t windows = o->output_size.v[o->output_size.count == 1 ? 0 : i];
    *output = pool_axis(g, *output, i + 1, windows, kind);
  }
  return kd_graph_status(g);
}

static const kd_option options[] = {
    KD_ROW_INTS(adaptive_options, output_size, NULL, 1, 4096, "number of windows along each spatial axis"),
    KD_ROW_DATA_FORMAT(adaptive_options),
    KD_ROW_END,
};

#define LAYER(id, class, text, spatial, kind)                                                                \
  static kd_status id##_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,    \
                              kd_sym *outputs) {                                                             \
    (void)n_inputs;                                                                                          \
    return pool(build, layer, spatial, kind, inputs[0], &outputs[0]);                                        \
  }                                                                                                          \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class, .help = text, .options = options, .options_size = sizeof(adaptive_options)},   \
      .min_inputs = 1,                                                                                       \
      .max_inputs = 1,                                                                                       \
      .build = id##_build,                                                                                   \
  };
LAYER(adaptive_average_pooling1d, "AdaptiveAveragePooling1D", "means of a number of windows of time", 1,
      KD_REDUCE_MEAN)
LAYER(adaptive_average_pooling2d, "AdaptiveAveragePooling2D", "means of a number of windows of images", 2,
      KD_REDUCE_MEAN)
LAYER(adaptive_average_pooling3d, "AdaptiveAveragePooling3D", "means of a number of windows of volumes", 3,
      KD_REDUCE_MEAN)
LAYER(adaptive_max_pooling1d, "AdaptiveMaxPooling1D", "largest values of a number of windows of time", 1,
      KD_REDUCE_MAX)
LAYER(adaptive_max_pooling2d, "AdaptiveMaxPooling2D", "largest values of a number of windows of images", 2,
      KD_REDUCE_MAX)
LAYER(adaptive_max_pooling3d, "AdaptiveMaxPooling3D", "largest values of a number of windows of volumes", 3,
      KD_REDUCE_MAX)
