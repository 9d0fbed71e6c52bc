/* SeparableConv1D and 2D (keras/src/layers/convolutional/base_separable_conv.py): a depthwise convolution,
 * then a product over channels; bias and activation come last. */
#include "layers/kinds/depthwise_conv.h"

typedef struct separable_options {
  int64_t filters, depth_multiplier;
  kd_ints kernel_size, strides, dilation_rate;
  int padding, data_format;
  kd_object activation;
  bool use_bias;
  kd_object depthwise_initializer, pointwise_initializer, bias_initializer;
  kd_object depthwise_regularizer, pointwise_regularizer, bias_regularizer, activity_regularizer;
  kd_object depthwise_constraint, pointwise_constraint, bias_constraint;
} separable_options;

/* The product over channels as a matrix product: (.., channels) by (channels, filters). */
static kd_sym pointwise_product(kd_build *build, const separable_options *o, kd_sym x) {
  kd_graph *g = build->graph;
  if (x == KD_NO_SYM) return x;
  kd_shape shape = *kd_sym_shape(g, x), kernel_shape = {.rank = shape.rank};
  int last = shape.rank - 1;
  int64_t channels = shape.dim[last];
  for (int i = 0; i < last - 1; i++) kernel_shape.dim[i] = 1;
  kernel_shape.dim[last - 1] = channels;
  kernel_shape.dim[last] = o->filters;
  kd_sym kernel = kd_build_weight(build, "pointwise_kernel", kernel_shape, &o->pointwise_initializer,
                                  &o->pointwise_regularizer, true);
  kd_build_constrain(build, kernel, &o->pointwise_constraint);
  kd_sym matrix = kd_reshape(g, kernel, KD_SHAPE(channels, o->filters));
  kd_sym y = kd_matmul(g, x, matrix, false, false);
  if (o->use_bias)
    y = kd_add_bias(g, y,
                    kd_build_constrain(build,
                                       kd_build_weight(build, "bias", KD_SHAPE(o->filters),
                                                       &o->bias_initializer, &o->bias_regularizer, true),
                                       &o->bias_constraint));
  return y;
}

static kd_status separable_build(kd_build *build, const kd_layer *layer, int spatial, kd_sym input,
                                 kd_sym *output) {
  const separable_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_sym x = kd_as_float(g, input);
  kd_window window;
  KD_TRY(kd_window_make(spatial, o->padding, "kernel_size", &o->kernel_size, &o->strides, &o->dilation_rate,
                        &window));
  KD_TRY(kd_window_fit(&window, g, x));
  kd_sym depthwise =
      kd_depthwise(build, x, &window, "depthwise_kernel", o->depth_multiplier, &o->depthwise_initializer,
                   &o->depthwise_regularizer, &o->depthwise_constraint);
  *output = kd_activate(g, &o->activation, pointwise_product(build, o, depthwise));
  kd_build_activity(build, &o->activity_regularizer, *output);
  return KD_OK;
}

static kd_status separable1d_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                   kd_sym *outputs) {
  (void)n_inputs;
  return separable_build(build, layer, 1, inputs[0], &outputs[0]);
}

static kd_status separable2d_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                   kd_sym *outputs) {
  (void)n_inputs;
  return separable_build(build, layer, 2, inputs[0], &outputs[0]);
}

static const kd_option options[] = {
    KD_ROW_INT(separable_options, filters, NULL, 1, KD_SIZE_LIMIT, "number of output channels"),
    KD_ROW_INTS(separable_options, kernel_size, NULL, 1, KD_SIZE_LIMIT, "size of the window"),
    KD_ROW_INTS(separable_options, strides, "1", 1, KD_SIZE_LIMIT, "step of the window"),
    KD_ROW_CHOICE(separable_options, padding, "valid", KD_PADDING_CHOICES, "cells added around the input"),
    KD_ROW_DATA_FORMAT(separable_options),
    KD_ROW_INTS(separable_options, dilation_rate, "1", 1, KD_SIZE_LIMIT,
                "distance between cells of the window"),
    KD_ROW_INT(separable_options, depth_multiplier, "1", 1, 65536,
               "depthwise channels for each input channel"),
    KD_ROW_ACTIVATION(separable_options),
    KD_ROW_BOOL(separable_options, use_bias, "true", "add a bias"),
    KD_ROW_INITIALIZER(separable_options, depthwise_initializer, "glorot_uniform"),
    KD_ROW_INITIALIZER(separable_options, pointwise_initializer, "glorot_uniform"),
    KD_ROW_INITIALIZER(separable_options, bias_initializer, "zeros"),
    KD_ROW_REGULARIZER(separable_options, depthwise_regularizer),
    KD_ROW_REGULARIZER(separable_options, pointwise_regularizer),
    KD_ROW_REGULARIZER(separable_options, bias_regularizer),
    KD_ROW_REGULARIZER(separable_options, activity_regularizer),
    KD_ROW_CONSTRAINT(separable_options, depthwise_constraint),
    KD_ROW_CONSTRAINT(separable_options, pointwise_constraint),
    KD_ROW_CONSTRAINT(separable_options, bias_constraint),
    KD_ROW_END,
};

#define LAYER(id, class, others, text, function)                                                             \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class,                                                                                \
               .aliases = others,                                                                            \
               .help = text,                                                                                 \
               .options = options,                                                                           \
               .options_size = sizeof(separable_options)},                                                   \
      .min_inputs = 1,                                                                                       \
      .max_inputs = 1,                                                                                       \
      .build = function,                                                                                     \
  };
LAYER(separable_conv1d, "SeparableConv1D", "SeparableConvolution1D",
      "depthwise, then pointwise convolution over time", separable1d_build)
LAYER(separable_conv2d, "SeparableConv2D", "SeparableConvolution2D",
      "depthwise, then pointwise convolution of images", separable2d_build)
