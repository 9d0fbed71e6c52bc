/* Rescaling: x * scale + offset (keras/src/layers/preprocessing/rescaling.py). Lists have one value per
 * channel. */
#include "layers/kinds/kinds.h"

typedef struct rescaling_options {
  kd_floats scale, offset;
} rescaling_options;

/* One number, or a vector along the last axis made of its numbers. */
static kd_sym constants(kd_graph *g, const kd_floats *values) {
  if (values->count == 1) return kd_const(g, values->v[0]);
  kd_sym parts[KD_MAX_INPUTS];
  for (int i = 0; i < values->count; i++) parts[i] = kd_full(g, KD_SHAPE(1), values->v[i]);
  return kd_concat(g, values->count, parts, 0);
}

static kd_status rescaling_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                 kd_sym *outputs) {
  (void)n_inputs;
  const rescaling_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_sym scaled = kd_mul(g, kd_as_float(g, inputs[0]), constants(g, &o->scale));
  bool no_offset = o->offset.count == 1 && o->offset.v[0] == 0;
  outputs[0] = no_offset ? scaled : kd_add(g, scaled, constants(g, &o->offset));
  return KD_OK;
}

static void check_counts(const void *options, kd_diag *diag, kd_origin origin) {
  const rescaling_options *o = options;
  const kd_floats *lists[] = {&o->scale, &o->offset};
  for (int i = 0; i < 2; i++)
    if (lists[i]->count < 1 || lists[i]->count > KD_MAX_INPUTS)
      kd_diag_error(diag, origin, "%s needs 1 to %d numbers, but has %d", i ? "offset" : "scale",
                    KD_MAX_INPUTS, lists[i]->count);
}

static const kd_option options[] = {
    {.name = "scale",
     .type = KD_OPT_FLOATS,
     .offset = offsetof(rescaling_options, scale),
     .help = "factor, or one per channel"},
    {.name = "offset",
     .type = KD_OPT_FLOATS,
     .offset = offsetof(rescaling_options, offset),
     .initial = "0.0",
     .flags = KD_OPT_SPELT_OUT,
     .help = "added after scaling; one, or one per channel"},
    KD_ROW_END,
};

const kd_layer_kind kd_layer_rescaling = {
    .base = {.name = "Rescaling",
             .help = "x * scale + offset",
             .options = options,
             .options_size = sizeof(rescaling_options),
             .check = check_counts},
    .min_inputs = 1,
    .max_inputs = 1,
    .build = rescaling_build,
    .mask = KD_MASK_PASS,
};
