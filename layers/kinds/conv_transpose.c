/* Conv1DTranspose, Conv2DTranspose and Conv3DTranspose
 * (keras/src/layers/convolutional/base_conv_transpose.py): the gradient of a convolution with respect to its
 * input, with kernels of shape (window.., filters, channels). */
#include "layers/kinds/window.h"

typedef struct transpose_options {
  int64_t filters;
  kd_ints kernel_size, strides, output_padding, dilation_rate;
  int padding, data_format;
  kd_object activation;
  bool use_bias;
  kd_object kernel_initializer, bias_initializer;
  kd_object kernel_regularizer, bias_regularizer, activity_regularizer;
  kd_object kernel_constraint, bias_constraint;
} transpose_options;

/* Size of the result along one axis and the padding of the convolution that maps it back. In Keras's terms
 * the full result (input - 1) stride + reach is cropped by reach - 1 - left in front (backend_utils.py). */
static void fit_axis(const transpose_options *o, kd_window *w, int axis, int64_t input, int64_t *output) {
  int64_t reach = (w->size[axis] - 1) * w->dilation[axis] + 1, stride = w->stride[axis];
  const kd_ints *given = &o->output_padding;
  int64_t extra = given->count ? given->v[given->count == 1 ? 0 : axis] : 0, left, total;
  if (o->padding == KD_PADDING_VALID) {
    if (!given->count && stride > reach) extra = stride - reach;
    left = reach - 1;
    total = 2 * (reach - 1) + extra;
  } else {
    total = given->count ? reach + reach % 2 - 2 + extra : stride + reach - 2;
    left = (total + 1) / 2 < reach - 1 ? (total + 1) / 2 : reach - 1;
  }
  int64_t after = reach - 1 - (total - left);
  *output = (input - 1) * stride + total - reach + 2;
  w->before[axis] = reach - 1 - left;
  w->after[axis] = after > 0 ? after : 0; /* cells behind the last window get 0 */
}

static kd_status result_shape(const transpose_options *o, const kd_graph *g, kd_sym x, kd_window *w,
                              kd_shape *result) {
  char text[KD_SHAPE_TEXT];
  *result = *kd_sym_shape(g, x);
  KD_CHECK(result->rank == w->spatial + 2, KD_ERR_USAGE, "needs an input of rank %d, but its shape is %s",
           w->spatial + 2, kd_layer_shape(g, x, text));
  KD_CHECK(o->output_padding.count <= 1 || o->output_padding.count == w->spatial, KD_ERR_USAGE,
           "output_padding has %d numbers, but needs 1 or %d", o->output_padding.count, w->spatial);
  for (int i = 0; i < w->spatial; i++) {
    int64_t extra = o->output_padding.count ? o->output_padding.v[o->output_padding.count == 1 ? 0 : i] : 0;
    KD_CHECK(extra < w->stride[i], KD_ERR_USAGE, "output_padding = %lld must be below strides = %lld",
             (long long)extra, (long long)w->stride[i]);
    fit_axis(o, w, i, result->dim[i + 1], &result->dim[i + 1]);
    KD_CHECK(result->dim[i + 1] > 0, KD_ERR_USAGE,
             "the result of axis %d of the input of shape %s would be empty", i + 1,
             kd_layer_shape(g, x, text));
  }
  result->dim[w->spatial + 1] = o->filters;
  return KD_OK;
}

static kd_status transpose_build(kd_build *build, const kd_layer *layer, int spatial, kd_sym input,
                                 kd_sym *output) {
  const transpose_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_sym x = kd_as_float(g, input);
  KD_TRY(kd_graph_status(g));
  kd_window window;
  kd_shape result;
  KD_TRY(kd_window_make(spatial, o->padding, "kernel_size", &o->kernel_size, &o->strides, &o->dilation_rate,
                        &window));
  KD_TRY(result_shape(o, g, x, &window, &result));
  kd_shape shape = {.rank = spatial + 2};
  for (int i = 0; i < spatial; i++) shape.dim[i] = window.size[i];
  shape.dim[spatial] = o->filters;
  shape.dim[spatial + 1] = kd_sym_shape(g, x)->dim[spatial + 1];
  kd_sym kernel =
      kd_build_weight(build, "kernel", shape, &o->kernel_initializer, &o->kernel_regularizer, true);
  kd_build_constrain(build, kernel, &o->kernel_constraint);
  kd_conv_attr attr = kd_window_conv(&window, 1);
  attr.shape = result;
  kd_sym y = kd_conv_transpose(g, x, kernel, &attr);
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

static kd_status transpose1d_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                   kd_sym *outputs) {
  (void)n_inputs;
  return transpose_build(build, layer, 1, inputs[0], &outputs[0]);
}

static kd_status transpose2d_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                   kd_sym *outputs) {
  (void)n_inputs;
  return transpose_build(build, layer, 2, inputs[0], &outputs[0]);
}

static kd_status transpose3d_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                   kd_sym *outputs) {
  (void)n_inputs;
  return transpose_build(build, layer, 3, inputs[0], &outputs[0]);
}

static void transpose_check(const void *options, kd_diag *diag, kd_origin origin) {
  const transpose_options *o = options;
  kd_window_check(&o->strides, &o->dilation_rate, diag, origin);
}

static const kd_option options[] = {
    KD_ROW_INT(transpose_options, filters, NULL, 1, KD_SIZE_LIMIT, "number of output channels"),
    KD_ROW_INTS(transpose_options, kernel_size, NULL, 1, KD_SIZE_LIMIT, "size of the window"),
    KD_ROW_INTS(transpose_options, strides, "1", 1, KD_SIZE_LIMIT, "distance of the windows in the result"),
    KD_ROW_CHOICE(transpose_options, padding, "valid", KD_PADDING_CHOICES,
                  "same: strides times the input's size"),
    {.name = "output_padding",
     .type = KD_OPT_INTS,
     .offset = offsetof(transpose_options, output_padding),
     .initial = "none",
     .help = "cells added at the end of the result; none: as many as padding asks for",
     .max = KD_SIZE_LIMIT,
     .flags = KD_OPT_NONE_OK},
    KD_ROW_DATA_FORMAT(transpose_options),
    KD_ROW_INTS(transpose_options, dilation_rate, "1", 1, KD_SIZE_LIMIT,
                "distance between cells of the window"),
    KD_ROW_ACTIVATION(transpose_options),
    KD_ROW_BOOL(transpose_options, use_bias, "true", "add a bias"),
    KD_ROW_INITIALIZER(transpose_options, kernel_initializer, "glorot_uniform"),
    KD_ROW_INITIALIZER(transpose_options, bias_initializer, "zeros"),
    KD_ROW_REGULARIZER(transpose_options, kernel_regularizer),
    KD_ROW_REGULARIZER(transpose_options, bias_regularizer),
    KD_ROW_REGULARIZER(transpose_options, activity_regularizer),
    KD_ROW_CONSTRAINT(transpose_options, kernel_constraint),
    KD_ROW_CONSTRAINT(transpose_options, bias_constraint),
    KD_ROW_END,
};

#define LAYER(id, class, others, text, function)                                                             \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class,                                                                                \
               .aliases = others,                                                                            \
               .help = text,                                                                                 \
               .options = options,                                                                           \
               .options_size = sizeof(transpose_options),                                                    \
               .check = transpose_check},                                                                    \
      .min_inputs = 1,                                                                                       \
      .max_inputs = 1,                                                                                       \
      .build = function,                                                                                     \
  };
LAYER(conv1d_transpose, "Conv1DTranspose", "Convolution1DTranspose", "transposed convolution over time",
      transpose1d_build)
LAYER(conv2d_transpose, "Conv2DTranspose", "Convolution2DTranspose", "transposed convolution over images",
      transpose2d_build)
LAYER(conv3d_transpose, "Conv3DTranspose", "Convolution3DTranspose", "transposed convolution over volumes",
      transpose3d_build)
