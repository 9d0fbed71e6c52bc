/* GroupNormalization (Wu and He, "Group normalization", 2018; keras/src/layers/normalization): channels in
 * groups, each normalised over all places and its channels. */
#include "layers/kinds/kinds.h"

typedef struct group_norm_options {
  int64_t groups, axis;
  double epsilon;
  bool center, scale;
  kd_object beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer;
  kd_object beta_constraint, gamma_constraint;
} group_norm_options;

/* x (batch, .., channels, ..) as (batch, .., groups, channels of a group, ..). */
static kd_shape grouped(const kd_shape *shape, int axis, int64_t groups) {
  kd_shape split = {.rank = shape->rank + 1};
  for (int i = 0, k = 0; i < shape->rank; i++) {
    if (i == axis) split.dim[k++] = groups;
    split.dim[k++] = i == axis ? shape->dim[i] / groups : shape->dim[i];
  }
  return split;
}

static kd_sym normalize(kd_graph *g, kd_sym x, int axis, double epsilon) {
  int axes[KD_MAX_RANK], n = 0;
  for (int i = 1; i < kd_sym_shape(g, x)->rank; i++)
    if (i != axis) axes[n++] = i;
  kd_sym centred = kd_sub(g, x, kd_reduce(g, KD_REDUCE_MEAN, x, n, axes, true));
  kd_sym variance = kd_reduce(g, KD_REDUCE_MEAN, kd_unary(g, KD_PW_SQUARE, centred), n, axes, true);
  return kd_mul(g, centred, kd_unary(g, KD_PW_RSQRT, kd_shift(g, variance, epsilon)));
}

/* A weight with one number per channel, shaped to broadcast to the input. */
static kd_sym channel_weight(kd_build *build, const char *name, const kd_shape *shape, int axis,
                             const kd_object *initializer, const kd_object *regularizer,
                             const kd_object *constraint) {
  kd_shape spread = {.rank = shape->rank - axis, .dim = {shape->dim[axis]}};
  for (int i = 1; i < spread.rank; i++) spread.dim[i] = 1;
  kd_sym weight = kd_build_weight(build, name, KD_SHAPE(shape->dim[axis]), initializer, regularizer, true);
  return kd_reshape(build->graph, kd_build_constrain(build, weight, constraint), spread);
}

static kd_status group_norm_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                  kd_sym *outputs) {
  (void)n_inputs;
  const group_norm_options *o = layer->options;
  kd_graph *g = build->graph;
  char text[KD_SHAPE_TEXT];
  int axis;
  kd_sym x = kd_as_float(g, inputs[0]);
  KD_TRY(kd_graph_status(g));
  KD_TRY(kd_layer_axis(g, x, o->axis, &axis));
  kd_shape shape = *kd_sym_shape(g, x);
  int64_t channels = shape.dim[axis], groups = o->groups == -1 ? channels : o->groups;
  KD_CHECK(channels % groups == 0, KD_ERR_USAGE,
           "groups = %lld does not divide the %lld channels (axis %d) of the input of shape %s",
           (long long)groups, (long long)channels, axis, kd_layer_shape(g, x, text));
  KD_CHECK(shape.rank < KD_MAX_RANK, KD_ERR_USAGE,
           "an input of shape %s has too many axes; at most %d are possible", kd_layer_shape(g, x, text),
           KD_MAX_RANK - 1);
  kd_sym y = kd_reshape(g, x, grouped(&shape, axis, groups));
  y = kd_reshape(g, normalize(g, y, axis, o->epsilon), shape);
  if (o->scale)
    y = kd_mul(g, y,
               channel_weight(build, "gamma", &shape, axis, &o->gamma_initializer, &o->gamma_regularizer,
                              &o->gamma_constraint));
  if (o->center)
    y = kd_add(g, y,
               channel_weight(build, "beta", &shape, axis, &o->beta_initializer, &o->beta_regularizer,
                              &o->beta_constraint));
  outputs[0] = y;
  return KD_OK;
}

static void group_norm_check(const void *options, kd_diag *diag, kd_origin origin) {
  if (((const group_norm_options *)options)->groups == 0)
    kd_diag_error(diag, origin, "groups = 0: a number of groups, or -1 for one per channel");
}

static const kd_option options[] = {
    KD_ROW_INT(group_norm_options, groups, "32", -1, KD_SIZE_LIMIT, "number of groups; -1: one per channel"),
    KD_ROW_INT(group_norm_options, axis, "-1", -KD_MAX_RANK, KD_MAX_RANK, "axis of the channels"),
    KD_ROW_FLOAT(group_norm_options, epsilon, "0.001", 0, 1e30, "added to the variance"),
    KD_ROW_BOOL(group_norm_options, center, "true", "learn beta"),
    KD_ROW_BOOL(group_norm_options, scale, "true", "learn gamma"),
    KD_ROW_INITIALIZER(group_norm_options, beta_initializer, "zeros"),
    KD_ROW_INITIALIZER(group_norm_options, gamma_initializer, "ones"),
    KD_ROW_REGULARIZER(group_norm_options, beta_regularizer),
    KD_ROW_REGULARIZER(group_norm_options, gamma_regularizer),
    KD_ROW_CONSTRAINT(group_norm_options, beta_constraint),
    KD_ROW_CONSTRAINT(group_norm_options, gamma_constraint),
    KD_ROW_END,
};

const kd_layer_kind kd_layer_group_normalization = {
    .base = {.name = "GroupNormalization",
             .help = "normalisation of each sample by groups of channels",
             .options = options,
             .options_size = sizeof(group_norm_options),
             .check = group_norm_check},
    .min_inputs = 1,
    .max_inputs = 1,
    .takes_any_float = true,
    .build = group_norm_build,
    .mask = KD_MASK_PASS,
};
