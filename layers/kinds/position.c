/* PositionEmbedding and SinePositionEncoding, layers of KerasHub (keras_hub/src/layers/modeling): vectors
 * that depend on the place in the sequence only, in the shape of the input, to be added to it. */
#include <math.h>

#include "layers/kinds/kinds.h"

typedef struct position_options {
  int64_t sequence_length;
  kd_object initializer;
  double max_wavelength;
} position_options;

static kd_status check_input(const kd_graph *g, kd_sym x) {
  char text[KD_SHAPE_TEXT];
  KD_TRY(kd_graph_status(g));
  KD_CHECK(kd_sym_shape(g, x)->rank >= 3, KD_ERR_USAGE,
           "needs an input (batch, steps, features), but its shape is %s", kd_layer_shape(g, x, text));
  return KD_OK;
}

static kd_status embedding_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                 kd_sym *outputs) {
  (void)n_inputs;
  const position_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_sym x = kd_as_float(g, inputs[0]);
  int64_t start;
  KD_TRY(check_input(g, x));
  KD_TRY(kd_call_int(build, "start_index", 0, &start));
  kd_shape shape = *kd_sym_shape(g, x);
  int64_t steps = shape.dim[shape.rank - 2], features = shape.dim[shape.rank - 1];
  kd_sym table = kd_build_weight(build, "embeddings", KD_SHAPE(o->sequence_length, features), &o->initializer,
                                 NULL, true);
  KD_CHECK(start >= 0 && start + steps <= o->sequence_length, KD_ERR_USAGE,
           "steps %lld to %lld are asked for, but sequence_length = %lld", (long long)start,
           (long long)(start + steps - 1), (long long)o->sequence_length);
  outputs[0] = kd_broadcast(g, kd_slice_axis(g, table, 0, start, steps), shape);
  return KD_OK;
}

/* Even features: sin(position / wavelength^(2i / features)), odd ones the cosine (Vaswani et al., 2017, 3.5).
 */
static kd_status sine_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                            kd_sym *outputs) {
  (void)n_inputs;
  const position_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_sym x = kd_as_float(g, inputs[0]);
  int64_t start;
  KD_TRY(check_input(g, x));
  KD_TRY(kd_call_int(build, "start_index", 0, &start));
  kd_shape shape = *kd_sym_shape(g, x);
  int64_t steps = shape.dim[shape.rank - 2], features = shape.dim[shape.rank - 1];
  kd_sym position = kd_shift(g, kd_iota(g, KD_SHAPE(steps, 1), 0), (double)start);
  kd_sym feature = kd_iota(g, KD_SHAPE(1, features), 1);
  kd_sym odd = kd_binary(g, KD_PW_MOD, feature, kd_const(g, 2));
  kd_sym exponent = kd_scale(g, kd_sub(g, feature, odd), -log(o->max_wavelength) / (double)features);
  kd_sym angle = kd_mul(g, position, kd_unary(g, KD_PW_EXP, exponent));
  kd_sym encoding = kd_select(g, odd, kd_unary(g, KD_PW_COS, angle), kd_unary(g, KD_PW_SIN, angle));
  outputs[0] = kd_broadcast(g, encoding, shape);
  return KD_OK;
}

static const kd_option embedding_table[] = {
    KD_ROW_INT(position_options, sequence_length, NULL, 1, KD_SIZE_LIMIT, "longest sequence"),
    KD_ROW_INITIALIZER(position_options, initializer, "glorot_uniform"),
    KD_ROW_END,
};
static const kd_option sine_table[] = {
    {.name = "max_wavelength",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(position_options, max_wavelength),
     .initial = "10000.0",
     .help = "longest period, divided by 2 pi",
     .max = 1e30,
     .flags = KD_OPT_OPEN_MIN},
    KD_ROW_END,
};

static const kd_call_arg call_args[] = {
    {"start_index", KD_CALL_INT, "number of the first step; none: 0"},
    KD_CALL_ROW_END,
};

#define LAYER(id, class, text, table, function)                                                              \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class, .help = text, .options = table, .options_size = sizeof(position_options)},     \
      .min_inputs = 1,                                                                                       \
      .max_inputs = 1,                                                                                       \
      .build = function,                                                                                     \
      .of_hub = true,                                                                                        \
      .call_args = call_args,                                                                                \
  };
LAYER(position_embedding, "PositionEmbedding",
      "a learnt vector for each step, in the input's shape (KerasHub)", embedding_table, embedding_build)
LAYER(sine_position_encoding, "SinePositionEncoding",
      "sines and cosines of the step, in the input's shape (KerasHub)", sine_table, sine_build)
