/* Dropout, SpatialDropout and AlphaDropout (keras/src/layers/regularization): in training each number is kept
 * with probability 1 - rate and then scaled by 1 / (1 - rate). Masks are a function of the run's seed, the
 * step, the sample's place in the global batch and the layer; backward computes them again. */
#include <math.h>

#include "layers/kinds/kinds.h"

typedef struct dropout_options {
  double rate;
  const kd_value *noise_shape;
  int64_t seed;
  int data_format;
} dropout_options;

static kd_sym draw(kd_build *build, const dropout_options *o, kd_shape shape) {
  uint32_t before = kd_stream_begin(build->graph, o->seed);
  kd_sym uniform = kd_uniform(build->graph, build->rng, shape);
  kd_stream_end(build->graph, o->seed, before);
  return uniform;
}

static void drop(kd_build *build, const dropout_options *o, kd_sym x, kd_shape noise, kd_sym *output) {
  kd_graph *g = build->graph;
  *output = x;
  if (!build->training || o->rate == 0) return;
  if (o->rate == 1) {
    *output = kd_scale(g, x, 0);
    return;
  }
  kd_sym kept = kd_binary(g, KD_PW_LE, kd_const(g, o->rate), draw(build, o, noise));
  *output = kd_select(g, kept, kd_scale(g, x, 1 / (1 - o->rate)), kd_const(g, 0));
}

/* noise_shape: `none` items are the input's sizes, 1 means one decision for the whole axis. */
static kd_status resolve_noise(const kd_graph *g, kd_sym x, const kd_value *given, kd_shape *noise) {
  char text[KD_SHAPE_TEXT];
  *noise = *kd_sym_shape(g, x);
  if (!given || given->type == KD_V_NONE) return KD_OK;
  KD_CHECK(given->count == noise->rank, KD_ERR_USAGE, "noise_shape has %d sizes, but the input's shape is %s",
           given->count, kd_layer_shape(g, x, text));
  KD_CHECK(given->items[0].type == KD_V_NONE, KD_ERR_USAGE,
           "noise_shape must begin with none: each sample of the batch draws its own mask");
  for (int i = 1; i < noise->rank; i++) {
    const kd_value *item = &given->items[i];
    if (item->type == KD_V_NONE) continue;
    KD_CHECK(item->integer == 1 || item->integer == noise->dim[i], KD_ERR_USAGE,
             "noise_shape has size %lld in axis %d; 1 or none fit the input's shape %s",
             (long long)item->integer, i, kd_layer_shape(g, x, text));
    noise->dim[i] = item->integer;
  }
  return KD_OK;
}

static kd_status dropout_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                               kd_sym *outputs) {
  (void)n_inputs;
  const dropout_options *o = layer->options;
  kd_shape noise;
  KD_TRY(resolve_noise(build->graph, inputs[0], o->noise_shape, &noise));
  drop(build, o, inputs[0], noise, &outputs[0]);
  return KD_OK;
}

/* Klambauer et al., "Self-normalizing neural networks", 2017: what is dropped becomes selu's limit at -inf,
 * and an affine map keeps mean 0 and variance 1. */
static kd_status alpha_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                             kd_sym *outputs) {
  (void)n_inputs;
  const dropout_options *o = layer->options;
  kd_graph *g = build->graph;
  const double limit = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946;
  kd_shape shape;
  KD_TRY(resolve_noise(g, inputs[0], o->noise_shape, &shape));
  outputs[0] = inputs[0];
  if (!build->training || o->rate == 0) return KD_OK;
  double a = 1 / sqrt((1 - o->rate) * (1 + o->rate * limit * limit)), b = -a * limit * o->rate;
  kd_sym kept = kd_binary(g, KD_PW_LE, kd_const(g, o->rate), draw(build, o, shape));
  kd_sym x = kd_select(g, kept, kd_as_float(g, inputs[0]), kd_const(g, limit));
  outputs[0] = kd_shift(g, kd_scale(g, x, a), b);
  return KD_OK;
}

static void check_noise(const void *options, kd_diag *diag, kd_origin origin) {
  const kd_value *noise = ((const dropout_options *)options)->noise_shape;
  if (!noise || noise->type == KD_V_NONE) return;
  bool right = noise->type == KD_V_LIST && noise->count > 0;
  for (int i = 0; right && i < noise->count; i++) {
    const kd_value *item = &noise->items[i];
    right = item->type == KD_V_NONE || (item->type == KD_V_INT && item->integer > 0);
  }
  if (!right) kd_diag_error(diag, origin, "noise_shape must be a list of sizes or none, as (none, 1, 8)");
}

static kd_status spatial_build(kd_build *build, const kd_layer *layer, int spatial, kd_sym x,
                               kd_sym *output) {
  char text[KD_SHAPE_TEXT];
  kd_shape noise = *kd_sym_shape(build->graph, x);
  KD_CHECK(noise.rank == spatial + 2, KD_ERR_USAGE, "needs an input of rank %d, but its shape is %s",
           spatial + 2, kd_layer_shape(build->graph, x, text));
  for (int i = 0; i < spatial; i++) noise.dim[i + 1] = 1;
  drop(build, layer->options, x, noise, output);
  return KD_OK;
}

static kd_status spatial1d_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                 kd_sym *outputs) {
  (void)n_inputs;
  return spatial_build(build, layer, 1, inputs[0], &outputs[0]);
}

static kd_status spatial2d_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                 kd_sym *outputs) {
  (void)n_inputs;
  return spatial_build(build, layer, 2, inputs[0], &outputs[0]);
}

static kd_status spatial3d_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                 kd_sym *outputs) {
  (void)n_inputs;
  return spatial_build(build, layer, 3, inputs[0], &outputs[0]);
}

#define ROW_RATE KD_ROW_FLOAT(dropout_options, rate, NULL, 0, 1, "share of the numbers that are dropped")
static const kd_option dropout_table[] = {
    ROW_RATE,
    KD_ROW_VALUE(dropout_options, noise_shape, "none", "shape of the mask, as (none, 1, 8)"),
    KD_ROW_SEED(dropout_options),
    KD_ROW_END,
};
static const kd_option alpha_table[] = {
    {.name = "rate",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(dropout_options, rate),
     .help = "share of the numbers that are dropped",
     .max = 1,
     .flags = KD_OPT_OPEN_MAX},
    KD_ROW_VALUE(dropout_options, noise_shape, "none", "shape of the mask, as (none, 1, 8)"),
    KD_ROW_SEED(dropout_options),
    KD_ROW_END,
};
static const kd_option spatial1d_table[] = {ROW_RATE, KD_ROW_SEED(dropout_options), KD_ROW_END};
static const kd_option spatial2d_table[] = {ROW_RATE, KD_ROW_DATA_FORMAT(dropout_options),
                                            KD_ROW_SEED(dropout_options), KD_ROW_END};

#define LAYER(id, class, text, table, function, checks)                                                      \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class,                                                                                \
               .help = text,                                                                                 \
               .options = table,                                                                             \
               .options_size = sizeof(dropout_options),                                                      \
               .check = checks},                                                                             \
      .min_inputs = 1,                                                                                       \
      .max_inputs = 1,                                                                                       \
      .build = function,                                                                                     \
      .mask = KD_MASK_PASS,                                                                                  \
      .takes_training = true,                                                                                \
  };
LAYER(dropout, "Dropout", "drops single numbers in training", dropout_table, dropout_build, check_noise)
LAYER(alpha_dropout, "AlphaDropout", "drops numbers to selu's lower limit in training", alpha_table,
      alpha_build, check_noise)
LAYER(spatial_dropout1d, "SpatialDropout1D", "drops whole channels of sequences", spatial1d_table,
      spatial1d_build, NULL)
LAYER(spatial_dropout2d, "SpatialDropout2D", "drops whole channels of images", spatial2d_table,
      spatial2d_build, NULL)
LAYER(spatial_dropout3d, "SpatialDropout3D", "drops whole channels of volumes", spatial2d_table,
      spatial3d_build, NULL)
