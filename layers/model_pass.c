#include "layers/model_pass.h"

#include <string.h>

#include "device/base/text.h"
#include "layers/kinds/kinds.h"

/* Elements of one tensor; more is a mistake in the configuration, and sums of sizes stay within int64. */
#define LIMIT_ELEMENTS ((long long)1 << 42)

kd_status kd_checked_count(const kd_shape *shape, int64_t *count) {
  char text[KD_SHAPE_TEXT];
  long long product = 1;
  for (int i = 0; i < shape->rank; i++) {
    if (kd_size_mul(product, shape->dim[i], &product) != KD_OK || product > LIMIT_ELEMENTS)
      return kd_fail(KD_ERR_USAGE, "a tensor of shape %s is too large", kd_shape_text(shape, text));
  }
  *count = product;
  return KD_OK;
}

static kd_status feed_shape(const kd_model *model, const kd_build_spec *spec, int index, kd_shape *shape) {
  const kd_model_input *input = &model->inputs[index];
  char given[KD_SHAPE_TEXT], wanted[KD_SHAPE_TEXT];
  *shape = spec->feed_shape ? spec->feed_shape[index] : input->shape;
  if (!spec->feed_shape) shape->dim[0] = spec->batch;
  bool fits = shape->rank == input->shape.rank;
  for (int i = 0; fits && i < shape->rank; i++)
    fits = shape->dim[i] >= 0 && (input->shape.dim[i] == -1 || input->shape.dim[i] == shape->dim[i]);
  KD_CHECK(fits, KD_ERR_USAGE, "input %s: data of shape %s does not fit the input's shape %s", input->name,
           kd_shape_text(shape, given), kd_shape_text(&input->shape, wanted));
  KD_CHECK(!model->n_kept || shape->dim[0] <= kd_model_batch_size(model), KD_ERR_USAGE,
           "input %s: a batch of %lld rows, but batch_size = %lld is fixed and layers are stateful",
           input->name, (long long)shape->dim[0], (long long)kd_model_batch_size(model));
  int64_t count;
  return kd_checked_count(shape, &count);
}

static kd_status feed_inputs(kd_pass *pass, const kd_build_spec *spec) {
  kd_build *build = &pass->build;
  const kd_model *model = build->model;
  for (int i = 0; i < model->n_inputs; i++) {
    const kd_model_input *input = &model->inputs[i];
    kd_shape shape;
    KD_TRY(feed_shape(model, spec, i, &shape));
    kd_dtype dtype = spec->feed_dtype ? spec->feed_dtype[i] : input->dtype;
    build->built->input[i] = kd_input(build->graph, dtype, shape, i, input->name);
    pass->taps[input->call][0] = kd_cast(build->graph, build->built->input[i], input->dtype);
    build->built->call_output[input->call] = pass->taps[input->call][0];
  }
  return kd_graph_status(build->graph);
}

static kd_sym *no_syms(kd_graph *graph, int count) {
  kd_sym *syms = kd_pool_alloc(graph->pool, (size_t)count, sizeof *syms);
  for (int i = 0; i < count; i++) syms[i] = KD_NO_SYM;
  return syms;
}

kd_status kd_pass_begin(kd_pass *pass, kd_model *model, kd_graph *graph, const kd_build_spec *spec,
                        bool declare, kd_built *built) {
  *built = (kd_built){.input = no_syms(graph, model->n_inputs),
                      .output = no_syms(graph, model->n_outputs),
                      .output_mask = no_syms(graph, model->n_outputs),
                      .call_output = no_syms(graph, model->n_calls)};
  built->rng = kd_value_sym(graph, KD_U32, KD_SHAPE(4), KD_VALUE_RNG, "rng");
  *pass = (kd_pass){.build = {.graph = graph,
                              .model = model,
                              .training = spec->training,
                              .fits = spec->training,
                              .rng = built->rng,
                              .declare = declare,
                              .built = built}};
  pass->failed = kd_pool_alloc(graph->pool, (size_t)model->n_layers, sizeof(bool));
  pass->taps = kd_pool_alloc(graph->pool, (size_t)model->n_calls, sizeof(kd_sym *));
  pass->masks = kd_pool_alloc(graph->pool, (size_t)model->n_calls, sizeof(kd_sym *));
  for (int i = 0; i < model->n_calls; i++) {
    pass->taps[i] = no_syms(graph, model->calls[i]->n_outputs);
    pass->masks[i] = no_syms(graph, model->calls[i]->n_outputs);
  }
  if (!declare) {
    pass->build.weight_sym = no_syms(graph, model->n_weights);
    built->kept_before = no_syms(graph, model->n_kept);
    built->kept_after = no_syms(graph, model->n_kept);
  }
  const char *scope = kd_graph_scope(graph, "input");
  kd_status status = feed_inputs(pass, spec);
  kd_graph_scope(graph, scope);
  return status;
}

static const kd_call_arg *find_arg(const kd_layer_kind *kind, const char *name) {
  const kd_call_arg *arg;
  for (int i = 0; (arg = kd_layer_call_arg(kind, i)) && strcmp(arg->name, name) != 0;) i++;
  return arg;
}

/* The position of the tensor that stands in place of the first input's mask; -1: none. */
static kd_status find_mask(const kd_build *build, int *at) {
  const kd_call_arg *arg = find_arg(build->layer->kind, "mask");
  *at = -1;
  return arg && arg->type == KD_CALL_MASK ? kd_call_tensor(build, "mask", at) : KD_OK;
}

static kd_status unknown_arg(const kd_build *build, const char *name) {
  const kd_layer_kind *kind = build->layer->kind;
  const char *known = "";
  const kd_call_arg *arg;
  for (int i = 0; (arg = kd_layer_call_arg(kind, i)); i++)
    known = kd_pool_printf(build->graph->pool, "%s%s %s", known, *known ? "," : "; it takes", arg->name);
  return kd_fail(KD_ERR_USAGE, "has no call argument '%s'%s", kd_quoted(name), known);
}

static kd_status check_call(const kd_build *build) {
  const kd_layer_kind *kind = build->layer->kind;
  const kd_call *call = build->call;
  int n_inputs = kd_call_n_positional(build, call->n_inputs);
  if (n_inputs < kind->min_inputs)
    return kd_fail(KD_ERR_USAGE, "needs %s%d input%s, but has %d",
                   kind->max_inputs == kind->min_inputs ? "" : "at least ", kind->min_inputs,
                   kind->min_inputs == 1 ? "" : "s", n_inputs);
  if (kind->max_inputs && n_inputs > kind->max_inputs)
    return kd_fail(KD_ERR_USAGE, "takes at most %d input%s, but has %d", kind->max_inputs,
                   kind->max_inputs == 1 ? "" : "s", n_inputs);
  for (int i = 0; i < call->n_args; i++)
    if (!find_arg(kind, call->arg_names[i])) return unknown_arg(build, call->arg_names[i]);
  return KD_OK;
}

/* The tensor of the call argument mask leaves the inputs and becomes the mask of the first one. */
static kd_status take_mask(kd_build *build, int *n_inputs, kd_sym *inputs, kd_sym *masks) {
  kd_graph *g = build->graph;
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  int at;
  KD_TRY(find_mask(build, &at));
  if (at < 0) return KD_OK;
  const kd_shape *mask = kd_sym_shape(g, inputs[at]), *x = kd_sym_shape(g, inputs[0]);
  KD_CHECK(mask->rank == 2 && x->rank >= 2 && mask->dim[0] == x->dim[0] && mask->dim[1] == x->dim[1],
           KD_ERR_USAGE, "call argument mask has the shape %s, but the input %s needs one of (batch, steps)",
           kd_layer_shape(g, inputs[at], a), kd_layer_shape(g, inputs[0], b));
  kd_sym given = kd_cast(g, inputs[at], KD_F32);
  masks[0] = kd_select(g, given, kd_const(g, 1), kd_const(g, 0));
  (*n_inputs)--;
  for (int i = at; i < *n_inputs; i++) {
    inputs[i] = inputs[i + 1];
    masks[i] = masks[i + 1];
  }
  return kd_graph_status(g);
}

static kd_status check_outputs(const kd_graph *graph, int count, const kd_sym *outputs) {
  KD_TRY(kd_graph_status(graph));
  for (int i = 0; i < count; i++) {
    int64_t elements;
    KD_CHECK(outputs[i] != KD_NO_SYM, KD_ERR_INTERNAL, "output %d was not built", i);
    KD_TRY(kd_checked_count(kd_sym_shape(graph, outputs[i]), &elements));
  }
  return KD_OK;
}

/* Floats in another type than the layer's, cast to it. */
static void cast_floats(kd_graph *graph, kd_dtype type, int count, kd_sym *syms) {
  for (int i = 0; i < count; i++)
    if (syms[i] != KD_NO_SYM && kd_dtype_is_float(kd_sym_get(graph, syms[i])->dtype))
      syms[i] = kd_cast(graph, syms[i], type);
}

/* Runs the kind's build function in the types of the layer's policy: inputs and outputs that are floats have
 * its type of computation. */
static kd_status build_typed(kd_build *build, int n_inputs, kd_sym *inputs, int n_outputs, kd_sym *outputs) {
  const kd_layer *layer = build->layer;
  kd_graph *graph = build->graph;
  kd_dtype type = layer->policy.compute, before = graph->compute;
  graph->compute = type;
  if (!layer->kind->takes_any_float) cast_floats(graph, type, n_inputs, inputs);
  kd_status status = layer->kind->build(build, layer, n_inputs, inputs, outputs);
  if (status == KD_OK) cast_floats(graph, type, n_outputs, outputs);
  graph->compute = before;
  return status;
}

/* The call argument training holds for this call alone, with all that the layer builds inside. */
static kd_status build_called(kd_build *build, int n_inputs, kd_sym *inputs, int n_outputs, kd_sym *outputs) {
  bool before = build->training;
  KD_TRY(kd_call_choice(build, "training", before, &build->training));
  kd_status status = build_typed(build, n_inputs, inputs, n_outputs, outputs);
  build->training = before;
  return status;
}

/* Builds the layer; weights that it declares become its own. */
static kd_status build_layer(kd_build *build, int n_inputs, kd_sym *inputs, int n_outputs, kd_sym *outputs) {
  kd_layer *layer = build->layer;
  bool declare = build->declare && layer->first_weight < 0;
  bool may_declare = build->declare;
  if (declare) layer->first_weight = build->model->n_weights;
  build->declare = declare;
  build->next_weight = 0;
  const char *scope = kd_graph_scope(build->graph, build->call->name);
  kd_status status = build_called(build, n_inputs, inputs, n_outputs, outputs);
  if (status == KD_OK) status = check_outputs(build->graph, n_outputs, outputs);
  kd_graph_scope(build->graph, scope);
  build->declare = may_declare;
  return status;
}

/* The mask of the first input goes past the layer to an output that is a sequence too. */
static void pass_mask(kd_pass *pass, int index, kd_sym input) {
  const kd_graph *graph = pass->build.graph;
  kd_tap from = pass->build.model->calls[index]->inputs[0];
  const kd_shape *x = kd_sym_shape(graph, input), *y = kd_sym_shape(graph, pass->taps[index][0]);
  if (x->rank == y->rank) pass->masks[index][0] = pass->masks[from.call][from.output];
}

kd_status kd_pass_call(kd_pass *pass, int index) {
  kd_build *build = &pass->build;
  const kd_call *call = build->model->calls[index];
  build->call = call;
  build->layer = build->model->layers[call->layer];
  if (build->layer->kind == &kd_layer_input || pass->failed[call->layer]) return KD_OK;
  kd_status status = check_call(build);
  kd_sym *inputs = no_syms(build->graph, call->n_inputs), *masks = no_syms(build->graph, call->n_inputs);
  for (int i = 0; status == KD_OK && i < call->n_inputs; i++) {
    inputs[i] = pass->taps[call->inputs[i].call][call->inputs[i].output];
    if (call->masks == KD_MASKS_SEEN) masks[i] = pass->masks[call->inputs[i].call][call->inputs[i].output];
    if (inputs[i] == KD_NO_SYM) {
      pass->failed[call->layer] = true; /* what failed before it has been reported */
      return KD_OK;
    }
  }
  int n_inputs = call->n_inputs;
  build->input_mask = masks;
  build->output_mask = pass->masks[index];
  if (status == KD_OK) status = take_mask(build, &n_inputs, inputs, masks);
  if (status == KD_OK) status = build_layer(build, n_inputs, inputs, call->n_outputs, pass->taps[index]);
  if (status != KD_OK) {
    pass->failed[call->layer] = true;
    for (int i = 0; i < call->n_outputs; i++) pass->taps[index][i] = KD_NO_SYM;
    return status;
  }
  if (build->layer->kind->mask == KD_MASK_PASS)
    for (int i = 0; i < call->n_outputs; i++) pass->masks[index][i] = masks[0];
  if (call->masks == KD_MASKS_PASSED) pass_mask(pass, index, inputs[0]);
  build->built->call_output[index] = pass->taps[index][0];
  return KD_OK;
}
