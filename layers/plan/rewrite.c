#include "layers/plan/rewrite.h"

#include <string.h>

static bool *find_needed(const kd_graph *graph, const bool *keep) {
  bool *needed = kd_calloc((size_t)graph->n_nodes, sizeof *needed);
  bool *wanted = kd_calloc((size_t)graph->n_syms, sizeof *wanted);
  if (graph->n_syms) memcpy(wanted, keep, (size_t)graph->n_syms * sizeof *wanted);
  for (int n = graph->n_nodes - 1; n >= 0; n--) {
    const kd_node *node = &graph->nodes[n];
    for (int o = 0; o < node->n_outputs; o++) needed[n] |= wanted[node->output[o]];
    for (int i = 0; needed[n] && i < node->n_inputs; i++) wanted[node->input[i]] = true;
  }
  kd_free(wanted);
  return needed;
}

kd_rewrite kd_rewrite_begin(const kd_graph *from, const bool *keep, kd_sym *map) {
  kd_rewrite rewrite = {.from = from, .to = kd_graph_create(), .keep = keep, .map = map};
  rewrite.to->next_random = from->next_random;
  rewrite.needed = find_needed(from, keep);
  for (int s = 0; s < from->n_syms; s++) map[s] = KD_NO_SYM;
  return rewrite;
}

kd_sym kd_rewrite_sym(kd_rewrite *rewrite, kd_sym old) {
  if (rewrite->map[old] != KD_NO_SYM) return rewrite->map[old];
  const kd_sym_info *info = &rewrite->from->syms[old];
  kd_graph *to = rewrite->to;
  kd_sym made = KD_NO_SYM;
  switch (info->role) {
  case KD_ROLE_INPUT:
    made = kd_input(to, info->dtype, info->shape, info->index, info->name);
    break;
  case KD_ROLE_WEIGHT:
    made = kd_weight_sym(to, info->dtype, info->shape, info->index, info->name);
    break;
  case KD_ROLE_VALUE:
    made = kd_value_sym(to, info->dtype, info->shape, info->index, info->name);
    break;
  case KD_ROLE_NODE: {
    const kd_node *node = &rewrite->from->nodes[info->node];
    if (!kd_node_is_view(node))
      return kd_graph_fail(to, "plan: %s of layer '%s' is used before it is computed",
                           kd_op_get(node->op)->name, node->scope);
    kd_rewrite_copy(rewrite, node);
    return rewrite->map[old];
  }
  }
  rewrite->map[old] = made;
  return made;
}

void kd_rewrite_add(kd_rewrite *rewrite, const kd_node *old, kd_op op, const void *attr, int n_inputs,
                    const kd_sym *inputs, int n_outputs, const kd_sym *outputs) {
  kd_sym in[KD_MAX_INPUTS], out[KD_MAX_OUTPUTS];
  for (int i = 0; i < n_inputs; i++) in[i] = kd_rewrite_sym(rewrite, inputs[i]);
  kd_graph *to = rewrite->to;
  to->backward = old->backward;
  if (!to->scope || strcmp(to->scope, old->scope) != 0) kd_graph_scope(to, old->scope);
  for (int o = 0; o < KD_MAX_OUTPUTS; o++) out[o] = KD_NO_SYM;
  kd_append(to, op, attr, n_inputs, in, out);
  for (int o = 0; o < n_outputs; o++) rewrite->map[outputs[o]] = out[o];
}

void kd_rewrite_copy(kd_rewrite *rewrite, const kd_node *old) {
  kd_rewrite_add(rewrite, old, old->op, old->attr, old->n_inputs, old->input, old->n_outputs, old->output);
}

kd_graph *kd_rewrite_end(kd_rewrite *rewrite) {
  for (int s = 0; s < rewrite->from->n_syms; s++)
    if (rewrite->keep[s]) kd_rewrite_sym(rewrite, s);
  kd_free(rewrite->needed);
  return rewrite->to;
}

kd_graph *kd_prune(const kd_graph *graph, const bool *keep, kd_sym *map) {
  kd_rewrite rewrite = kd_rewrite_begin(graph, keep, map);
  for (int n = 0; n < graph->n_nodes; n++)
    if (rewrite.needed[n] && !kd_node_is_view(&graph->nodes[n])) kd_rewrite_copy(&rewrite, &graph->nodes[n]);
  return kd_rewrite_end(&rewrite);
}

kd_readers kd_readers_find(const kd_graph *graph, const bool *needed) {
  size_t n_syms = (size_t)graph->n_syms;
  kd_readers readers = {.start = kd_calloc(n_syms + 1, sizeof(int))};
  for (int n = 0; n < graph->n_nodes; n++)
    for (int i = 0; needed[n] && i < graph->nodes[n].n_inputs; i++)
      readers.start[graph->nodes[n].input[i] + 1]++;
  for (size_t s = 0; s < n_syms; s++) readers.start[s + 1] += readers.start[s];
  readers.node = kd_calloc((size_t)readers.start[n_syms], sizeof(int));
  int *next = kd_calloc(n_syms + 1, sizeof(int));
  memcpy(next, readers.start, (n_syms + 1) * sizeof(int));
  for (int n = 0; n < graph->n_nodes; n++)
    for (int i = 0; needed[n] && i < graph->nodes[n].n_inputs; i++)
      readers.node[next[graph->nodes[n].input[i]]++] = n;
  kd_free(next);
  return readers;
}

void kd_readers_free(kd_readers *readers) {
  kd_free(readers->start);
  kd_free(readers->node);
}

int kd_readers_count(const kd_readers *readers, kd_sym sym) {
  return readers->start[sym + 1] - readers->start[sym];
}
