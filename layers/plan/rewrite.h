/* Copies of graphs with changes: what pruning and the passes of fusion share.
 *
 * A rewrite reads one graph and writes another. Nodes are put into the new graph in any valid order; fed
 * tensors and views follow by themselves when something uses them, so a view stands right before its first
 * use. */
#ifndef KD_PLAN_REWRITE_H
#define KD_PLAN_REWRITE_H

#include "layers/graph/graph.h"

typedef struct kd_rewrite {
  const kd_graph *from;
  kd_graph *to;
  const bool *keep; /* per tensor of `from`: must exist in `to` */
  bool *needed;     /* per node of `from`: some kept tensor depends on it */
  kd_sym *map;      /* per tensor of `from`: its name in `to`; owned by the caller */
} kd_rewrite;

/* map has room for from->n_syms entries. */
kd_rewrite kd_rewrite_begin(const kd_graph *from, const bool *keep, kd_sym *map);
/* The new name of an old tensor; adds fed tensors and views that are not there yet. */
kd_sym kd_rewrite_sym(kd_rewrite *rewrite, kd_sym old);
/* Adds a node of the old node's scope. inputs and outputs are old names. */
void kd_rewrite_add(kd_rewrite *rewrite, const kd_node *old, kd_op op, const void *attr, int n_inputs,
                    const kd_sym *inputs, int n_outputs, const kd_sym *outputs);
/* Adds the old node as it is. */
void kd_rewrite_copy(kd_rewrite *rewrite, const kd_node *old);
/* Names the kept tensors, frees what begin made, gives the new graph. */
kd_graph *kd_rewrite_end(kd_rewrite *rewrite);

/* The graph without the nodes that no kept tensor needs. */
kd_graph *kd_prune(const kd_graph *graph, const bool *keep, kd_sym *map);

/* Who reads a tensor, in the order of nodes. Only needed nodes count; a node that reads twice counts twice.
 */
typedef struct kd_readers {
  int *start; /* per tensor; [n_syms] is the end */
  int *node;
} kd_readers;
kd_readers kd_readers_find(const kd_graph *graph, const bool *needed);
void kd_readers_free(kd_readers *readers);
int kd_readers_count(const kd_readers *readers, kd_sym sym);

static inline bool kd_node_is_view(const kd_node *node) {
  return (kd_op_get(node->op)->flags & KD_OP_VIEW) != 0;
}

#endif
