/* PReLU: relu(x) - alpha relu(-x) with a learned alpha per feature (keras/src/layers/activations/prelu.py).
 */
#include "layers/kinds/kinds.h"

typedef struct prelu_options {
  kd_object alpha_initializer, alpha_regularizer, alpha_constraint;
  kd_ints shared_axes;
} prelu_options;

static kd_status prelu_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                             kd_sym *outputs) {
  (void)n_inputs;
  const prelu_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_sym x = kd_as_float(g, inputs[0]);
  const kd_shape *shape = kd_sym_shape(g, x);
  kd_shape alpha_shape = kd_shape_make(shape->rank - 1, shape->dim + 1);
  for (int i = 0; i < o->shared_axes.count; i++) {
    int axis;
    KD_TRY(kd_layer_axis(g, x, o->shared_axes.v[i], &axis));
    alpha_shape.dim[axis - 1] = 1;
  }
  kd_sym alpha =
      kd_build_weight(build, "alpha", alpha_shape, &o->alpha_initializer, &o->alpha_regularizer, true);
  kd_build_constrain(build, alpha, &o->alpha_constraint);
  kd_sym below = kd_unary(g, KD_PW_RELU, kd_unary(g, KD_PW_NEG, x));
  outputs[0] = kd_sub(g, kd_unary(g, KD_PW_RELU, x), kd_mul(g, alpha, below));
  return KD_OK;
}

static const kd_option options[] = {
    KD_ROW_INITIALIZER(prelu_options, alpha_initializer, "zeros"),
    KD_ROW_REGULARIZER(prelu_options, alpha_regularizer),
    KD_ROW_CONSTRAINT(prelu_options, alpha_constraint),
    {.name = "shared_axes",
     .type = KD_OPT_INTS,
     .offset = offsetof(prelu_options, shared_axes),
     .initial = "none",
     .help = "axes along which one alpha is used, counted from 1 after the batch",
     .min = 1,
     .max = KD_MAX_RANK - 1,
     .flags = KD_OPT_NONE_OK},
    KD_ROW_END,
};

const kd_layer_kind kd_layer_prelu = {
    .base = {.name = "PReLU",
             .help = "relu with a learned slope below zero",
             .options = options,
             .options_size = sizeof(prelu_options)},
    .min_inputs = 1,
    .max_inputs = 1,
    .build = prelu_build,
    .mask = KD_MASK_PASS,
};
