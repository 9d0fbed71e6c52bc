/* UpSampling1D and 2D with the nearest value (keras/src/layers/reshaping): each cell repeated. */
#include "layers/kinds/kinds.h"

typedef struct up_sampling_options {
  kd_ints size;
  int data_format, interpolation;
} up_sampling_options;

/* (n, a, b, c) seen as (n, a, 1, b, 1, c), repeated along the new axes and seen whole again. */
static kd_status up_sample(kd_build *build, const kd_layer *layer, int spatial, kd_sym x, kd_sym *output) {
  const up_sampling_options *o = layer->options;
  kd_graph *g = build->graph;
  char text[KD_SHAPE_TEXT];
  const kd_shape shape = *kd_sym_shape(g, x);
  KD_CHECK(o->size.count == 1 || o->size.count == spatial, KD_ERR_USAGE,
           "size has %d numbers, but needs 1 or %d", o->size.count, spatial);
  KD_CHECK(shape.rank == spatial + 2, KD_ERR_USAGE, "needs an input of rank %d, but its shape is %s",
           spatial + 2, kd_layer_shape(g, x, text));
  kd_shape split = {.rank = 2 * spatial + 2, .dim = {shape.dim[0]}}, repeated = split, whole = shape;
  for (int i = 0; i < spatial; i++) {
    int64_t size = o->size.v[o->size.count == 1 ? 0 : i];
    split.dim[2 * i + 1] = repeated.dim[2 * i + 1] = shape.dim[i + 1];
    split.dim[2 * i + 2] = 1;
    repeated.dim[2 * i + 2] = size;
    whole.dim[i + 1] *= size;
  }
  split.dim[split.rank - 1] = repeated.dim[split.rank - 1] = shape.dim[spatial + 1];
  *output = kd_reshape(g, kd_broadcast(g, kd_reshape(g, x, split), repeated), whole);
  return KD_OK;
}

static kd_status up_sampling1d_build(kd_build *build, const kd_layer *layer, int n_inputs,
                                     const kd_sym *inputs, kd_sym *outputs) {
  (void)n_inputs;
  return up_sample(build, layer, 1, inputs[0], &outputs[0]);
}

static kd_status up_sampling2d_build(kd_build *build, const kd_layer *layer, int n_inputs,
                                     const kd_sym *inputs, kd_sym *outputs) {
  (void)n_inputs;
  return up_sample(build, layer, 2, inputs[0], &outputs[0]);
}

#define ROW_SIZE KD_ROW_INTS(up_sampling_options, size, "2", 1, 65536, "copies along each spatial axis")
static const kd_option up_sampling1d_table[] = {ROW_SIZE, KD_ROW_END};
static const kd_option up_sampling2d_table[] = {
    ROW_SIZE,
    KD_ROW_DATA_FORMAT(up_sampling_options),
    KD_ROW_CHOICE(up_sampling_options, interpolation, "nearest", "nearest", "how new cells are made"),
    KD_ROW_END,
};

#define LAYER(id, class, text)                                                                               \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class,                                                                                \
               .help = text,                                                                                 \
               .options = id##_table,                                                                        \
               .options_size = sizeof(up_sampling_options)},                                                 \
      .min_inputs = 1,                                                                                       \
      .max_inputs = 1,                                                                                       \
      .build = id##_build,                                                                                   \
  };
LAYER(up_sampling1d, "UpSampling1D", "each time step repeated")
LAYER(up_sampling2d, "UpSampling2D", "each pixel repeated")
