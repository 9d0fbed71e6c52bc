/* Pooling (keras/src/layers/pooling): largest or mean value of windows. With padding = same the maximum sees
 * no padding and the mean counts real cells only. */
#include "layers/kinds/window.h"

typedef struct pooling_options {
  kd_ints pool_size, strides;
  int padding, data_format;
} pooling_options;

static kd_status pool(kd_build *build, const kd_layer *layer, int spatial, bool average, kd_sym input,
                      kd_sym *output) {
  const pooling_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_sym x = kd_as_float(g, input);
  kd_window window;
  KD_TRY(kd_window_make(spatial, o->padding, "pool_size", &o->pool_size, &o->strides, NULL, &window));
  KD_TRY(kd_window_fit(&window, g, x));
  kd_pool_attr attr = {.spatial = spatial, .average = average};
  for (int i = 0; i < spatial; i++) {
    attr.window[i] = window.size[i];
    attr.stride[i] = window.stride[i];
    attr.pad_before[i] = window.before[i];
    attr.pad_after[i] = window.after[i];
  }
  *output = kd_pool_op(g, x, &attr);
  return KD_OK;
}

typedef struct global_options {
  int data_format;
  bool keepdims;
} global_options;

static kd_status global_pool(kd_build *build, const kd_layer *layer, int spatial, bool average, kd_sym input,
                             kd_sym *output) {
  const global_options *o = layer->options;
  kd_graph *g = build->graph;
  char text[KD_SHAPE_TEXT];
  kd_sym x = kd_as_float(g, input);
  KD_CHECK(kd_sym_shape(g, x)->rank == spatial + 2, KD_ERR_USAGE,
           "needs an input of rank %d, but its shape is %s", spatial + 2, kd_layer_shape(g, x, text));
  const int axes[] = {1, 2, 3};
  kd_sym mask = average && spatial == 1 ? build->input_mask[0] : KD_NO_SYM;
  if (mask != KD_NO_SYM) { /* GlobalAveragePooling1D: the mean of the valid steps */
    kd_sym valid = kd_mask_factor(g, mask, x);
    kd_sym sum = kd_reduce(g, KD_REDUCE_SUM, kd_mul(g, x, valid), 1, axes, o->keepdims);
    *output = kd_div(g, sum, kd_reduce(g, KD_REDUCE_SUM, valid, 1, axes, o->keepdims));
    return KD_OK;
  }
  *output = kd_reduce(g, average ? KD_REDUCE_MEAN : KD_REDUCE_MAX, x, spatial, axes, o->keepdims);
  return KD_OK;
}

#define TABLE(start)                                                                                         \
  KD_ROW_INTS(pooling_options, pool_size, start, 1, KD_SIZE_LIMIT, "size of the window"),                    \
      {.name = "strides",                                                                                    \
       .type = KD_OPT_INTS,                                                                                  \
       .offset = offsetof(pooling_options, strides),                                                         \
       .initial = "none",                                                                                    \
       .help = "step of the window; none: its size",                                                         \
       .min = 1,                                                                                             \
       .max = KD_SIZE_LIMIT,                                                                                 \
       .flags = KD_OPT_NONE_OK},                                                                             \
      KD_ROW_CHOICE(pooling_options, padding, "valid", KD_PADDING_CHOICES, "cells added around the input"),  \
      KD_ROW_DATA_FORMAT(pooling_options), KD_ROW_END
static const kd_option max_table[] = {TABLE("2")};
static const kd_option average_table[] = {TABLE(NULL)};
static const kd_option global_table[] = {
    KD_ROW_DATA_FORMAT(global_options),
    KD_ROW_BOOL(global_options, keepdims, "false", "keep the spatial axes with size 1"),
    KD_ROW_END,
};

#define LAYER(id, class, others, text, table, S, function, spatial, average)                                 \
  static kd_status id##_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,    \
                              kd_sym *outputs) {                                                             \
    (void)n_inputs;                                                                                          \
    return function(build, layer, spatial, average, inputs[0], &outputs[0]);                                 \
  }                                                                                                          \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class, .aliases = others, .help = text, .options = table, .options_size = sizeof(S)}, \
      .min_inputs = 1,                                                                                       \
      .max_inputs = 1,                                                                                       \
      .build = id##_build,                                                                                   \
      .call_args = (average) && (spatial) == 1 && sizeof(S) == sizeof(global_options) ? kd_call_mask : NULL, \
  };
LAYER(max_pooling1d, "MaxPooling1D", "MaxPool1D", "largest value of windows of time", max_table,
      pooling_options, pool, 1, false)
LAYER(max_pooling2d, "MaxPooling2D", "MaxPool2D", "largest value of windows of images", max_table,
      pooling_options, pool, 2, false)
LAYER(max_pooling3d, "MaxPooling3D", "MaxPool3D", "largest value of windows of volumes", max_table,
      pooling_options, pool, 3, false)
LAYER(average_pooling1d, "AveragePooling1D", "AvgPool1D", "mean of windows of time", average_table,
      pooling_options, pool, 1, true)
LAYER(average_pooling2d, "AveragePooling2D", "AvgPool2D", "mean of windows of images", average_table,
      pooling_options, pool, 2, true)
LAYER(average_pooling3d, "AveragePooling3D", "AvgPool3D", "mean of windows of volumes", average_table,
      pooling_options, pool, 3, true)
LAYER(global_max_pooling1d, "GlobalMaxPooling1D", "GlobalMaxPool1D", "largest value over time", global_table,
      global_options, global_pool, 1, false)
LAYER(global_max_pooling2d, "GlobalMaxPooling2D", "GlobalMaxPool2D", "largest value of images", global_table,
      global_options, global_pool, 2, false)
LAYER(global_max_pooling3d, "GlobalMaxPooling3D", "GlobalMaxPool3D", "largest value of volumes", global_table,
      global_options, global_pool, 3, false)
LAYER(global_average_pooling1d, "GlobalAveragePooling1D", "GlobalAvgPool1D", "mean over time", global_table,
      global_options, global_pool, 1, true)
LAYER(global_average_pooling2d, "GlobalAveragePooling2D", "GlobalAvgPool2D", "mean of images", global_table,
      global_options, global_pool, 2, true)
LAYER(global_average_pooling3d, "GlobalAveragePooling3D", "GlobalAvgPool3D", "mean of volumes", global_table,
      global_options, global_pool, 3, true)
