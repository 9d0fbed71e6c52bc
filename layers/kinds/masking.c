/* Masking: steps whose features all equal a value are invalid (keras/src/layers/core/masking.py). */
#include "layers/kinds/kinds.h"

typedef struct masking_options {
  double mask_value;
} masking_options;

static kd_status masking_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                               kd_sym *outputs) {
  (void)n_inputs;
  const masking_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_sym x = kd_as_float(g, inputs[0]);
  KD_TRY(kd_graph_status(g));
  char text[KD_SHAPE_TEXT];
  KD_CHECK(kd_sym_shape(g, x)->rank >= 3, KD_ERR_USAGE,
           "needs an input (batch, steps, features), but its shape is %s", kd_layer_shape(g, x, text));
  kd_sym differs = kd_unary(g, KD_PW_NOT, kd_binary(g, KD_PW_EQ, x, kd_const(g, o->mask_value)));
  kd_sym valid = kd_reduce_last(g, KD_REDUCE_MAX, differs, true);
  outputs[0] = kd_mul(g, x, valid);
  kd_shape steps = *kd_sym_shape(g, valid);
  steps.rank--;
  build->output_mask[0] = kd_reshape(g, valid, steps);
  return KD_OK;
}

static const kd_option options[] = {
    KD_ROW_FLOAT(masking_options, mask_value, "0.0", 0, 0, "value that marks a step as absent"),
    KD_ROW_END,
};

const kd_layer_kind kd_layer_masking = {
    .base = {.name = "Masking",
             .help = "steps of a certain value are passed over by later layers",
             .options = options,
             .options_size = sizeof(masking_options)},
    .min_inputs = 1,
    .max_inputs = 1,
    .build = masking_build,
    .mask = KD_MASK_OWN,
};
