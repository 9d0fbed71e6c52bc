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

/* The inputs at one rank, checked to broadcast, with their masks as factors (KD_NO_SYM: none). A mask is lost
 * for the arithmetic where the rank is raised, as in Keras. */
typedef struct operands {
  int count;
  kd_sym *x, *mask;
} operands;

static kd_status read_operands(const kd_build *build, int n_inputs, const kd_sym *inputs, operands *o) {
  kd_graph *g = build->graph;
  char first[KD_SHAPE_TEXT], other[KD_SHAPE_TEXT];
  int rank = 0;
  kd_shape joined;
  for (int i = 0; i < n_inputs; i++)
    if (kd_sym_shape(g, inputs[i])->rank > rank) rank = kd_sym_shape(g, inputs[i])->rank;
  *o = (operands){.count = n_inputs,
                  .x = kd_pool_alloc(g->pool, (size_t)n_inputs, sizeof(kd_sym)),
                  .mask = kd_pool_alloc(g->pool, (size_t)n_inputs, sizeof(kd_sym))};
  for (int i = 0; i < n_inputs; i++) {
    bool raised = kd_sym_shape(g, inputs[i])->rank < rank;
    o->x[i] = raise_rank(g, kd_as_float(g, inputs[i]), rank);
    o->mask[i] = raised ? KD_NO_SYM : kd_mask_factor(g, build->input_mask[i], o->x[i]);
    kd_shape before = i ? joined : *kd_sym_shape(g, o->x[0]);
    if (kd_shape_broadcast(&before, kd_sym_shape(g, o->x[i]), &joined)) continue;
    before.dim[0] = -1;
    return kd_fail(KD_ERR_USAGE, "input %d of shape %s does not fit those before it, of shape %s", i + 1,
                   kd_layer_shape(g, inputs[i], other), kd_shape_text(&before, first));
  }
  return KD_OK;
}

static kd_sym chain(kd_graph *g, kd_pw op, const operands *o) {
  kd_sym total = o->x[0];
  for (int i = 1; i < o->count; i++) total = kd_binary(g, op, total, o->x[i]);
  return total;
}

/* Masked steps count as ones; where all inputs are masked the product is 0. */
static kd_sym multiply(kd_graph *g, const operands *o) {
  kd_sym total = KD_NO_SYM, any = kd_mask_any(g, o->count, o->mask);
  for (int i = 0; i < o->count; i++) {
    kd_sym x = o->mask[i] == KD_NO_SYM ? o->x[i] : kd_select(g, o->mask[i], o->x[i], kd_const(g, 1));
    total = i ? kd_mul(g, total, x) : x;
  }
  return any == KD_NO_SYM ? total : kd_select(g, any, total, kd_const(g, 0));
}

/* A masked step of one side is replaced by the other side's (base_merge.py, _apply_merge_op_and_or_mask). */
static kd_sym extreme(kd_graph *g, kd_pw op, const operands *o) {
  kd_sym total = o->x[0], seen = o->mask[0];
  for (int i = 1; i < o->count; i++) {
    kd_sym x = o->x[i], mask = o->mask[i];
    if (mask != KD_NO_SYM) x = kd_select(g, mask, x, total);
    if (seen != KD_NO_SYM) total = kd_select(g, seen, total, x);
    seen = kd_mask_any(g, 2, (kd_sym[]){seen, mask});
    total = kd_binary(g, op, total, x);
  }
  return total;
}

static kd_status merge(kd_build *build, kd_pw op, int n_inputs, const kd_sym *inputs, kd_sym *output) {
  kd_graph *g = build->graph;
  operands o;
  KD_TRY(read_operands(build, n_inputs, inputs, &o));
  if (op == KD_PW_MUL)
    *output = multiply(g, &o);
  else
    *output = op == KD_PW_MAX || op == KD_PW_MIN ? extreme(g, op, &o) : chain(g, op, &o);
  build->output_mask[0] = kd_mask_any(g, n_inputs, build->input_mask);
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
      .takes_list = true,                                                                                    \
  };
LAYER(add, "Add", "sum of its inputs", 2, 0)
LAYER(average, "Average", "mean of its inputs", 2, 0)
LAYER(maximum, "Maximum", "largest of its inputs, pointwise", 2, 0)
LAYER(minimum, "Minimum", "smallest of its inputs, pointwise", 2, 0)
LAYER(multiply, "Multiply", "product of its inputs", 2, 0)
LAYER(subtract, "Subtract", "first input minus the second", 2, 2)
