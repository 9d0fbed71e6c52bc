/* TimeDistributed: a layer applied to every step (keras/src/layers/rnn/time_distributed.py).
 *
 * Steps are rows for the inner layer: (batch, steps, ...) becomes (batch * steps, ...). Only statistics of a
 * batch see a difference, since Keras calls the layer once per step; BatchNormalization in training is
 * therefore built step by step. Penalties of the inner layer's activity do not count, as in Keras. */
#include "layers/kinds/kinds.h"
#include "layers/model.h"

typedef struct time_distributed_options {
  kd_object layer;
} time_distributed_options;

static kd_status build_folded(kd_build *build, const kd_object *inner, kd_sym x, kd_sym *output) {
  kd_graph *g = build->graph;
  kd_shape shape = *kd_sym_shape(g, x);
  int64_t batch = shape.dim[0], steps = shape.dim[1], rows = g->rows_per_sample ? g->rows_per_sample : 1;
  kd_shape folded = {.rank = shape.rank - 1, .dim = {batch * steps}};
  for (int i = 1; i < folded.rank; i++) folded.dim[i] = shape.dim[i + 1];
  kd_sym row = kd_reshape(g, x, folded), none = KD_NO_SYM, y, mask;
  g->rows_per_sample = rows * steps;
  kd_status status = kd_build_inner(build, "layer", inner, 1, &row, &none, &y, &mask);
  g->rows_per_sample = rows;
  KD_TRY(status);
  kd_shape inner_shape = *kd_sym_shape(g, y), result = {.rank = inner_shape.rank + 1, .dim = {batch, steps}};
  KD_CHECK(result.rank <= KD_MAX_RANK, KD_ERR_USAGE, "the output would have more than %d axes", KD_MAX_RANK);
  for (int i = 1; i < inner_shape.rank; i++) result.dim[i + 1] = inner_shape.dim[i];
  *output = kd_reshape(g, y, result);
  return KD_OK;
}

/* --- one step at a time ------------------------------------------------------------------------------ */

static kd_sym step_of(kd_graph *g, kd_sym x, int64_t t) {
  if (x == KD_NO_SYM) return x;
  kd_shape shape = *kd_sym_shape(g, x), one = {.rank = shape.rank - 1, .dim = {shape.dim[0]}};
  for (int i = 1; i < one.rank; i++) one.dim[i] = shape.dim[i + 1];
  return kd_reshape(g, kd_slice_axis(g, x, 1, t, 1), one);
}

static kd_status build_steps(kd_build *build, const kd_object *inner, kd_sym x, kd_sym *output) {
  kd_graph *g = build->graph;
  int64_t steps = kd_sym_shape(g, x)->dim[1];
  int first_weight = build->next_weight;
  bool declare = build->declare;
  kd_sym y = KD_NO_SYM, *parts = kd_pool_alloc(g->pool, (size_t)steps, sizeof *parts);
  for (int64_t t = 0; t < steps; t++) {
    kd_sym row = step_of(g, x, t), mask = step_of(g, build->input_mask[0], t), ignored;
    build->next_weight = first_weight;
    KD_TRY(kd_build_inner(build, "layer", inner, 1, &row, &mask, &y, &ignored));
    kd_shape shape = *kd_sym_shape(g, y), one = {.rank = shape.rank + 1, .dim = {shape.dim[0], 1}};
    for (int i = 1; i < shape.rank; i++) one.dim[i + 1] = shape.dim[i];
    parts[t] = kd_reshape(g, y, one);
    build->declare = false; /* later steps use the weights of the first */
  }
  build->declare = declare;
  *output = kd_concat(g, (int)steps, parts, 1);
  return kd_graph_status(g);
}

static kd_status time_distributed_build(kd_build *build, const kd_layer *layer, int n_inputs,
                                        const kd_sym *inputs, kd_sym *outputs) {
  (void)n_inputs;
  const kd_object *inner = &((const time_distributed_options *)layer->options)->layer;
  char text[KD_SHAPE_TEXT];
  KD_CHECK(kd_sym_shape(build->graph, inputs[0])->rank >= 3, KD_ERR_USAGE,
           "needs an input (batch, steps, ...) of three axes or more, but its shape is %s",
           kd_layer_shape(build->graph, inputs[0], text));
  int losses = build->built->n_losses;
  bool by_step = build->training && inner->kind == &kd_layer_batch_normalization.base;
  kd_status status = by_step ? build_steps(build, inner, inputs[0], &outputs[0])
                             : build_folded(build, inner, inputs[0], &outputs[0]);
  build->built->n_losses = losses;
  return status;
}

static const kd_option options[] = {
    {.name = "layer",
     .type = KD_OPT_OBJECT,
     .offset = offsetof(time_distributed_options, layer),
     .help = "layer that is applied to every step, as Dense(3)",
     .family = &kd_layer_family},
    KD_ROW_END,
};

const kd_layer_kind kd_layer_time_distributed = {
    .base = {.name = "TimeDistributed",
             .help = "a layer applied to every step of a sequence",
             .options = options,
             .options_size = sizeof(time_distributed_options)},
    .min_inputs = 1,
    .max_inputs = 1,
    .build = time_distributed_build,
    .mask = KD_MASK_PASS,
    .call_args = kd_call_mask,
    .takes_training = true,
};
