#include "io/onnx/export.h"

#include "io/onnx/file.h"

/* Sizes of the two builds. They are prime and far from each other and from what models have, so that a
 * product tells its factors. Every variable axis has its own, so far as they go. */
static const int64_t batch_sizes[2] = {211, 307};
static const int64_t lengths[][2] = {{509, 1021}, {521, 1031}, {541, 1049},
                                     {557, 1061}, {569, 1087}, {587, 1097}};
enum { N_LENGTHS = sizeof lengths / sizeof lengths[0] };

/* --- the two builds -------------------------------------------------------------------------------- */

typedef struct builds {
  kd_graph *graph[2];
  kd_built built[2];
} builds;

static void destroy_builds(builds *b) {
  for (int i = 0; i < 2; i++) kd_graph_destroy(b->graph[i]);
}

static kd_shape *feed_shapes(const kd_model *model, kd_pool *pool, int which, bool apart) {
  kd_shape *shapes = kd_pool_alloc(pool, (size_t)model->n_inputs, sizeof *shapes);
  int64_t fixed = kd_model_batch_size(model);
  int next = 0;
  for (int i = 0; i < model->n_inputs; i++) {
    shapes[i] = model->inputs[i].shape;
    shapes[i].dim[0] = fixed ? fixed : batch_sizes[which];
    for (int axis = 1; axis < shapes[i].rank; axis++)
      if (shapes[i].dim[axis] == -1) shapes[i].dim[axis] = lengths[apart ? next++ % N_LENGTHS : 0][which];
  }
  return shapes;
}

/* As a pass of prediction. */
static kd_status build_one(kd_model *model, builds *b, int which, bool apart) {
  kd_graph *graph = b->graph[which] = kd_graph_create();
  kd_build_spec spec = {.feed_shape = feed_shapes(model, graph->pool, which, apart)};
  spec.batch = spec.feed_shape[0].dim[0];
  return kd_model_build(model, graph, &spec, &b->built[which]);
}

static kd_status build_both(kd_model *model, builds *b, bool apart) {
  *b = (builds){0};
  kd_status status = build_one(model, b, 0, apart);
  if (status == KD_OK) status = build_one(model, b, 1, apart);
  if (status != KD_OK) destroy_builds(b);
  return status;
}

/* Variable axes that a model only takes with equal lengths have equal ones. */
static kd_status make_builds(kd_model *model, builds *b) {
  return build_both(model, b, true) == KD_OK ? KD_OK : build_both(model, b, false);
}

static bool same_node(const kd_node *a, const kd_node *b) {
  bool same = a->op == b->op && a->n_inputs == b->n_inputs && a->n_outputs == b->n_outputs;
  for (int i = 0; same && i < a->n_inputs; i++) same = a->input[i] == b->input[i];
  for (int i = 0; same && i < a->n_outputs; i++) same = a->output[i] == b->output[i];
  return same;
}

static kd_status check_builds(const builds *b) {
  const kd_graph *g = b->graph[0], *other = b->graph[1];
  for (int i = 0; i < g->n_nodes && i < other->n_nodes; i++)
    KD_CHECK(
        same_node(&g->nodes[i], &other->nodes[i]), KD_ERR_USAGE,
        "layer %s has no form in ONNX: what it computes depends on a variable size; give the inputs fixed "
        "sizes",
        g->nodes[i].scope);
  KD_CHECK(
      g->n_nodes == other->n_nodes && g->n_syms == other->n_syms, KD_ERR_USAGE,
      "the model has no form in ONNX: its layers depend on a variable size; give the inputs fixed sizes");
  return KD_OK;
}

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

static kd_status write_builds(const char *path, kd_onnx *x, const kd_built *built, int64_t one_file) {
  kd_onnx_new(x, ""); /* value 0 */
  const kd_onnx_port *inputs = make_inputs(x, built);
  name_weights(x, built);
  KD_TRY(translate(x, built));
  const kd_onnx_port *outputs = make_outputs(x, built);
  mark_needed(x, outputs);
  kd_onnx_file file = {.x = x,
                       .main = x->block,
                       .n_inputs = x->model->n_inputs,
                       .inputs = inputs,
                       .n_outputs = x->model->n_outputs,
                       .outputs = outputs,
                       .one_file = one_file};
  return kd_onnx_file_write(path, &file);
}

kd_status kd_onnx_write(const char *path, kd_model *model, const float *const *weight,
                        const kd_onnx_options *options) {
  builds b;
  KD_CHECK(options->opset >= KD_ONNX_OPSET && options->opset <= KD_ONNX_LAST_OPSET, KD_ERR_USAGE,
           "opset %d is not known; use %d to %d", options->opset, KD_ONNX_OPSET, KD_ONNX_LAST_OPSET);
  KD_TRY(make_builds(model, &b));
  kd_status status = check_builds(&b);
  if (status == KD_OK) {
    kd_onnx_block block = {0};
    kd_onnx x = {.pool = kd_pool_create(),
                 .opset = options->opset,
                 .model = model,
                 .graph = b.graph[0],
                 .other = b.graph[1],
                 .weight = weight,
                 .block = &block};
    x.entry = kd_pool_alloc(x.pool, (size_t)x.graph->n_syms, sizeof *x.entry);
    status = write_builds(path, &x, &b.built[0], options->one_file);
    kd_pool_destroy(x.pool);
  }
  destroy_builds(&b);
  return status;
}
