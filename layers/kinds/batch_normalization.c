/* BatchNormalization (keras/src/layers/normalization/batch_normalization.py). Training uses the biased
 * statistics of the batch and moves the moving ones; inference and frozen layers use the moving ones. */
#include "layers/kinds/kinds.h"

typedef struct batch_norm_options {
  int64_t axis;
  double momentum, epsilon;
  bool center, scale, synchronized;
  kd_object beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer;
  kd_object beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint;
} batch_norm_options;

typedef struct batch_norm_weights {
  kd_sym gamma, beta, mean, variance; /* gamma, beta: KD_NO_SYM when the layer has none */
} batch_norm_weights;

static batch_norm_weights declare(kd_build *build, const batch_norm_options *o, int64_t channels) {
  kd_shape shape = KD_SHAPE(channels);
  batch_norm_weights w = {KD_NO_SYM, KD_NO_SYM, KD_NO_SYM, KD_NO_SYM};
  if (o->scale)
    w.gamma = kd_build_weight(build, "gamma", shape, &o->gamma_initializer, &o->gamma_regularizer, true);
  if (o->center)
    w.beta = kd_build_weight(build, "beta", shape, &o->beta_initializer, &o->beta_regularizer, true);
  kd_build_constrain(build, w.gamma, &o->gamma_constraint);
  kd_build_constrain(build, w.beta, &o->beta_constraint);
  w.mean = kd_build_weight(build, "moving_mean", shape, &o->moving_mean_initializer, NULL, false);
  w.variance = kd_build_weight(build, "moving_variance", shape, &o->moving_variance_initializer, NULL, false);
  return w;
}

static kd_sym normalise_by_batch(kd_build *build, const batch_norm_options *o, kd_sym x,
                                 const batch_norm_weights *w, kd_shape shape) {
  kd_graph *g = build->graph;
  kd_sym gamma = o->scale ? w->gamma : kd_full(g, shape, 1),
         beta = o->center ? w->beta : kd_full(g, shape, 0);
  kd_sym mean, variance;
  kd_sym y = kd_batch_norm(g, x, gamma, beta, o->epsilon, &mean, &variance);
  kd_build_moving(build, w->mean, mean, o->momentum);
  kd_build_moving(build, w->variance, variance, o->momentum);
  return y;
}

/* Statistics that are not those of all rows of this pass: with a mask those of the valid steps, synchronized
 * those of all ranks (Keras's _moments). */
static kd_sym normalise_by_moments(kd_build *build, const batch_norm_options *o, kd_sym x,
                                   const batch_norm_weights *w) {
  kd_graph *g = build->graph;
  kd_shape shape = *kd_sym_shape(g, x);
  int rank = shape.rank, axes[KD_MAX_RANK];
  for (int i = 0; i < rank - 1; i++) axes[i] = i;
  kd_shape cells = shape;
  cells.dim[rank - 1] = 1;
  kd_sym valid = kd_mask_factor(g, build->input_mask[0], x);
  if (valid == KD_NO_SYM) valid = kd_const(g, 1);
  kd_sym count = kd_reshape(g, kd_reduce_all(g, KD_REDUCE_SUM, kd_broadcast(g, valid, cells)), KD_SHAPE(1));
  kd_sym sum = kd_reduce(g, KD_REDUCE_SUM, kd_mul(g, x, valid), rank - 1, axes, false);
  if (o->synchronized) {
    count = kd_exchange(g, count);
    sum = kd_exchange(g, sum);
  }
  kd_sym mean = kd_div(g, sum, count), centred = kd_sub(g, x, mean);
  kd_sym squares = kd_reduce(g, KD_REDUCE_SUM, kd_mul(g, kd_unary(g, KD_PW_SQUARE, centred), valid), rank - 1,
                             axes, false);
  kd_sym variance = kd_div(g, o->synchronized ? kd_exchange(g, squares) : squares, count);
  kd_build_moving(build, w->mean, mean, o->momentum);
  kd_build_moving(build, w->variance, variance, o->momentum);
  kd_sym factor = kd_unary(g, KD_PW_RSQRT, kd_shift(g, variance, o->epsilon));
  if (o->scale) factor = kd_mul(g, factor, w->gamma);
  kd_sym y = kd_mul(g, centred, factor);
  return o->center ? kd_add(g, y, w->beta) : y;
}

/* x * factor + shift, with both computed once per channel. */
static kd_sym normalise_by_moving(kd_graph *g, const batch_norm_options *o, kd_sym x,
                                  const batch_norm_weights *w) {
  kd_sym factor = kd_unary(g, KD_PW_RSQRT, kd_shift(g, w->variance, o->epsilon));
  if (o->scale) factor = kd_mul(g, factor, w->gamma);
  kd_sym shift = kd_unary(g, KD_PW_NEG, kd_mul(g, w->mean, factor));
  if (o->center) shift = kd_add(g, w->beta, shift);
  return kd_add(g, kd_mul(g, x, factor), shift);
}

static kd_status batch_norm_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                  kd_sym *outputs) {
  (void)n_inputs;
  const batch_norm_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_axes_move move;
  kd_sym x = kd_axes_to_last(g, kd_as_float(g, inputs[0]), 1, &o->axis, &move);
  KD_TRY(kd_graph_status(g));
  const kd_shape *shape = kd_sym_shape(g, x);
  kd_shape channels = KD_SHAPE(shape->dim[shape->rank - 1]);
  batch_norm_weights weights = declare(build, o, channels.dim[0]);
  bool by_batch = build->training && layer->trainable;
  KD_CHECK(!by_batch || build->fits || !o->synchronized, KD_ERR_USAGE,
           "synchronized statistics are summed in fit alone: training = true needs synchronized = false");
  kd_sym y;
  if (!by_batch)
    y = normalise_by_moving(g, o, x, &weights);
  else if (build->input_mask[0] != KD_NO_SYM || o->synchronized)
    y = normalise_by_moments(build, o, x, &weights);
  else
    y = normalise_by_batch(build, o, x, &weights, channels);
  outputs[0] = kd_axes_restore(g, y, &move);
  return KD_OK;
}

static const kd_option options[] = {
    KD_ROW_INT(batch_norm_options, axis, "-1", -KD_MAX_RANK, KD_MAX_RANK, "axis of the channels"),
    KD_ROW_FLOAT(batch_norm_options, momentum, "0.99", 0, 1,
                 "share that moving statistics keep in each step"),
    KD_ROW_FLOAT(batch_norm_options, epsilon, "0.001", 0, 1e30, "added to the variance"),
    KD_ROW_BOOL(batch_norm_options, center, "true", "learn beta"),
    KD_ROW_BOOL(batch_norm_options, scale, "true", "learn gamma"),
    KD_ROW_BOOL(batch_norm_options, synchronized, "false", "use the statistics of all ranks together"),
    KD_ROW_INITIALIZER(batch_norm_options, beta_initializer, "zeros"),
    KD_ROW_INITIALIZER(batch_norm_options, gamma_initializer, "ones"),
    KD_ROW_INITIALIZER(batch_norm_options, moving_mean_initializer, "zeros"),
    KD_ROW_INITIALIZER(batch_norm_options, moving_variance_initializer, "ones"),
    KD_ROW_REGULARIZER(batch_norm_options, beta_regularizer),
    KD_ROW_REGULARIZER(batch_norm_options, gamma_regularizer),
    KD_ROW_CONSTRAINT(batch_norm_options, beta_constraint),
    KD_ROW_CONSTRAINT(batch_norm_options, gamma_constraint),
    KD_ROW_END,
};

const kd_layer_kind kd_layer_batch_normalization = {
    .base = {.name = "BatchNormalization",
             .help = "normalisation of each channel by the batch's statistics",
             .options = options,
             .options_size = sizeof(batch_norm_options)},
    .min_inputs = 1,
    .max_inputs = 1,
    .build = batch_norm_build,
    .mask = KD_MASK_PASS,
    .call_args = kd_call_mask,
    .takes_training = true,
};
