#include "layers/plan/plan.h"
#include "layers/plan/rewrite.h"

kd_graph *kd_fuse(const kd_graph *graph, const bool *keep, kd_sym *sym_map) {
  return kd_prune(graph, keep, sym_map);
}
