/* What the files of a plan share: the laid-out steps (layout.c), and the plan itself (compile.c, run.c). */
#ifndef KD_PLAN_INTERNAL_H
#define KD_PLAN_INTERNAL_H

#include "layers/plan/plan.h"

/* One step of the list: a node, or a copy of a tensor to an address that no kernel may write directly. */
typedef struct kd_step {
  int node;    /* -1: a copy */
  kd_sym from; /* copy: the tensor */
  void *to;    /* copy: the bound address */
} kd_step;

/* Where every tensor of a graph lives. Tensors that are views of one another share the storage of their root.
 * Arrays named "per root" are indexed by a tensor's number and hold values for roots only. */
typedef struct kd_layout {
  const kd_graph *graph;
  kd_pool *pool; /* owns all arrays */
  kd_sym *root;  /* per tensor */
  bool *bound;   /* per root: has an address outside the arena */
  void **address;
  int n_steps;
  kd_step *steps;
  int *written, *last_read; /* per root: numbers of steps; -1 for fed tensors, and when nothing reads */
  int *ready;               /* per tensor: the step after which it and all its bound copies are written */
  int *block;               /* per root: number of its arena block, or -1 */
  int n_blocks;
  size_t *block_bytes, *block_offset;
  int *block_first, *block_last;
  size_t arena_bytes;
} kd_layout;

/* bindings: symbols of `graph`. keep: tensors that live to the end of the run though nothing binds them. */
kd_status kd_layout_make(kd_layout *layout, const kd_graph *graph, int n_bindings, const kd_binding *bindings,
                         const bool *keep);
size_t kd_sym_bytes(const kd_graph *graph, kd_sym sym);

/* Parts of kd_layout_make, in this order: gives bound tensors their addresses and adds copies where a result
 * cannot be written in its place; finds when tensors are ready, fails when a step would read overwritten
 * memory. */
kd_status kd_layout_bind(kd_layout *layout, int n_bindings, const kd_binding *bindings);
kd_status kd_layout_check(kd_layout *layout, int n_bindings, const kd_binding *bindings);
/* True when the node may write output over the memory of `root`, one of its inputs. */
bool kd_layout_in_place(const kd_layout *layout, const kd_node *node, kd_sym root, kd_sym output);

typedef struct kd_fire {
  int after; /* number of the launch; n_launches: at the end */
  int mark;
} kd_fire;

struct kd_plan {
  kd_pool *pool;
  kd_graph *graph; /* pruned and fused */
  kd_layout layout;
  kd_device *device;
  bool dry, poison;
  bool repeats;   /* to be recorded after some runs */
  int n_runs;     /* until then */
  void *recorded; /* the device's record of all launches; NULL: none yet */
  int n_launches;
  int n_prepared;
  kd_launch *launches; /* one per step of the layout */
  const kd_kernel **kernels;
  void *arena, *workspace, *state;
  size_t workspace_bytes, state_bytes;
  int n_fires;
  kd_fire *fires; /* in order of time */
  kd_mark_fn on_mark;
  void *mark_context;
  bool fresh; /* kernels have seen the weights of weights_version */
  uint64_t weights_version;
};

/* Fills the arena, the workspace or a dead block with NaN bytes (poison.c). */
kd_status kd_plan_poison_start(kd_plan *plan);
kd_status kd_plan_poison_dead(kd_plan *plan, int launch);

/* The label of the layer that a launch works for, never NULL. */
const char *kd_plan_scope(const kd_plan *plan, int launch);

#endif
