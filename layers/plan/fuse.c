#include "layers/plan/fuse.h"

#include "layers/plan/recompute.h"

typedef kd_graph *fuse_pass(const kd_graph *graph, const bool *keep, kd_sym *map);

/* Patterns of neighbours first, for they decide what the backward pass reads; then what it computes again;
 * then chains, which take the copies in. */
static fuse_pass *const patterns[] = {kd_fuse_epilogues, kd_fuse_pool_masks, kd_fuse_norm_pools};
enum { N_PATTERNS = sizeof patterns / sizeof *patterns };

static fuse_pass *const recomputing[] = {
    [KD_RECOMPUTE_ACTIVATIONS] = kd_recompute_activations, [KD_RECOMPUTE_ALL] = kd_recompute_all};

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

/* Puts the pass's graph in the place of *graph, and its names into map. */
static void apply(fuse_pass *pass, kd_graph **graph, int n_syms, const bool *keep, kd_sym *map) {
  kd_graph *present = *graph;
  bool *kept = keep_in(present, n_syms, keep, map);
  kd_sym *step = kd_calloc((size_t)present->n_syms + 1, sizeof *step);
  *graph = pass(present, kept, step);
  for (int s = 0; s < n_syms; s++)
    if (map[s] != KD_NO_SYM) map[s] = step[map[s]];
  pass_on_failure(present, *graph);
  kd_free(step);
  kd_free(kept);
  kd_graph_destroy(present);
}

kd_graph *kd_fuse(const kd_graph *graph, const bool *keep, kd_recompute recompute, kd_sym *sym_map) {
  kd_graph *present = patterns[0](graph, keep, sym_map);
  for (int i = 1; i < N_PATTERNS; i++) apply(patterns[i], &present, graph->n_syms, keep, sym_map);
  if (recompute) apply(recomputing[recompute], &present, graph->n_syms, keep, sym_map);
  apply(kd_fuse_pointwise, &present, graph->n_syms, keep, sym_map);
  return present;
}
