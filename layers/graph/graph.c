/* The graph itself: tensors, nodes, sticky failures. Arrays grow inside the pool, so that pointers to
 * earlier infos stay readable while nodes are added. */
#include "layers/graph/graph.h"

#include <stdio.h>
#include <string.h>

#include "layers/op/rule.h"

kd_graph *kd_graph_create(void) {
  kd_pool *pool = kd_pool_create();
  kd_graph *graph = kd_pool_alloc(pool, 1, sizeof *graph);
  graph->pool = pool;
  graph->failure = "";
  graph->scope = "";
  return graph;
}

void kd_graph_destroy(kd_graph *graph) {
  if (graph) kd_pool_destroy(graph->pool);
}

kd_status kd_graph_status(const kd_graph *graph) {
  return graph->status == KD_OK ? KD_OK : kd_fail(graph->status, "%s", graph->failure);
}

static kd_sym record_failure(kd_graph *graph, kd_status status, const char *text) {
  if (graph->status == KD_OK) {
    graph->status = status;
    graph->failure = kd_pool_strdup(graph->pool, text);
  }
  return KD_NO_SYM;
}

kd_sym kd_graph_fail(kd_graph *graph, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = kd_pool_vprintf(graph->pool, format, args);
  va_end(args);
  return record_failure(graph, KD_ERR_USAGE, text);
}

const char *kd_graph_scope(kd_graph *graph, const char *scope) {
  const char *old = graph->scope;
  if (strcmp(old, scope) != 0) graph->scope = kd_pool_strdup(graph->pool, scope);
  return old;
}

/* Stands for a tensor that could not be made: its rank keeps index arithmetic of callers in bounds. */
static const kd_sym_info missing = {
    .shape = {.rank = 4, .dim = {1, 1, 1, 1}}, .role = KD_ROLE_NODE, .node = -1, .name = "missing"};

const kd_sym_info *kd_sym_get(const kd_graph *graph, kd_sym sym) {
  return sym >= 0 && sym < graph->n_syms ? &graph->syms[sym] : &missing;
}

const kd_shape *kd_sym_shape(const kd_graph *graph, kd_sym sym) {
  return &kd_sym_get(graph, sym)->shape;
}

const kd_node *kd_producer(const kd_graph *graph, kd_sym sym, bool through_views) {
  for (;;) {
    int index = kd_sym_get(graph, sym)->node;
    if (index < 0) return NULL;
    const kd_node *node = &graph->nodes[index];
    if (!through_views || node->op != KD_OP_RESHAPE) return node;
    sym = node->input[0];
  }
}

bool kd_sym_constant(const kd_graph *graph, kd_sym sym, float *value) {
  const kd_node *node = kd_producer(graph, sym, false);
  if (!node || node->op != KD_OP_POINTWISE || kd_sym_get(graph, sym)->dtype != KD_F32) return false;
  const kd_pointwise_attr *attr = node->attr;
  if (attr->n_steps != 1 || attr->step[0].op != KD_PW_CONST) return false;
  *value = attr->step[0].imm.value;
  return true;
}

/* Sizes come from configurations and data: they must be positive and their product must fit. */
static kd_status check_shape(const kd_shape *shape, const char *what) {
  KD_CHECK(shape->rank >= 0 && shape->rank <= KD_MAX_RANK, KD_ERR_USAGE,
           "%s has %d axes; at most %d are supported", what, shape->rank, KD_MAX_RANK);
  char text[KD_SHAPE_TEXT];
  long long count = 1;
  for (int i = 0; i < shape->rank; i++) {
    KD_CHECK(shape->dim[i] > 0, KD_ERR_USAGE, "%s has shape %s: every size must be at least 1", what,
             kd_shape_text(shape, text));
    if (kd_size_mul(count, shape->dim[i], &count) != KD_OK || count > INT64_MAX / 8)
      return kd_fail(KD_ERR_USAGE, "%s has shape %s, which is too large", what, kd_shape_text(shape, text));
  }
  return KD_OK;
}

static kd_sym add_sym(kd_graph *g, const kd_sym_info *info) {
  g->syms = kd_pool_grow(g->pool, g->syms, (size_t)g->n_syms, &g->sym_capacity, sizeof *g->syms);
  g->syms[g->n_syms] = *info;
  return g->n_syms++;
}

static kd_sym add_fed(kd_graph *g, kd_role role, kd_dtype dtype, kd_shape shape, int index,
                      const char *name) {
  if (g->status != KD_OK) return KD_NO_SYM;
  kd_status status = check_shape(&shape, name);
  if (status != KD_OK) return record_failure(g, status, kd_status_text());
  kd_sym_info info = {.dtype = dtype,
                      .shape = shape,
                      .role = role,
                      .index = index,
                      .node = -1,
                      .name = kd_pool_strdup(g->pool, name)};
  return add_sym(g, &info);
}

kd_sym kd_input(kd_graph *g, kd_dtype dtype, kd_shape shape, int index, const char *name) {
  return add_fed(g, KD_ROLE_INPUT, dtype, shape, index, name);
}

kd_sym kd_weight_sym(kd_graph *g, kd_dtype dtype, kd_shape shape, int index, const char *name) {
  return add_fed(g, KD_ROLE_WEIGHT, dtype, shape, index, name);
}

kd_sym kd_value_sym(kd_graph *g, kd_dtype dtype, kd_shape shape, int index, const char *name) {
  return add_fed(g, KD_ROLE_VALUE, dtype, shape, index, name);
}

static int count_outputs(kd_op op, const void *attr) {
  return op == KD_OP_POINTWISE ? ((const kd_pointwise_attr *)attr)->n_outputs : kd_op_get(op)->n_outputs;
}

static kd_status infer(const kd_graph *g, kd_op op, const void *attr, int n_inputs, const kd_sym *inputs,
                       kd_sym_info *made) {
  const kd_op_info *op_info = kd_op_get(op);
  int n_outputs = count_outputs(op, attr);
  KD_CHECK(n_inputs >= op_info->min_inputs && n_inputs <= op_info->max_inputs, KD_ERR_INTERNAL,
           "%s takes %d to %d tensors, not %d", op_info->name, op_info->min_inputs, op_info->max_inputs,
           n_inputs);
  KD_CHECK(n_outputs >= 1 && n_outputs <= KD_MAX_OUTPUTS, KD_ERR_INTERNAL, "%s cannot have %d results",
           op_info->name, n_outputs);
  const kd_sym_info *input[KD_MAX_INPUTS] = {0};
  for (int i = 0; i < n_inputs; i++) {
    KD_CHECK(inputs[i] >= 0 && inputs[i] < g->n_syms, KD_ERR_INTERNAL, "operand %d of %s is missing", i,
             op_info->name);
    input[i] = &g->syms[inputs[i]];
  }
  KD_TRY(kd_rule_get(op)->infer(attr, n_inputs, input, made));
  for (int i = 0; i < n_outputs; i++) {
    char what[64];
    snprintf(what, sizeof what, "the result of %s", op_info->name);
    KD_TRY(check_shape(&made[i].shape, what));
  }
  return KD_OK;
}

kd_sym kd_append(kd_graph *g, kd_op op, const void *attr, int n_inputs, const kd_sym *inputs,
                 kd_sym *outputs) {
  const kd_op_info *op_info = kd_op_get(op);
  int n_outputs = count_outputs(op, attr);
  for (int i = 0; outputs && i < n_outputs; i++) outputs[i] = KD_NO_SYM;
  if (g->status != KD_OK) return KD_NO_SYM;
  kd_sym_info made[KD_MAX_OUTPUTS] = {0};
  kd_status status = infer(g, op, attr, n_inputs, inputs, made);
  if (status != KD_OK) return record_failure(g, status, kd_status_text());

  kd_node node = {.op = op,
                  .attr = memcpy(kd_pool_alloc(g->pool, 1, op_info->attr_size), attr, op_info->attr_size),
                  .n_inputs = n_inputs,
                  .n_outputs = n_outputs,
                  .input = kd_pool_alloc(g->pool, (size_t)n_inputs, sizeof(kd_sym)),
                  .output = kd_pool_alloc(g->pool, (size_t)n_outputs, sizeof(kd_sym)),
                  .scope = g->scope,
                  .backward = g->backward};
  if (n_inputs) memcpy(node.input, inputs, (size_t)n_inputs * sizeof *inputs);
  for (int i = 0; i < n_outputs; i++) {
    made[i].role = KD_ROLE_NODE;
    made[i].node = g->n_nodes;
    made[i].out = i;
    made[i].name = op_info->name;
    node.output[i] = add_sym(g, &made[i]);
    if (outputs) outputs[i] = node.output[i];
  }
  g->nodes = kd_pool_grow(g->pool, g->nodes, (size_t)g->n_nodes, &g->node_capacity, sizeof *g->nodes);
  g->nodes[g->n_nodes++] = node;
  return node.output[0];
}
