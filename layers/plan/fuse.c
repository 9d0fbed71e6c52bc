#include "layers/plan/fuse.h"

#include <string.h>

typedef kd_graph *fuse_pass(const kd_graph *graph, const bool *keep, kd_sym *map);

static fuse_pass *const passes[] = {kd_fuse_epilogues, kd_fuse_pool_masks, kd_fuse_norm_pools,
                                    kd_fuse_pointwise};
enum { N_PASSES = sizeof passes / sizeof *passes };

/* The kept tensors under the names of the next graph. */
static bool *keep_in(const kd_graph *next, int n_syms, const bool *keep, const kd_sym *map) {
  bool *kept = kd_calloc((size_t)next->n_syms + 1, sizeof *kept);
  for (int s = 0; s < n_syms; s++)
    if (keep[s] && map[s] != KD_NO_SYM) kept[map[s]] = true;
  return kept;
}

static void pass_on_failure(const kd_graph *from, kd_graph *to) {
  if (from->status == KD_OK || to->status != KD_OK) return;
  to->status = from->status;
  to->failure = kd_pool_strdup(to->pool, from->failure);
}

kd_graph *kd_fuse(const kd_graph *graph, const bool *keep, kd_sym *sym_map) {
  kd_graph *present = passes[0](graph, keep, sym_map);
  for (int i = 1; i < N_PASSES; i++) {
    bool *kept = keep_in(present, graph->n_syms, keep, sym_map);
    kd_sym *map = kd_calloc((size_t)present->n_syms + 1, sizeof *map);
    kd_graph *next = passes[i](present, kept, map);
    for (int s = 0; s < graph->n_syms; s++)
      if (sym_map[s] != KD_NO_SYM) sym_map[s] = map[sym_map[s]];
    pass_on_failure(present, next);
    kd_free(map);
    kd_free(kept);
    kd_graph_destroy(present);
    present = next;
  }
  return present;
}
