/* Conv1D, Conv2D and Conv3D (keras/src/layers/convolutional/base_conv.py): cross-correlation with kernels of
 * shape (window.., channels / groups, filters). */
#include "layers/kinds/window.h"

typedef struct conv_options {
  int64_t filters, groups;
  kd_ints kernel_size, strides, dilation_rate;
  int padding, data_format;
  kd_object activation;
  bool use_bias;
  kd_object kernel_initializer, bias_initializer;
  kd_object kernel_regularizer, bias_regularizer, activity_regularizer;
  kd_object kernel_constraint, bias_constraint;
} conv_options;

static kd_status conv_build(kd_build *build, const kd_layer *layer, int spatial, kd_sym input,
                            kd_sym *output) {
  const conv_options *o = layer->options;
  kd_graph *g = build->graph;
  char text[KD_SHAPE_TEXT];
  kd_sym x = kd_as_float(g, input);
  kd_window window;
  KD_TRY(kd_window_make(spatial, o->padding, "kernel_size", &o->kernel_size, &o->strides, &o->dilation_rate,
                        &window));
  KD_TRY(kd_window_fit(&window, g, x));
  int64_t channels = kd_sym_shape(g, x)->dim[spatial + 1];
  KD_CHECK(channels % o->groups == 0, KD_ERR_USAGE,
           "groups = %lld does not divide the %lld channels of the input of "
           "shape %s",
           (long long)o->groups, (long long)channels, kd_layer_shape(g, x, text));
  kd_shape shape = {.rank = spatial + 2};
  for (int i = 0; i < spatial; i++) shape.dim[i] = window.size[i];
  shape.dim[spatial] = channels / o->groups;
  shape.dim[spatial + 1] = o->filters;
  kd_sym kernel =
      kd_build_weight(build, "kernel", shape, &o->kernel_initializer, &o->kernel_regularizer, true);
  kd_build_constrain(build, kernel, &o->kernel_constraint);
  kd_conv_attr attr = kd_window_conv(&window, o->groups);
  kd_sym y = kd_conv(g, x, kernel, &attr);
  if (o->use_bias)
    y = kd_add_bias(g, y,
                    kd_build_constrain(build,
                                       kd_build_weight(build, "bias", KD_SHAPE(o->filters),
                                                       &o->bias_initializer, &o->bias_regularizer, true),
                                       &o->bias_constraint));
  *output = kd_activate(g, &o->activation, y);
  kd_build_activity(build, &o->activity_regularizer, *output);
  return KD_OK;
}

static kd_status conv1d_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                              kd_sym *outputs) {
  (void)n_inputs;
  return conv_build(build, layer, 1, inputs[0], &outputs[0]);
}

static kd_status conv2d_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                              kd_sym *outputs) {
  (void)n_inputs;
  return conv_build(build, layer, 2, inputs[0], &outputs[0]);
}

static kd_status conv3d_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                              kd_sym *outputs) {
  (void)n_inputs;
  return conv_build(build, layer, 3, inputs[0], &outputs[0]);
}

static void conv_check(const void *options, kd_diag *diag, kd_origin origin) {
  const conv_options *o = options;
  if (o->groups > 0 && o->filters % o->groups != 0)
    kd_diag_error(diag, origin, "groups = %lld does not divide filters = %lld", (long long)o->groups,
                  (long long)o->filters);
  kd_window_check(&o->strides, &o->dilation_rate, diag, origin);
}

#define TABLE(paddings)                                                                                      \
  KD_ROW_INT(conv_options, filters, NULL, 1, KD_SIZE_LIMIT, "number of output channels"),                    \
      KD_ROW_INTS(conv_options, kernel_size, NULL, 1, KD_SIZE_LIMIT, "size of the window"),                  \
      KD_ROW_INTS(conv_options, strides, "1", 1, KD_SIZE_LIMIT, "step of the window"),                       \
      KD_ROW_CHOICE(conv_options, padding, "valid", paddings, "cells added around the input"),               \
      KD_ROW_DATA_FORMAT(conv_options),                                                                      \
      KD_ROW_INTS(conv_options, dilation_rate, "1", 1, KD_SIZE_LIMIT,                                        \
                  "distance between cells of the window"),                                                   \
      KD_ROW_INT(conv_options, groups, "1", 1, KD_SIZE_LIMIT,                                                \
                 "parts of the channels that are convolved apart"),                                          \
      KD_ROW_ACTIVATION(conv_options), KD_ROW_BOOL(conv_options, use_bias, "true", "add a bias"),            \
      KD_ROW_INITIALIZER(conv_options, kernel_initializer, "glorot_uniform"),                                \
      KD_ROW_INITIALIZER(conv_options, bias_initializer, "zeros"),                                           \
      KD_ROW_REGULARIZER(conv_options, kernel_regularizer),                                                  \
      KD_ROW_REGULARIZER(conv_options, bias_regularizer),                                                    \
      KD_ROW_REGULARIZER(conv_options, activity_regularizer),                                                \
      KD_ROW_CONSTRAINT(conv_options, kernel_constraint), KD_ROW_CONSTRAINT(conv_options, bias_constraint),  \
      KD_ROW_END
static const kd_option conv1d_table[] = {TABLE(KD_PADDING_CHOICES_CAUSAL)};
static const kd_option conv2d_table[] = {TABLE(KD_PADDING_CHOICES)};

#define LAYER(id, class, others, text, table, function)                                                      \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class,                                                                                \
               .aliases = others,                                                                            \
               .help = text,                                                                                 \
               .options = table,                                                                             \
               .options_size = sizeof(conv_options),                                                         \
               .check = conv_check},                                                                         \
      .min_inputs = 1,                                                                                       \
      .max_inputs = 1,                                                                                       \
      .build = function,                                                                                     \
  };
LAYER(conv1d, "Conv1D", "Convolution1D", "convolution over time", conv1d_table, conv1d_build)
LAYER(conv2d, "Conv2D", "Convolution2D", "convolution over images", conv2d_table, conv2d_build)
LAYER(conv3d, "Conv3D", "Convolution3D", "convolution over volumes", conv2d_table, conv3d_build)
