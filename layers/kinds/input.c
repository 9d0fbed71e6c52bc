/* InputLayer: the start of a model. Its tensors are made by the pass, so it has no build. */
#include "layers/kinds/kinds.h"

static kd_status input_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                             kd_sym *outputs) {
  (void)build, (void)layer, (void)n_inputs, (void)inputs, (void)outputs;
  return kd_fail(KD_ERR_USAGE, "an InputLayer is made by an [input] section, not as a layer");
}

static const kd_option options[] = {
    {.name = "shape",
     .type = KD_OPT_INTS,
     .offset = offsetof(kd_input_options, shape),
     .help = "sizes without the batch; -1: variable",
     .min = -1,
     .max = KD_SIZE_LIMIT,
     .flags = KD_OPT_NONE_OK},
    {.name = "batch_size",
     .type = KD_OPT_INT,
     .offset = offsetof(kd_input_options, batch_size),
     .initial = "none",
     .help = "fixed batch of stateful models",
     .min = 1,
     .max = KD_SIZE_LIMIT,
     .flags = KD_OPT_NONE_OK},
    {.name = "dtype",
     .type = KD_OPT_TEXT,
     .offset = offsetof(kd_input_options, dtype),
     .initial = "float32",
     .help = "type of the values that enter the layers"},
    KD_ROW_END,
};

const kd_layer_kind kd_layer_input = {
    .base = {.name = "InputLayer",
             .help = "an input of the model",
             .options = options,
             .options_size = sizeof(kd_input_options)},
    .build = input_build,
};
