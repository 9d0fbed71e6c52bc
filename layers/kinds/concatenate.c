/* Concatenate: inputs joined along one axis (keras/src/layers/merging/concatenate.py). */
#include "layers/kinds/kinds.h"

typedef struct concatenate_options {
  int64_t axis;
} concatenate_options;

/* A missing mask counts as ones when there is another. Masks of steps that are joined stand behind one
 * another; along any other axis a step is valid where it is in any input. */
static kd_sym join_masks(kd_build *build, int n_inputs, const kd_sym *inputs, int axis) {
  kd_graph *g = build->graph;
  const kd_sym *masks = build->input_mask;
  kd_sym *parts = kd_pool_alloc(g->pool, (size_t)n_inputs, sizeof *parts);
  bool any = false;
  for (int i = 0; i < n_inputs; i++) {
    const kd_shape *shape = kd_sym_shape(g, inputs[i]);
    any = any || masks[i] != KD_NO_SYM;
    parts[i] = masks[i] != KD_NO_SYM ? masks[i] : kd_full(g, KD_SHAPE(shape->dim[0], shape->dim[1]), 1);
  }
  if (!any) return KD_NO_SYM;
  return axis == 1 ? kd_concat(g, n_inputs, parts, 1) : kd_mask_any(g, n_inputs, parts);
}

static kd_status concatenate_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                   kd_sym *outputs) {
  const concatenate_options *o = layer->options;
  kd_graph *g = build->graph;
  char one[KD_SHAPE_TEXT], two[KD_SHAPE_TEXT];
  int axis;
  KD_TRY(kd_layer_axis(g, inputs[0], o->axis, &axis));
  bool all_equal = true;
  for (int i = 1; i < n_inputs; i++) {
    const kd_shape *first = kd_sym_shape(g, inputs[0]), *other = kd_sym_shape(g, inputs[i]);
    bool fits = first->rank == other->rank;
    for (int k = 0; fits && k < first->rank; k++) fits = k == axis || first->dim[k] == other->dim[k];
    KD_CHECK(fits, KD_ERR_USAGE,
             "input 1 of shape %s and input %d of shape %s differ in another axis than %lld",
             kd_layer_shape(g, inputs[0], one), i + 1, kd_layer_shape(g, inputs[i], two), (long long)o->axis);
    all_equal = all_equal && kd_sym_get(g, inputs[i])->dtype == kd_sym_get(g, inputs[0])->dtype;
  }
  build->output_mask[0] = join_masks(build, n_inputs, inputs, axis);
  kd_sym *parts = kd_pool_alloc(g->pool, (size_t)n_inputs, sizeof *parts);
  for (int i = 0; i < n_inputs; i++) parts[i] = all_equal ? inputs[i] : kd_as_float(g, inputs[i]);
  /* The primitive takes KD_MAX_INPUTS at once; longer lists are joined in rounds. */
  while (n_inputs > KD_MAX_INPUTS) {
    int joined = 0;
    for (int i = 0; i < n_inputs; i += KD_MAX_INPUTS) {
      int count = n_inputs - i < KD_MAX_INPUTS ? n_inputs - i : KD_MAX_INPUTS;
      parts[joined++] = kd_concat(g, count, parts + i, axis);
    }
    n_inputs = joined;
  }
  outputs[0] = n_inputs == 1 ? parts[0] : kd_concat(g, n_inputs, parts, axis);
  return KD_OK;
}

static const kd_option options[] = {
    KD_ROW_INT(concatenate_options, axis, "-1", -KD_MAX_RANK, KD_MAX_RANK,
               "axis along which the inputs are joined"),
    KD_ROW_END,
};

const kd_layer_kind kd_layer_concatenate = {
    .base = {.name = "Concatenate",
             .help = "inputs joined along one axis",
             .options = options,
             .options_size = sizeof(concatenate_options)},
    .min_inputs = 1,
    .max_inputs = 0,
    .build = concatenate_build,
    .takes_list = true,
    .mask = KD_MASK_OWN,
};
