/* Where tensors live: roots of views, lives in steps, work in place, blocks of the arena. */
#include <string.h>

#include "layers/plan/internal.h"
#include "layers/plan/rewrite.h"

size_t kd_sym_bytes(const kd_graph *graph, kd_sym sym) {
  const kd_sym_info *info = &graph->syms[sym];
  return (size_t)kd_shape_count(&info->shape) * kd_dtype_size(info->dtype);
}

static void allocate(kd_layout *layout) {
  size_t n = (size_t)layout->graph->n_syms;
  kd_pool *pool = layout->pool;
  layout->root = kd_pool_alloc(pool, n, sizeof *layout->root);
  layout->bound = kd_pool_alloc(pool, n, sizeof *layout->bound);
  layout->address = kd_pool_alloc(pool, n, sizeof *layout->address);
  layout->written = kd_pool_alloc(pool, n, sizeof *layout->written);
  layout->last_read = kd_pool_alloc(pool, n, sizeof *layout->last_read);
  layout->ready = kd_pool_alloc(pool, n, sizeof *layout->ready);
  layout->block = kd_pool_alloc(pool, n, sizeof *layout->block);
  layout->block_bytes = kd_pool_alloc(pool, n, sizeof *layout->block_bytes);
  layout->block_offset = kd_pool_alloc(pool, n, sizeof *layout->block_offset);
  layout->block_first = kd_pool_alloc(pool, n, sizeof *layout->block_first);
  layout->block_last = kd_pool_alloc(pool, n, sizeof *layout->block_last);
}

/* One step per node that runs; views only name the storage of their input. */
static void find_steps_and_roots(kd_layout *layout) {
  const kd_graph *graph = layout->graph;
  layout->steps = kd_pool_alloc(layout->pool, (size_t)graph->n_nodes, sizeof *layout->steps);
  for (kd_sym s = 0; s < graph->n_syms; s++) layout->root[s] = s;
  for (int n = 0; n < graph->n_nodes; n++) {
    const kd_node *node = &graph->nodes[n];
    if (kd_node_is_view(node))
      layout->root[node->output[0]] = layout->root[node->input[0]];
    else
      layout->steps[layout->n_steps++] = (kd_step){.node = n, .from = KD_NO_SYM};
  }
}

static void find_lives(kd_layout *layout) {
  const kd_graph *graph = layout->graph;
  for (kd_sym s = 0; s < graph->n_syms; s++) layout->written[s] = layout->last_read[s] = -1;
  for (int t = 0; t < layout->n_steps; t++) {
    const kd_step *step = &layout->steps[t];
    if (step->node < 0) {
      layout->last_read[layout->root[step->from]] = t;
      continue;
    }
    const kd_node *node = &graph->nodes[step->node];
    for (int i = 0; i < node->n_inputs; i++) layout->last_read[layout->root[node->input[i]]] = t;
    for (int o = 0; o < node->n_outputs; o++) layout->written[node->output[o]] = t;
  }
}

/* True when every input of the node that shares `root` is read cell by cell in the order of the output. */
static bool reads_cell_by_cell(const kd_layout *layout, const kd_node *node, kd_sym root, kd_sym output) {
  const kd_sym_info *out = &layout->graph->syms[output];
  for (int i = 0; i < node->n_inputs; i++) {
    const kd_sym_info *in = &layout->graph->syms[node->input[i]];
    if (layout->root[node->input[i]] != root) continue;
    if (kd_shape_count(&in->shape) != kd_shape_count(&out->shape)) return false;
    if (kd_dtype_size(in->dtype) != kd_dtype_size(out->dtype)) return false;
  }
  return true;
}

/* Rows are added to the base in any order of cells. */
static bool is_base(const kd_layout *layout, const kd_node *node, kd_sym root) {
  if (node->n_inputs < 3 || layout->root[node->input[2]] != root) return false;
  return layout->root[node->input[0]] != root && layout->root[node->input[1]] != root;
}

/* Outputs that are copies of inputs could swap two tensors: no order of writes gets that right in place. */
static bool copies_an_input(const kd_node *node, int output) {
  const kd_pointwise_attr *attr = node->attr;
  int operand = attr->output[output];
  while (operand >= attr->n_inputs && attr->step[operand - attr->n_inputs].op == KD_PW_COPY)
    operand = attr->step[operand - attr->n_inputs].arg[0];
  return operand < attr->n_inputs;
}

bool kd_layout_in_place(const kd_layout *layout, const kd_node *node, kd_sym root, kd_sym output) {
  if (!(kd_op_get(node->op)->flags & KD_OP_INPLACE)) return false;
  if (node->op == KD_OP_SCATTER_ADD) return is_base(layout, node, root);
  if (node->op == KD_OP_POINTWISE && copies_an_input(node, layout->graph->syms[output].out)) return false;
  return reads_cell_by_cell(layout, node, root, output);
}

/* The block of an input that dies at step t and that output may take, or -1. taken[block] is the last step
 * at which the block changed its owner: two outputs of one step never share. */
static int find_dying_block(const kd_layout *layout, const kd_node *node, kd_sym output, int t,
                            const int *taken) {
  for (int i = 0; i < node->n_inputs; i++) {
    kd_sym root = layout->root[node->input[i]];
    int block = layout->block[root];
    if (block < 0 || layout->block_last[block] != t || taken[block] == t) continue;
    if (layout->last_read[root] == t && kd_layout_in_place(layout, node, root, output)) return block;
  }
  return -1;
}

static void assign_block(kd_layout *layout, const kd_node *node, kd_sym output, int t, bool keep,
                         int *taken) {
  int last = layout->last_read[output] > t ? layout->last_read[output] : t;
  if (keep) last = layout->n_steps - 1;
  int block = find_dying_block(layout, node, output, t, taken);
  if (block < 0) {
    block = layout->n_blocks++;
    layout->block_bytes[block] = kd_sym_bytes(layout->graph, output);
    layout->block_first[block] = t;
  }
  taken[block] = t;
  layout->block[output] = block;
  layout->block_last[block] = last;
}

static void assign_blocks(kd_layout *layout, const bool *keep) {
  const kd_graph *graph = layout->graph;
  bool *keep_root = kd_calloc((size_t)graph->n_syms, sizeof *keep_root);
  int *taken = kd_calloc((size_t)graph->n_syms, sizeof *taken);
  for (kd_sym s = 0; s < graph->n_syms; s++) {
    layout->block[s] = taken[s] = -1;
    keep_root[layout->root[s]] |= keep[s];
  }
  for (int t = 0; t < layout->n_steps; t++) {
    if (layout->steps[t].node < 0) continue;
    const kd_node *node = &graph->nodes[layout->steps[t].node];
    for (int o = 0; o < node->n_outputs; o++) {
      kd_sym output = node->output[o];
      if (!layout->bound[output]) assign_block(layout, node, output, t, keep_root[output], taken);
    }
  }
  layout->arena_bytes = kd_lifetime_plan(layout->n_blocks, layout->block_bytes, layout->block_first,
                                         layout->block_last, layout->block_offset);
  kd_free(taken);
  kd_free(keep_root);
}

static kd_status check_fed_tensors(const kd_layout *layout) {
  static const char *const roles[] = {[KD_ROLE_NODE] = "result",
                                      [KD_ROLE_INPUT] = "input",
                                      [KD_ROLE_WEIGHT] = "weight",
                                      [KD_ROLE_VALUE] = "value"};
  for (kd_sym s = 0; s < layout->graph->n_syms; s++) {
    const kd_sym_info *info = &layout->graph->syms[s];
    bool used = layout->root[s] == s && layout->last_read[s] >= 0;
    KD_CHECK(info->role == KD_ROLE_NODE || !used || layout->bound[s], KD_ERR_INTERNAL,
             "plan: %s '%s' is used but no memory is bound to it", roles[info->role], info->name);
  }
  return KD_OK;
}

kd_status kd_layout_make(kd_layout *layout, const kd_graph *graph, int n_bindings, const kd_binding *bindings,
                         const bool *keep) {
  layout->graph = graph;
  allocate(layout);
  find_steps_and_roots(layout);
  find_lives(layout);
  KD_TRY(kd_layout_bind(layout, n_bindings, bindings));
  find_lives(layout);
  KD_TRY(check_fed_tensors(layout));
  KD_TRY(kd_layout_check(layout, n_bindings, bindings));
  assign_blocks(layout, keep);
  return KD_OK;
}
