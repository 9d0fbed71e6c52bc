/* Merging layers (keras/src/layers/merging): pointwise with broadcasting. Inputs of lower rank get axes of
 * size 1 after the batch, as base_merge.py does. */
#include "layers/kinds/kinds.h"

static kd_sym raise_rank(kd_graph *g, kd_sym x, int rank) {
  kd_shape shape = *kd_sym_shape(g, x), raised = {.rank = rank, .dim = {shape.dim[0]}};
  int added = rank - shape.rank;
  if (added == 0) return x;
  for (int i = 1; i < rank; i++) raised.dim[i] = i <= added ? 1 : shape.dim[i - added];
  return kd_reshape(g, x, raised);
}

static kd_status merge(kd_build *build, kd_pw op, int n_inputs, const kd_sym *inputs, kd_sym *output) {
  kd_graph *g = build->graph;
  char first[KD_SHAPE_TEXT], other[KD_SHAPE_TEXT];
  int rank = 0;
  for (int i = 0; i < n_inputs; i++)
    if (kd_sym_shape(g, inputs[i])->rank > rank) rank = kd_sym_shape(g, inputs[i])->rank;
  kd_sym total = KD_NO_SYM;
  for (int i = 0; i < n_inputs; i++) {
    kd_sym x = raise_rank(g, kd_as_float(g, inputs[i]), rank);
    kd_shape joined;
    if (i == 0) {
      total = x;
      continue;
    }
    KD_CHECK(kd_shape_broadcast(kd_sym_shape(g, total), kd_sym_shape(g, x), &joined), KD_ERR_USAGE,
             "input %d of shape %s does not fit those before it, of shape %s", i + 1,
             kd_layer_shape(g, inputs[i], other), kd_layer_shape(g, total, first));
    total = kd_binary(g, op, total, x);
  }
  *output = total;
  build->output_mask[0] = kd_mask_all(g, n_inputs, build->input_mask);
  return KD_OK;
}

#define MERGE(id, op)                                                                                        \
  static kd_status id##_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,    \
                              kd_sym *outputs) {                                                             \
    (void)layer;                                                                                             \
    return merge(build, op, n_inputs, inputs, outputs);                                                      \
  }
MERGE(add, KD_PW_ADD)
MERGE(subtract, KD_PW_SUB)
MERGE(multiply, KD_PW_MUL)
MERGE(maximum, KD_PW_MAX)
MERGE(minimum, KD_PW_MIN)

static kd_status average_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                               kd_sym *outputs) {
  (void)layer;
  kd_sym sum;
  KD_TRY(merge(build, KD_PW_ADD, n_inputs, inputs, &sum));
  outputs[0] = kd_scale(build->graph, sum, 1.0 / n_inputs);
  return KD_OK;
}

static const kd_option no_options[] = {KD_ROW_END};

#define LAYER(id, class, text, low, high)                                                                    \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class, .help = text, .options = no_options, .options_size = 1},                       \
      .min_inputs = low,                                                                                     \
      .max_inputs = high,                                                                                    \
      .build = id##_build,                                                                                   \
      .mask = KD_MASK_OWN,                                                                                   \
  };
LAYER(add, "Add", "sum of its inputs", 2, 0)
LAYER(average, "Average", "mean of its inputs", 2, 0)
LAYER(maximum, "Maximum", "largest of its inputs, pointwise", 2, 0)
LAYER(minimum, "Minimum", "smallest of its inputs, pointwise", 2, 0)
LAYER(multiply, "Multiply", "product of its inputs", 2, 0)
LAYER(subtract, "Subtract", "first input minus the second", 2, 2)
