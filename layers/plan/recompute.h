/* Which results of the forward pass are computed again in the backward pass instead of being kept. */
#ifndef KD_PLAN_RECOMPUTE_H
#define KD_PLAN_RECOMPUTE_H

#include "layers/plan/plan.h"

/* A pass of fusion (fuse.h): the backward part computes again what the choice names. Bits stay, since the
 * same primitives work on the same operands. */
kd_graph *kd_recompute_activations(const kd_graph *graph, const bool *keep, kd_sym *map);
kd_graph *kd_recompute_all(const kd_graph *graph, const bool *keep, kd_sym *map);

/* The forward pass as the choices see it (recompute_choice.c). Arrays are per tensor; those named "per root"
 * hold values for tensors that are no views. */
typedef struct kd_forward {
  const kd_graph *graph;
  int n_nodes; /* the first node of the backward pass */
  kd_sym *root;
  size_t *bytes;   /* per root; 0: fed, bound, or too small to matter */
  int *last_read;  /* per root: by a forward node; -1: by none */
  bool *read_back; /* per root: a node of the backward pass reads it */
} kd_forward;

/* Marks in `again` (per root, false before) what is computed again.
 *
 * activations: what costs no product and few bytes, in the order of Keras's RematScope(mode="activations").
 * all: everything but what passes from one piece of the forward pass to the next; pieces are cut where little
 * passes, so that the pieces' inputs and the largest piece together are small (Chen et al., "Training deep
 * nets with sublinear memory cost", 2016). The last piece is kept: the backward pass begins with it. */
void kd_recompute_choose_activations(const kd_forward *forward, bool *again);
void kd_recompute_choose_all(const kd_forward *forward, bool *again);

#endif
