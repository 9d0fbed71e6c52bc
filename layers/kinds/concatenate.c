/* Concatenate: inputs joined along one axis (keras/src/layers/merging/concatenate.py). */
#include "layers/kinds/kinds.h"

typedef struct concatenate_options {
  int64_t axis;
} concatenate_options;

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
};
