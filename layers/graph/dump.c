/* A graph as a listing, and its hash, which is the hash of the listing without scopes: what differs between
 * two graphs can always be read. */
#include <string.h>

#include "device/base/hash.h"
#include "layers/graph/attr_text.h"

static const char *tensor_text(kd_pool *pool, const kd_graph *graph, kd_sym sym) {
  const kd_sym_info *info = kd_sym_get(graph, sym);
  char shape[KD_SHAPE_TEXT];
  return kd_pool_printf(pool, "%%%d %s%s", sym, kd_dtype_name(info->dtype),
                        kd_shape_text(&info->shape, shape));
}

static const char *fed_text(kd_pool *pool, const kd_graph *graph, kd_sym sym) {
  static const char *const roles[] = {"node", "input", "weight", "value"};
  const kd_sym_info *info = kd_sym_get(graph, sym);
  return kd_pool_printf(pool, "%s = %s %d \"%s\"", tensor_text(pool, graph, sym), roles[info->role],
                        info->index, info->name);
}

static const char *node_text(kd_pool *pool, const kd_graph *graph, const kd_node *node) {
  const char *outputs = "", *inputs = "";
  for (int i = 0; i < node->n_outputs; i++)
    outputs =
        kd_pool_printf(pool, "%s%s%s", outputs, i ? ", " : "", tensor_text(pool, graph, node->output[i]));
  if (node->op == KD_OP_POINTWISE)
    return kd_pool_printf(pool, "%s = %s", outputs, kd_program_text(pool, node->attr, node->input));
  for (int i = 0; i < node->n_inputs; i++)
    inputs = kd_pool_printf(pool, "%s%s%%%d", inputs, i ? ", " : "", node->input[i]);
  int rank = node->n_inputs ? kd_sym_shape(graph, node->input[0])->rank : 0;
  return kd_pool_printf(pool, "%s = %s(%s)%s", outputs, kd_op_get(node->op)->name, inputs,
                        kd_attr_text(pool, node->op, node->attr, rank));
}

uint64_t kd_graph_hash(const kd_graph *graph) {
  uint64_t hash = 0;
  for (kd_sym sym = 0; sym < graph->n_syms; sym++) {
    const kd_sym_info *info = kd_sym_get(graph, sym);
    if (info->node >= 0 && info->out > 0) continue; /* said with the node's first output */
    kd_pool *scratch = kd_pool_create();
    const char *text =
        info->node < 0 ? fed_text(scratch, graph, sym) : node_text(scratch, graph, &graph->nodes[info->node]);
    hash = kd_hash_text(text, hash);
    kd_pool_destroy(scratch);
  }
  return hash;
}

/* One line: what is computed, then where it comes from. */
static const char *line_text(kd_pool *pool, const kd_graph *graph, kd_sym sym) {
  const kd_sym_info *info = kd_sym_get(graph, sym);
  if (info->node < 0) return kd_pool_printf(pool, "       %s\n", fed_text(pool, graph, sym));
  const kd_node *node = &graph->nodes[info->node];
  return kd_pool_printf(pool, "%5d  %s  [%s%s]\n", info->node, node_text(pool, graph, node), node->scope,
                        node->backward ? ", backward" : "");
}

const char *kd_graph_text(const kd_graph *graph, kd_pool *pool) {
  kd_pool *scratch = kd_pool_create();
  const char **lines = kd_pool_alloc(scratch, (size_t)graph->n_syms + 1, sizeof *lines);
  size_t length = 0, at = 0;
  int count = 0;
  for (kd_sym sym = 0; sym < graph->n_syms; sym++) {
    if (kd_sym_get(graph, sym)->out > 0) continue;
    lines[count] = line_text(scratch, graph, sym);
    length += strlen(lines[count++]);
  }
  char *text = kd_pool_alloc(pool, length + 1, 1);
  for (int i = 0; i < count; i++) {
    size_t bytes = strlen(lines[i]);
    memcpy(text + at, lines[i], bytes);
    at += bytes;
  }
  kd_pool_destroy(scratch);
  return text;
}
