#include "layers/plan/fuse.h"

#include <string.h>

kd_graph *kd_fuse(const kd_graph *graph, const bool *keep, kd_sym *sym_map) {
  size_t n_syms = (size_t)graph->n_syms;
  kd_graph *first = kd_fuse_epilogues(graph, keep, sym_map);
  bool *first_keep = kd_calloc((size_t)first->n_syms, sizeof *first_keep);
  for (size_t s = 0; s < n_syms; s++)
    if (keep[s] && sym_map[s] != KD_NO_SYM) first_keep[sym_map[s]] = true;
  kd_sym *second_map = kd_calloc((size_t)first->n_syms, sizeof *second_map);
  kd_graph *second = kd_fuse_pointwise(first, first_keep, second_map);
  for (size_t s = 0; s < n_syms; s++)
    if (sym_map[s] != KD_NO_SYM) sym_map[s] = second_map[sym_map[s]];
  if (first->status != KD_OK && second->status == KD_OK) {
    second->status = first->status;
    second->failure = kd_pool_strdup(second->pool, first->failure);
  }
  kd_free(second_map);
  kd_free(first_keep);
  kd_graph_destroy(first);
  return second;
}
