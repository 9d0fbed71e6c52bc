/* The functions of keras.activations (keras/src/activations/activations.py) as pointwise graphs. Those that
 * look along an axis are in activations_axis.c. Where a function has two branches, the argument of the branch
 * not taken is clipped first, so that its gradient stays finite. */
#include "layers/kinds/activations.h"

#include <math.h>

static kd_sym negative_part(kd_graph *g, kd_sym x) {
  return kd_min(g, x, kd_const(g, 0));
}

static kd_sym is_positive(kd_graph *g, kd_sym x) {
  return kd_binary(g, KD_PW_LT, kd_const(g, 0), x);
}

static kd_sym clip(kd_graph *g, kd_sym x, double low, double high) {
  return kd_min(g, kd_max(g, x, kd_const(g, low)), kd_const(g, high));
}

kd_sym kd_leaky_relu(kd_graph *g, kd_sym x, double slope) {
  kd_sym negative = kd_binary(g, KD_PW_LT, x, kd_const(g, 0));
  return kd_select(g, negative, kd_scale(g, x, slope), x);
}

kd_sym kd_elu(kd_graph *g, kd_sym x, double alpha) {
  kd_sym below = kd_scale(g, kd_unary(g, KD_PW_EXPM1, negative_part(g, x)), alpha);
  return kd_select(g, is_positive(g, x), x, below);
}

kd_sym kd_relu(kd_graph *g, kd_sym x, double slope, double max_value, double threshold) {
  bool limited = max_value != KD_UNSET_FLOAT;
  if (slope != 0 && !limited && threshold == 0) return kd_leaky_relu(g, x, slope);
  kd_sym y = kd_unary(g, KD_PW_RELU, x);
  if (threshold != 0) y = kd_select(g, kd_binary(g, KD_PW_LT, kd_const(g, threshold), x), x, kd_const(g, 0));
  if (limited) y = clip(g, y, 0, max_value);
  if (slope == 0) return y;
  kd_sym below = kd_unary(g, KD_PW_RELU, kd_sub(g, kd_const(g, threshold), x));
  return kd_sub(g, y, kd_scale(g, below, slope));
}

#define OPTIONS        const kd_activation_options *o = options
#define ACTIVATION(id) static kd_sym id(kd_graph *g, const void *options, kd_sym x)

ACTIVATION(celu) {
  OPTIONS;
  kd_sym below = kd_unary(g, KD_PW_EXPM1, kd_scale(g, negative_part(g, x), 1 / o->alpha));
  return kd_select(g, is_positive(g, x), x, kd_scale(g, below, o->alpha));
}

ACTIVATION(elu) {
  OPTIONS;
  return kd_elu(g, x, o->alpha);
}

ACTIVATION(exponential) {
  (void)options;
  return kd_unary(g, KD_PW_EXP, x);
}

ACTIVATION(gelu) {
  OPTIONS;
  kd_sym inner;
  if (o->approximate) {
    kd_sym cube = kd_mul(g, x, kd_unary(g, KD_PW_SQUARE, x));
    inner = kd_unary(g, KD_PW_TANH, kd_scale(g, kd_add(g, x, kd_scale(g, cube, 0.044715)), sqrt(2 / M_PI)));
  } else {
    inner = kd_unary(g, KD_PW_ERF, kd_scale(g, x, sqrt(0.5)));
  }
  return kd_scale(g, kd_mul(g, x, kd_shift(g, inner, 1)), 0.5);
}

ACTIVATION(hard_shrink) {
  OPTIONS;
  kd_sym large = kd_binary(g, KD_PW_LT, kd_const(g, o->threshold), kd_unary(g, KD_PW_ABS, x));
  return kd_select(g, large, x, kd_const(g, 0));
}

ACTIVATION(hard_sigmoid) {
  (void)options;
  return kd_scale(g, clip(g, kd_shift(g, x, 3), 0, 6), 1.0 / 6);
}

ACTIVATION(hard_silu) {
  return kd_mul(g, x, hard_sigmoid(g, options, x));
}

ACTIVATION(hard_tanh) {
  (void)options;
  return clip(g, x, -1, 1);
}

ACTIVATION(leaky_relu) {
  OPTIONS;
  return kd_leaky_relu(g, x, o->negative_slope);
}

ACTIVATION(linear) {
  (void)g, (void)options;
  return x;
}

ACTIVATION(log_sigmoid) {
  (void)options;
  return kd_unary(g, KD_PW_NEG, kd_unary(g, KD_PW_SOFTPLUS, kd_unary(g, KD_PW_NEG, x)));
}

ACTIVATION(mish) {
  (void)options;
  return kd_mul(g, x, kd_unary(g, KD_PW_TANH, kd_unary(g, KD_PW_SOFTPLUS, x)));
}

ACTIVATION(relu) {
  OPTIONS;
  return kd_relu(g, x, o->negative_slope, o->max_value, o->threshold);
}

ACTIVATION(relu6) {
  (void)options;
  return clip(g, x, 0, 6);
}

ACTIVATION(selu) {
  (void)options;
  return kd_scale(g, kd_elu(g, x, 1.6732632423543772), 1.0507009873554805);
}

ACTIVATION(sigmoid) {
  (void)options;
  return kd_unary(g, KD_PW_SIGMOID, x);
}

ACTIVATION(silu) {
  (void)options;
  return kd_mul(g, x, kd_unary(g, KD_PW_SIGMOID, x));
}

ACTIVATION(soft_shrink) {
  OPTIONS;
  return kd_sub(g, x, clip(g, x, -o->threshold, o->threshold));
}

ACTIVATION(softplus) {
  (void)options;
  return kd_unary(g, KD_PW_SOFTPLUS, x);
}

ACTIVATION(softsign) {
  (void)options;
  return kd_div(g, x, kd_shift(g, kd_unary(g, KD_PW_ABS, x), 1));
}

/* 0, then (x + 1)^2 / 4 on [-1, 1], then x. */
ACTIVATION(sparse_plus) {
  (void)options;
  kd_sym inner = kd_scale(g, kd_unary(g, KD_PW_SQUARE, kd_shift(g, clip(g, x, -1, 1), 1)), 0.25);
  return kd_select(g, kd_binary(g, KD_PW_LE, kd_const(g, 1), x), x, inner);
}

ACTIVATION(sparse_sigmoid) {
  (void)options;
  return clip(g, kd_scale(g, kd_shift(g, x, 1), 0.5), 0, 1);
}

ACTIVATION(squareplus) {
  OPTIONS;
  kd_sym root = kd_unary(g, KD_PW_SQRT, kd_shift(g, kd_unary(g, KD_PW_SQUARE, x), o->b));
  return kd_scale(g, kd_add(g, x, root), 0.5);
}

ACTIVATION(tanh_) {
  (void)options;
  return kd_unary(g, KD_PW_TANH, x);
}

ACTIVATION(tanh_shrink) {
  (void)options;
  return kd_sub(g, x, kd_unary(g, KD_PW_TANH, x));
}

ACTIVATION(threshold) {
  OPTIONS;
  kd_sym above = kd_binary(g, KD_PW_LT, kd_const(g, o->threshold), x);
  return kd_select(g, above, x, kd_const(g, o->default_value));
}

#define ROW(field, start, text) KD_ROW_FLOAT(kd_activation_options, field, start, 0, 0, text)
#define ROW_POSITIVE(field, start, text)                                                                     \
  {                                                                                                          \
    .name = #field, .type = KD_OPT_FLOAT, .offset = offsetof(kd_activation_options, field),                  \
    .initial = start, .help = text, .max = 1e30, .flags = KD_OPT_OPEN_MIN                                    \
  }
#define ROW_SHRINK                                                                                           \
  KD_ROW_FLOAT(kd_activation_options, threshold, "0.5", 0, 1e30, "half width of the zero range")

static const kd_option none[] = {KD_ROW_END};
static const kd_option elu_table[] = {ROW(alpha, "1.0", "scale of the negative part"), KD_ROW_END};
static const kd_option celu_table[] = {ROW_POSITIVE(alpha, "1.0", "scale of the negative part"), KD_ROW_END};
static const kd_option gelu_table[] = {
    KD_ROW_BOOL(kd_activation_options, approximate, "false", "the tanh form"), KD_ROW_END};
static const kd_option shrink_table[] = {ROW_SHRINK, KD_ROW_END};
static const kd_option leaky_table[] = {ROW(negative_slope, "0.2", "slope below zero"), KD_ROW_END};
static const kd_option relu_table[] = {
    ROW(negative_slope, "0.0", "slope below the threshold"),
    {.name = "max_value",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(kd_activation_options, max_value),
     .initial = "none",
     .help = "largest result; none: unlimited",
     .max = 1e30,
     .flags = KD_OPT_NONE_OK},
    ROW(threshold, "0.0", "values up to it are cut"),
    KD_ROW_END,
};
static const kd_option squareplus_table[] = {ROW(b, "4", "smoothness"), KD_ROW_END};
static const kd_option threshold_table[] = {ROW(threshold, NULL, "values above it are kept"),
                                            ROW(default_value, NULL, "replaces the others"), KD_ROW_END};
static const kd_option axis_table[] = {
    KD_ROW_INT(kd_activation_options, axis, "-1", -KD_MAX_RANK, KD_MAX_RANK, "axis of the function"),
    KD_ROW_END};

#define KIND(id, class, others, table, function, text)                                                       \
  static const kd_activation_kind id##_kind = {{.name = class,                                               \
                                                .aliases = others,                                           \
                                                .help = text,                                                \
                                                .options = table,                                            \
                                                .options_size = sizeof(kd_activation_options)},              \
                                               function};
KIND(celu, "celu", NULL, celu_table, celu, "continuously differentiable elu")
KIND(elu, "elu", NULL, elu_table, elu, "alpha (exp(x) - 1) below zero")
KIND(exponential, "exponential", NULL, none, exponential, "exp(x)")
KIND(gelu, "gelu", NULL, gelu_table, gelu, "x P(X <= x) of a normal X")
KIND(glu, "glu", NULL, axis_table, kd_glu, "a sigmoid(b) of the two halves")
KIND(hard_shrink, "hard_shrink", NULL, shrink_table, hard_shrink, "0 where |x| <= threshold")
KIND(hard_sigmoid, "hard_sigmoid", NULL, none, hard_sigmoid, "clip(x / 6 + 0.5, 0, 1)")
KIND(hard_silu, "hard_silu", "hard_swish", none, hard_silu, "x hard_sigmoid(x)")
KIND(hard_tanh, "hard_tanh", NULL, none, hard_tanh, "clip(x, -1, 1)")
KIND(leaky_relu, "leaky_relu", NULL, leaky_table, leaky_relu, "a small slope below zero")
KIND(linear, "linear", NULL, none, linear, "x")
KIND(log_sigmoid, "log_sigmoid", NULL, none, log_sigmoid, "log(sigmoid(x))")
KIND(log_softmax, "log_softmax", NULL, axis_table, kd_log_softmax_activation, "log(softmax(x))")
KIND(mish, "mish", NULL, none, mish, "x tanh(softplus(x))")
KIND(relu, "relu", NULL, relu_table, relu, "max(x, 0)")
KIND(relu6, "relu6", NULL, none, relu6, "clip(x, 0, 6)")
KIND(selu, "selu", NULL, none, selu, "scaled elu of self-normalising networks")
KIND(sigmoid, "sigmoid", NULL, none, sigmoid, "1 / (1 + exp(-x))")
KIND(silu, "silu", "swish", none, silu, "x sigmoid(x)")
KIND(soft_shrink, "soft_shrink", NULL, shrink_table, soft_shrink, "moved towards zero by threshold")
KIND(softmax, "softmax", NULL, axis_table, kd_softmax_activation, "exp(x) / sum(exp(x))")
KIND(softplus, "softplus", NULL, none, softplus, "log(1 + exp(x))")
KIND(softsign, "softsign", NULL, none, softsign, "x / (1 + |x|)")
KIND(sparse_plus, "sparse_plus", NULL, none, sparse_plus, "0, a parabola, then x")
KIND(sparse_sigmoid, "sparse_sigmoid", NULL, none, sparse_sigmoid, "clip((x + 1) / 2, 0, 1)")
KIND(sparsemax, "sparsemax", NULL, axis_table, kd_sparsemax, "projection onto the simplex")
KIND(squareplus, "squareplus", NULL, squareplus_table, squareplus, "(x + sqrt(x^2 + b)) / 2")
KIND(tanh, "tanh", NULL, none, tanh_, "hyperbolic tangent")
KIND(tanh_shrink, "tanh_shrink", NULL, none, tanh_shrink, "x - tanh(x)")
KIND(threshold, "threshold", NULL, threshold_table, threshold, "x above a threshold, else a value")

static const kd_kind *const kinds[] = {
    &celu_kind.base,           &elu_kind.base,         &exponential_kind.base,
    &gelu_kind.base,           &glu_kind.base,         &hard_shrink_kind.base,
    &hard_sigmoid_kind.base,   &hard_silu_kind.base,   &hard_tanh_kind.base,
    &leaky_relu_kind.base,     &linear_kind.base,      &log_sigmoid_kind.base,
    &log_softmax_kind.base,    &mish_kind.base,        &relu_kind.base,
    &relu6_kind.base,          &selu_kind.base,        &sigmoid_kind.base,
    &silu_kind.base,           &soft_shrink_kind.base, &softmax_kind.base,
    &softplus_kind.base,       &softsign_kind.base,    &sparse_plus_kind.base,
    &sparse_sigmoid_kind.base, &sparsemax_kind.base,   &squareplus_kind.base,
    &tanh_kind.base,           &tanh_shrink_kind.base, &threshold_kind.base,
};
const kd_family kd_activation_family = {"activation", kinds, sizeof kinds / sizeof *kinds};

kd_sym kd_activate(kd_graph *graph, const kd_object *activation, kd_sym x) {
  const kd_activation_kind *kind = (const kd_activation_kind *)activation->kind;
  return kind ? kind->apply(graph, activation->options, x) : x;
}
