/* DepthwiseConv1D and 2D (keras/src/layers/convolutional/base_depthwise_conv.py): each channel c has kernels
 * of its own, whose results are the channels c * depth_multiplier + m. */
#include "layers/kinds/depthwise_conv.h"

typedef struct depthwise_options {
  kd_ints kernel_size, strides, dilation_rate;
  int padding, data_format;
  int64_t depth_multiplier;
  kd_object activation;
  bool use_bias;
  kd_object depthwise_initializer, bias_initializer;
  kd_object depthwise_regularizer, bias_regularizer, activity_regularizer;
  kd_object depthwise_constraint, bias_constraint;
} depthwise_options;

kd_sym kd_depthwise(kd_build *build, kd_sym x, const kd_window *window, const char *name, int64_t multiplier,
                    const kd_object *initializer, const kd_object *regularizer, const kd_object *constraint) {
  int spatial = window->spatial;
  int64_t channels = kd_sym_shape(build->graph, x)->dim[spatial + 1];
  kd_shape shape = {.rank = spatial + 2};
  for (int i = 0; i < spatial; i++) shape.dim[i] = window->size[i];
  shape.dim[spatial] = channels;
  shape.dim[spatial + 1] = multiplier;
  kd_sym kernel = kd_build_weight(build, name, shape, initializer, regularizer, true);
  kd_build_constrain(build, kernel, constraint);
  shape.dim[spatial] = 1;
  shape.dim[spatial + 1] = channels * multiplier;
  kd_conv_attr attr = kd_window_conv(window, channels);
  return kd_conv(build->graph, x, kd_reshape(build->graph, kernel, shape), &attr);
}

static kd_status depthwise_build(kd_build *build, const kd_layer *layer, int spatial, kd_sym input,
                                 kd_sym *output) {
  const depthwise_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_sym x = kd_as_float(g, input);
  kd_window window;
  KD_TRY(kd_window_make(spatial, o->padding, "kernel_size", &o->kernel_size, &o->strides, &o->dilation_rate,
                        &window));
  KD_TRY(kd_window_fit(&window, g, x));
  int64_t channels = kd_sym_shape(g, x)->dim[spatial + 1] * o->depth_multiplier;
  kd_sym y = kd_depthwise(build, x, &window, "kernel", o->depth_multiplier, &o->depthwise_initializer,
                          &o->depthwise_regularizer, &o->depthwise_constraint);
  if (o->use_bias)
    y = kd_add(g, y,
               kd_build_constrain(build,
                                  kd_build_weight(build, "bias", KD_SHAPE(channels), &o->bias_initializer,
                                                  &o->bias_regularizer, true),
                                  &o->bias_constraint));
  *output = kd_activate(g, &o->activation, y);
  kd_build_activity(build, &o->activity_regularizer, *output);
  return KD_OK;
}

static kd_status depthwise1d_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                   kd_sym *outputs) {
  (void)n_inputs;
  return depthwise_build(build, layer, 1, inputs[0], &outputs[0]);
}

static kd_status depthwise2d_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                   kd_sym *outputs) {
  (void)n_inputs;
  return depthwise_build(build, layer, 2, inputs[0], &outputs[0]);
}

static const kd_option options[] = {
    KD_ROW_INTS(depthwise_options, kernel_size, NULL, 1, KD_SIZE_LIMIT, "size of the window"),
    KD_ROW_INTS(depthwise_options, strides, "1", 1, KD_SIZE_LIMIT, "step of the window"),
    KD_ROW_CHOICE(depthwise_options, padding, "valid", KD_PADDING_CHOICES, "cells added around the input"),
    KD_ROW_INT(depthwise_options, depth_multiplier, "1", 1, 65536, "output channels for each input channel"),
    KD_ROW_DATA_FORMAT(depthwise_options),
    KD_ROW_INTS(depthwise_options, dilation_rate, "1", 1, KD_SIZE_LIMIT,
                "distance between cells of the window"),
    KD_ROW_ACTIVATION(depthwise_options),
    KD_ROW_BOOL(depthwise_options, use_bias, "true", "add a bias"),
    KD_ROW_INITIALIZER(depthwise_options, depthwise_initializer, "glorot_uniform"),
    KD_ROW_INITIALIZER(depthwise_options, bias_initializer, "zeros"),
    KD_ROW_REGULARIZER(depthwise_options, depthwise_regularizer),
    KD_ROW_REGULARIZER(depthwise_options, bias_regularizer),
    KD_ROW_REGULARIZER(depthwise_options, activity_regularizer),
    KD_ROW_CONSTRAINT(depthwise_options, depthwise_constraint),
    KD_ROW_CONSTRAINT(depthwise_options, bias_constraint),
    KD_ROW_END,
};

#define LAYER(id, class, text, function)                                                                     \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class, .help = text, .options = options, .options_size = sizeof(depthwise_options)},  \
      .min_inputs = 1,                                                                                       \
      .max_inputs = 1,                                                                                       \
      .build = function,                                                                                     \
  };
LAYER(depthwise_conv1d, "DepthwiseConv1D", "convolution of each channel over time", depthwise1d_build)
LAYER(depthwise_conv2d, "DepthwiseConv2D", "convolution of each channel over images", depthwise2d_build)
