#include "io/onnx/program.h"

#include <string.h>

#include "io/onnx/builds.h"

/* --- inputs and weights ---------------------------------------------------------------------------- */

static kd_onnx_port *make_inputs(kd_onnx *x, const kd_built *built) {
  kd_onnx_port *ports = kd_pool_alloc(x->pool, (size_t)x->model->n_inputs, sizeof *ports);
  for (int i = 0; i < x->model->n_inputs; i++) {
    kd_sym sym = built->input[i];
    kd_onnx_port *port = &ports[i];
    port->value = kd_onnx_new(x, x->model->inputs[i].name);
    port->type = kd_onnx_type_of(kd_sym_get(x->graph, sym)->dtype);
    port->rank = kd_onnx_sizes(x, sym, port->size);
    kd_onnx_put(x, sym, port->value);
  }
  return ports;
}

static void name_weights(kd_onnx *x, const kd_built *built) {
  for (int i = 0; i < x->model->n_weights; i++)
    if (built->weight[i] != KD_NO_SYM)
      x->entry[built->weight[i]] = (kd_onnx_entry){.data = x->weight[i], .path = x->model->weights[i].path};
}

/* --- nodes ----------------------------------------------------------------------------------------- */

/* Nodes that the outputs depend on: terms of the loss and new statistics are left out. */
static bool *needed_nodes(const kd_onnx *x, const kd_built *built) {
  const kd_graph *g = x->graph;
  bool *syms = kd_pool_alloc(x->pool, (size_t)g->n_syms, sizeof *syms);
  bool *nodes = kd_pool_alloc(x->pool, (size_t)g->n_nodes + 1, sizeof *nodes);
  for (int i = 0; i < x->model->n_outputs; i++) syms[built->output[i]] = true;
  for (int n = g->n_nodes - 1; n >= 0; n--) {
    const kd_node *node = &g->nodes[n];
    for (int i = 0; i < node->n_outputs; i++) nodes[n] = nodes[n] || syms[node->output[i]];
    for (int i = 0; nodes[n] && i < node->n_inputs; i++) syms[node->input[i]] = true;
  }
  return nodes;
}

/* Fed tensors that are no inputs of the model are what stateful layers keep. */
static kd_status check_operands(const kd_onnx *x, const kd_node *node) {
  for (int i = 0; i < node->n_inputs; i++) {
    const kd_sym_info *info = kd_sym_get(x->graph, node->input[i]);
    if (info->role == KD_ROLE_INPUT && info->index >= x->model->n_inputs)
      return kd_onnx_refuse(x, "it keeps a state from batch to batch (%s); use stateful = false", info->name);
  }
  return KD_OK;
}

static kd_status translate(kd_onnx *x, const kd_built *built) {
  const bool *needed = needed_nodes(x, built);
  for (x->done = 0; x->done < x->graph->n_nodes; x->done++) {
    if (!needed[x->done]) continue;
    x->node = &x->graph->nodes[x->done];
    KD_TRY(check_operands(x, x->node));
    KD_TRY(kd_onnx_form_get(x->node->op)(x, x->node, &x->other->nodes[x->done]));
  }
  x->node = NULL;
  return KD_OK;
}

/* Outputs have Keras's names, by a node of their own. */
static kd_onnx_port *make_outputs(kd_onnx *x, const kd_built *built) {
  kd_onnx_port *ports = kd_pool_alloc(x->pool, (size_t)x->model->n_outputs, sizeof *ports);
  for (int i = 0; i < x->model->n_outputs; i++) {
    kd_sym sym = built->output[i];
    kd_onnx_port *port = &ports[i];
    const char *name = kd_onnx_unique(x, x->model->outputs[i].name);
    port->value = KD_ONNX(x, "Identity", kd_onnx_get(x, sym));
    x->names[port->value] = name;
    port->type = kd_onnx_type_of(kd_sym_get(x->graph, sym)->dtype);
    port->rank = kd_onnx_sizes(x, sym, port->size);
  }
  return ports;
}

/* --- what is needed -------------------------------------------------------------------------------- */

static void mark(kd_onnx_block *block, bool *used) {
  for (int i = 0; i < block->n_outputs; i++) used[block->outputs[i]] = true;
  for (int n = block->n_ops - 1; n >= 0; n--) {
    kd_onnx_op *op = &block->ops[n];
    for (int i = 0; i < op->n_outputs; i++) op->needed = op->needed || used[op->outputs[i]];
    if (!op->needed) continue;
    for (int i = 0; i < op->n_inputs; i++) used[op->inputs[i]] = true;
    for (int i = 0; i < op->n_attributes; i++)
      if (op->attribute[i].kind == KD_ONNX_ATTR_BODY) mark(op->attribute[i].body, used);
  }
}

/* Forms append what may be asked for; what nobody asked for goes. */
static void mark_needed(kd_onnx *x, const kd_onnx_port *outputs) {
  bool *used = kd_pool_alloc(x->pool, (size_t)x->n_values, sizeof *used);
  for (int i = 0; i < x->model->n_outputs; i++) used[outputs[i].value] = true;
  mark(x->block, used);
  for (int i = 0; i < x->n_tensors; i++) x->tensors[i].needed = used[x->tensors[i].value];
}

/* A weight that is needed in two forms, or of which there are parts, has another name the second time. */
static void name_tensors(kd_onnx *x) {
  for (int i = 0; i < x->n_tensors; i++) {
    const char *path = x->names[x->tensors[i].value], *name = path;
    if (!x->tensors[i].needed) continue;
    for (int k = 0, n = 1; k < i; k++) {
      if (!x->tensors[k].needed || strcmp(x->names[x->tensors[k].value], name) != 0) continue;
      name = kd_pool_printf(x->pool, "%s_%d", path, n++);
      k = -1;
    }
    x->names[x->tensors[i].value] = name;
  }
}

/* --- the whole ------------------------------------------------------------------------------------- */

static kd_status make(kd_onnx *x, const kd_built *built, kd_onnx_sink *sink, void *context) {
  kd_onnx_new(x, ""); /* value 0 */
  const kd_onnx_port *inputs = make_inputs(x, built);
  name_weights(x, built);
  KD_TRY(translate(x, built));
  const kd_onnx_port *outputs = make_outputs(x, built);
  mark_needed(x, outputs);
  name_tensors(x);
  kd_onnx_program program = {.x = x,
                             .main = x->block,
                             .n_inputs = x->model->n_inputs,
                             .inputs = inputs,
                             .n_outputs = x->model->n_outputs,
                             .outputs = outputs};
  for (int i = 0; i < x->n_tensors; i++)
    program.bytes += x->tensors[i].needed ? (int64_t)x->tensors[i].bytes : 0;
  return sink(context, &program);
}

kd_status kd_onnx_make(kd_model *model, const float *const *weight, const kd_onnx_target *target,
                       kd_onnx_sink *sink, void *context) {
  kd_onnx_builds b;
  KD_TRY(kd_onnx_builds_make(model, target->name, &b));
  kd_onnx_block block = {0};
  kd_onnx x = {.pool = kd_pool_create(),
               .target = target,
               .model = model,
               .graph = b.graph[0],
               .other = b.graph[1],
               .weight = weight,
               .block = &block};
  x.entry = kd_pool_alloc(x.pool, (size_t)x.graph->n_syms, sizeof *x.entry);
  kd_status status = make(&x, &b.built[0], sink, context);
  kd_pool_destroy(x.pool);
  kd_onnx_builds_destroy(&b);
  return status;
}

kd_status kd_onnx_try(kd_model *model, const kd_onnx_target *target, kd_onnx_sink *sink, void *context) {
  int64_t largest = 1;
  for (int i = 0; i < model->n_weights; i++)
    if (model->weights[i].count > largest) largest = model->weights[i].count;
  float *zeros = kd_calloc((size_t)largest, sizeof *zeros);
  const float **weights = kd_calloc((size_t)model->n_weights + 1, sizeof *weights);
  for (int i = 0; i < model->n_weights; i++) weights[i] = zeros;
  kd_status status = kd_onnx_make(model, weights, target, sink, context);
  kd_free(weights);
  kd_free(zeros);
  return status;
}
