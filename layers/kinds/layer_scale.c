/* LayerScale of keras.applications (keras/src/applications/convnext.py): x times a learnt factor per channel,
 * small in the beginning. */
#include "layers/kinds/kinds.h"

typedef struct layer_scale_options {
  double init_values;
  int64_t projection_dim;
} layer_scale_options;

static kd_status layer_scale_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                   kd_sym *outputs) {
  (void)n_inputs;
  const layer_scale_options *o = layer->options;
  kd_graph *g = build->graph;
  char text[KD_SHAPE_TEXT];
  kd_sym x = kd_as_float(g, inputs[0]);
  KD_TRY(kd_graph_status(g));
  const kd_shape *shape = kd_sym_shape(g, x);
  KD_CHECK(shape->dim[shape->rank - 1] == o->projection_dim, KD_ERR_USAGE,
           "projection_dim = %lld is not the last axis of the input of shape %s",
           (long long)o->projection_dim, kd_layer_shape(g, x, text));
  kd_object start = kd_fixed_initializer(build, kd_pool_printf(g->pool, "Constant(%.17g)", o->init_values));
  outputs[0] = kd_mul(g, x, kd_build_weight(build, "gamma", KD_SHAPE(o->projection_dim), &start, NULL, true));
  return KD_OK;
}

static const kd_option options[] = {
    KD_ROW_FLOAT(layer_scale_options, init_values, NULL, -1e30, 1e30, "start value of the factors"),
    KD_ROW_INT(layer_scale_options, projection_dim, NULL, 1, KD_SIZE_LIMIT,
               "channels: size of the last axis"),
    KD_ROW_END,
};

const kd_layer_kind kd_layer_layer_scale = {
    .base = {.name = "LayerScale",
             .help = "a learnt factor per channel, small in the beginning (keras.applications)",
             .options = options,
             .options_size = sizeof(layer_scale_options)},
    .min_inputs = 1,
    .max_inputs = 1,
    .build = layer_scale_build,
    .module = "keras.src.applications.convnext",
};
