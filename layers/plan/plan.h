/* A plan: the flat list of launches that one pass runs.
 *
 * compile: drop what no bound tensor needs, fuse, bind kernels (prepare), lay out memory (lifetimes -> one
 * arena), bind addresses. run: walk the list; nothing is allocated, looked up or formatted. */
#ifndef KD_PLAN_H
#define KD_PLAN_H

#include "device/backend.h"
#include "layers/graph/graph.h"

typedef struct kd_plan kd_plan;

/* Gives a tensor storage outside the arena. Every fed tensor (INPUT, WEIGHT, VALUE) that is used must be
 * bound; a bound computed tensor is a result of the plan. The memory belongs to the caller.
 *
 * A result may be bound over the memory of a fed tensor, as new weights over the old: it is written when
 * nobody reads the old content any more, in place or by a copy. Results must not overlap one another, and a
 * cycle of such moves (a swap of two tensors) is refused: KD_ERR_INTERNAL. Bindings of tensors that nothing
 * needs are ignored. */
typedef struct kd_binding {
  kd_sym sym;
  void *address; /* device memory; 64-byte alignment wished, 4-byte needed */
} kd_binding;

/* Called between two launches when all results of mark `mark` are written. Fails the run when it fails. */
typedef kd_status (*kd_mark_fn)(void *context, int mark);

/* What the backward pass computes again instead of keeping it: nothing; results that cost memory traffic
 * only; everything within pieces of the forward pass. */
typedef enum kd_recompute { KD_RECOMPUTE_NONE, KD_RECOMPUTE_ACTIVATIONS, KD_RECOMPUTE_ALL } kd_recompute;

typedef struct kd_plan_spec {
  const kd_graph *graph;
  kd_device *device;
  int n_bindings;
  const kd_binding *bindings;
  /* Marks: tensor mark_sym[i] belongs to mark mark_id[i] (0 .. n_mark_ids-1). Each mark fires once a run, as
   * soon as its last tensor is written, in the order in which they become ready. */
  int n_marks, n_mark_ids;
  const kd_sym *mark_sym;
  const int *mark_id;
  kd_mark_fn on_mark;
  void *mark_context;
  kd_recompute recompute; /* bits stay the same */
  bool no_fusion;         /* tests: fused = unfused; nothing is computed again */
  bool poison;            /* tests: dead arena ranges are filled with NaN */
  bool
      repeats; /* marks may fire at the end of a run: where the device can record launches, it repeats them */
  bool dry;    /* only measure: nothing large is allocated, the plan cannot run */
} kd_plan_spec;

kd_status kd_plan_compile(const kd_plan_spec *spec, kd_plan **plan);
void kd_plan_destroy(kd_plan *plan);
/* Runs all launches. weights_version: any number that changes when weights do; kernels' own copies of weights
 * are renewed when it differs from the last run's. */
kd_status kd_plan_run(kd_plan *plan, uint64_t weights_version);
/* The same launch by launch, also where the device could repeat them: marks fire among the launches. */
kd_status kd_plan_run_marked(kd_plan *plan, uint64_t weights_version);

/* The launches of one op in the order in which they run: sizes receives the elements of the first output of
 * at most `room` of them. Returns how many there are. */
int kd_plan_op_sizes(const kd_plan *plan, kd_op op, int room, int64_t *sizes);

typedef struct kd_plan_stats {
  size_t arena_bytes, workspace_bytes, state_bytes;
  int n_launches, n_slow;
  double flops; /* multiply-adds counted twice, of matmul and conv launches */
} kd_plan_stats;
kd_plan_stats kd_plan_get_stats(const kd_plan *plan);
/* Listing of launches: op, scope, shapes, implementation note, offsets. In the pool. */
const char *kd_plan_text(const kd_plan *plan, kd_pool *pool);
/* Names of scopes whose convolutions or products fell to slow code, "conv1, conv2"; NULL when none. */
const char *kd_plan_slow_scopes(const kd_plan *plan, kd_pool *pool);

/* --- pure parts, tested alone --- */

/* Memory of intervals: block i lives from step first[i] to last[i] (inclusive). Gives 64-byte-aligned offsets
 * such that blocks alive together do not overlap; returns the bytes of the arena. Best fit, largest first. */
size_t kd_lifetime_plan(int count, const size_t *bytes, const int *first, const int *last, size_t *offset);

/* Fusion: a new graph computing the same bound tensors with chains of pointwise work merged and library
 * epilogues matched, and what `recompute` asks for. sym_map[old] is the new name of each kept tensor,
 * KD_NO_SYM else. `keep` marks the tensors that must stay. */
kd_graph *kd_fuse(const kd_graph *graph, const bool *keep, kd_recompute recompute, kd_sym *sym_map);

#endif
