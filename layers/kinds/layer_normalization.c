/* LayerNormalization (keras/src/layers/normalization/layer_normalization.py): each sample by its own biased
 * variance over the given axes. */
#include "layers/kinds/kinds.h"

typedef struct layer_norm_options {
  kd_ints axis;
  double epsilon;
  bool center, scale;
  kd_object beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer;
  kd_object beta_constraint, gamma_constraint;
} layer_norm_options;

/* The weight as a vector over the merged axes; ones or zeros when the layer has none. */
static kd_sym vector(kd_build *build, bool present, const char *name, kd_shape shape,
                     const kd_object *initializer, const kd_object *regularizer, const kd_object *constraint,
                     double otherwise) {
  kd_shape flat = KD_SHAPE(kd_shape_count(&shape));
  if (!present) return kd_full(build->graph, flat, otherwise);
  kd_sym weight = kd_build_weight(build, name, shape, initializer, regularizer, true);
  return kd_reshape(build->graph, kd_build_constrain(build, weight, constraint), flat);
}

/* Sizes of the axes in the order in which Keras sorts them, as written: -1 comes before 1. The numbers are
 * used in the order of the axes nevertheless, which kd_axes_to_last gives. */
static kd_shape weight_shape(const kd_shape *input, const kd_ints *axes) {
  kd_ints sorted = *axes;
  for (int i = 1; i < sorted.count; i++)
    for (int k = i; k > 0 && sorted.v[k] < sorted.v[k - 1]; k--) {
      int64_t larger = sorted.v[k - 1];
      sorted.v[k - 1] = sorted.v[k];
      sorted.v[k] = larger;
    }
  kd_shape shape = {.rank = sorted.count};
  for (int i = 0; i < sorted.count; i++)
    shape.dim[i] = input->dim[sorted.v[i] < 0 ? sorted.v[i] + input->rank : sorted.v[i]];
  return shape;
}

static kd_status layer_norm_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                  kd_sym *outputs) {
  (void)n_inputs;
  const layer_norm_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_axes_move move;
  kd_sym x = kd_axes_to_last(g, kd_as_float(g, inputs[0]), o->axis.count, o->axis.v, &move);
  KD_TRY(kd_graph_status(g));
  kd_shape shape = weight_shape(kd_sym_shape(g, inputs[0]), &o->axis);
  kd_sym gamma = vector(build, o->scale, "gamma", shape, &o->gamma_initializer, &o->gamma_regularizer,
                        &o->gamma_constraint, 1);
  kd_sym beta = vector(build, o->center, "beta", shape, &o->beta_initializer, &o->beta_regularizer,
                       &o->beta_constraint, 0);
  outputs[0] = kd_axes_restore(g, kd_layer_norm(g, x, gamma, beta, o->epsilon), &move);
  return KD_OK;
}

static const kd_option options[] = {
    KD_ROW_INTS(layer_norm_options, axis, "-1", -KD_MAX_RANK, KD_MAX_RANK,
                "axes that are normalised together"),
    KD_ROW_FLOAT(layer_norm_options, epsilon, "0.001", 0, 1e30, "added to the variance"),
    KD_ROW_BOOL(layer_norm_options, center, "true", "learn beta"),
    KD_ROW_BOOL(layer_norm_options, scale, "true", "learn gamma"),
    KD_ROW_INITIALIZER(layer_norm_options, beta_initializer, "zeros"),
    KD_ROW_INITIALIZER(layer_norm_options, gamma_initializer, "ones"),
    KD_ROW_REGULARIZER(layer_norm_options, beta_regularizer),
    KD_ROW_REGULARIZER(layer_norm_options, gamma_regularizer),
    KD_ROW_CONSTRAINT(layer_norm_options, beta_constraint),
    KD_ROW_CONSTRAINT(layer_norm_options, gamma_constraint),
    KD_ROW_END,
};

const kd_layer_kind kd_layer_layer_normalization = {
    .base = {.name = "LayerNormalization",
             .help = "normalisation of each sample by its own statistics",
             .options = options,
             .options_size = sizeof(layer_norm_options)},
    .min_inputs = 1,
    .max_inputs = 1,
    .takes_any_float = true,
    .build = layer_norm_build,
    .mask = KD_MASK_PASS,
};
