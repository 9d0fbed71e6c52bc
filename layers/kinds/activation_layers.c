/* Activation and the layers of keras/src/layers/activations. */
#include "layers/kinds/activations.h"

typedef struct activation_options {
  kd_object activation;
} activation_options;

typedef struct relu_options {
  double max_value, negative_slope, threshold;
} relu_options;

typedef struct slope_options {
  double value;
} slope_options;

typedef struct softmax_options {
  kd_ints axis;
} softmax_options;

#define BUILD(id)                                                                                            \
  static kd_status id(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,            \
                      kd_sym *outputs)

BUILD(activation_build) {
  (void)n_inputs;
  const activation_options *o = layer->options;
  outputs[0] = kd_activate(build->graph, &o->activation, kd_as_float(build->graph, inputs[0]));
  return KD_OK;
}

BUILD(relu_build) {
  (void)n_inputs;
  const relu_options *o = layer->options;
  kd_sym x = kd_as_float(build->graph, inputs[0]);
  outputs[0] = kd_relu(build->graph, x, o->negative_slope, o->max_value, o->threshold);
  return KD_OK;
}

BUILD(leaky_relu_build) {
  (void)n_inputs;
  const slope_options *o = layer->options;
  outputs[0] = kd_leaky_relu(build->graph, kd_as_float(build->graph, inputs[0]), o->value);
  return KD_OK;
}

BUILD(elu_build) {
  (void)n_inputs;
  const slope_options *o = layer->options;
  outputs[0] = kd_elu(build->graph, kd_as_float(build->graph, inputs[0]), o->value);
  return KD_OK;
}

/* The call's mask: 1 where a number counts; KD_NO_SYM: all. */
static kd_status softmax_mask(const kd_build *build, const kd_sym *inputs, kd_sym *mask) {
  kd_graph *g = build->graph;
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  int at;
  KD_TRY(kd_call_tensor(build, "mask", &at));
  *mask = KD_NO_SYM;
  if (at < 0) return KD_OK;
  const kd_shape *m = kd_sym_shape(g, inputs[at]), *x = kd_sym_shape(g, inputs[0]);
  bool fits = m->rank == x->rank; /* axis 0 of both is the batch */
  for (int i = 1; fits && i <= m->rank; i++)
    fits = m->dim[m->rank - i] == 1 || m->dim[m->rank - i] == x->dim[x->rank - i];
  KD_CHECK(fits, KD_ERR_USAGE,
           "call argument mask has the shape %s, which does not broadcast to the input's shape %s",
           kd_layer_shape(g, inputs[at], a), kd_layer_shape(g, inputs[0], b));
  *mask = kd_binary(g, KD_PW_LT, kd_const(g, 0.5), kd_as_float(g, inputs[at]));
  return KD_OK;
}

BUILD(softmax_build) {
  (void)n_inputs;
  const softmax_options *o = layer->options;
  kd_sym mask;
  KD_TRY(softmax_mask(build, inputs, &mask));
  outputs[0] =
      kd_softmax_masked(build->graph, kd_as_float(build->graph, inputs[0]), mask, o->axis.count, o->axis.v);
  return KD_OK;
}

static const kd_option activation_table[] = {
    {.name = "activation",
     .type = KD_OPT_OBJECT,
     .offset = offsetof(activation_options, activation),
     .help = "the function",
     .flags = KD_OPT_NONE_OK,
     .family = &kd_activation_family},
    KD_ROW_END,
};
static const kd_option relu_table[] = {
    {.name = "max_value",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(relu_options, max_value),
     .initial = "none",
     .help = "largest result; none: unlimited",
     .max = 1e30,
     .flags = KD_OPT_NONE_OK},
    KD_ROW_FLOAT(relu_options, negative_slope, "0.0", 0, 1e30, "slope below the threshold"),
    KD_ROW_FLOAT(relu_options, threshold, "0.0", 0, 1e30, "values up to it are cut"),
    KD_ROW_END,
};
static const kd_option leaky_relu_table[] = {
    {.name = "negative_slope",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(slope_options, value),
     .initial = "0.3",
     .help = "slope below zero",
     .max = 1e30,
     .alias = "alpha"},
    KD_ROW_END,
};
static const kd_option elu_table[] = {
    {.name = "alpha",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(slope_options, value),
     .initial = "1.0",
     .help = "scale of the negative part"},
    KD_ROW_END,
};
static const kd_option softmax_table[] = {
    {.name = "axis",
     .type = KD_OPT_INTS,
     .offset = offsetof(softmax_options, axis),
     .initial = "-1",
     .help = "one axis, or several taken together",
     .min = -KD_MAX_RANK,
     .max = KD_MAX_RANK},
    KD_ROW_END,
};

static const kd_call_arg softmax_args[] = {
    {"mask", KD_CALL_TENSOR, "numbers above 0.5 count, the others get 0; broadcasts to the input"},
    KD_CALL_ROW_END,
};

#define LAYER(id, class, text, table, S, function, args)                                                     \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class, .help = text, .options = table, .options_size = sizeof(S)},                    \
      .min_inputs = 1,                                                                                       \
      .max_inputs = 1,                                                                                       \
      .build = function,                                                                                     \
      .mask = KD_MASK_PASS,                                                                                  \
      .call_args = args,                                                                                     \
  };
LAYER(activation, "Activation", "any activation function", activation_table, activation_options,
      activation_build, NULL)
LAYER(relu, "ReLU", "max(x, 0), with limits and slope", relu_table, relu_options, relu_build, NULL)
LAYER(leaky_relu, "LeakyReLU", "a small slope below zero", leaky_relu_table, slope_options, leaky_relu_build,
      NULL)
LAYER(elu, "ELU", "alpha (exp(x) - 1) below zero", elu_table, slope_options, elu_build, NULL)
LAYER(softmax, "Softmax", "exp(x) / sum(exp(x))", softmax_table, softmax_options, softmax_build, softmax_args)
