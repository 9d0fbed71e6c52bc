/* Dense: y = activation(x W + b) over the last axis (keras/src/layers/core/dense.py). */
#include "layers/kinds/kinds.h"

typedef struct dense_options {
  int64_t units;
  kd_object activation;
  bool use_bias;
  kd_object kernel_initializer, bias_initializer;
  kd_object kernel_regularizer, bias_regularizer, activity_regularizer;
  kd_object kernel_constraint, bias_constraint;
} dense_options;

static kd_status dense_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                             kd_sym *outputs) {
  (void)n_inputs;
  const dense_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_sym x = kd_as_float(g, inputs[0]);
  const kd_shape *shape = kd_sym_shape(g, x);
  char text[KD_SHAPE_TEXT];
  KD_CHECK(shape->rank >= 2, KD_ERR_USAGE, "needs an input of rank 2 or more, but its shape is %s",
           kd_layer_shape(g, x, text));
  kd_shape kernel_shape = KD_SHAPE(shape->dim[shape->rank - 1], o->units);
  kd_sym kernel =
      kd_build_weight(build, "kernel", kernel_shape, &o->kernel_initializer, &o->kernel_regularizer, true);
  kd_build_constrain(build, kernel, &o->kernel_constraint);
  kd_sym y = kd_matmul(g, x, kernel, false, false);
  if (o->use_bias)
    y = kd_add_bias(g, y,
                    kd_build_constrain(build,
                                       kd_build_weight(build, "bias", KD_SHAPE(o->units),
                                                       &o->bias_initializer, &o->bias_regularizer, true),
                                       &o->bias_constraint));
  outputs[0] = kd_activate(g, &o->activation, y);
  kd_build_activity(build, &o->activity_regularizer, outputs[0]);
  return KD_OK;
}

static const kd_option options[] = {
    KD_ROW_INT(dense_options, units, NULL, 1, KD_SIZE_LIMIT, "size of the output's last axis"),
    KD_ROW_ACTIVATION(dense_options),
    KD_ROW_BOOL(dense_options, use_bias, "true", "add a bias"),
    KD_ROW_INITIALIZER(dense_options, kernel_initializer, "glorot_uniform"),
    KD_ROW_INITIALIZER(dense_options, bias_initializer, "zeros"),
    KD_ROW_REGULARIZER(dense_options, kernel_regularizer),
    KD_ROW_REGULARIZER(dense_options, bias_regularizer),
    KD_ROW_REGULARIZER(dense_options, activity_regularizer),
    KD_ROW_CONSTRAINT(dense_options, kernel_constraint),
    KD_ROW_CONSTRAINT(dense_options, bias_constraint),
    KD_ROW_END,
};

const kd_layer_kind kd_layer_dense = {
    .base = {.name = "Dense",
             .help = "fully connected layer",
             .options = options,
             .options_size = sizeof(dense_options)},
    .min_inputs = 1,
    .max_inputs = 1,
    .build = dense_build,
    .mask = KD_MASK_PASS,
    .takes_training = true,
};
