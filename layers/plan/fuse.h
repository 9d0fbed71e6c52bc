/* The passes of fusion. Each gives a new graph and the new names of tensors, as kd_fuse. */
#ifndef KD_PLAN_FUSE_H
#define KD_PLAN_FUSE_H

#include "layers/plan/plan.h"

/* Bias and activation into matmul and convolution, relu into batch normalisation and its gradient. */
kd_graph *kd_fuse_epilogues(const kd_graph *graph, const bool *keep, kd_sym *map);
/* Chains of pointwise nodes into programs. */
kd_graph *kd_fuse_pointwise(const kd_graph *graph, const bool *keep, kd_sym *map);

/* Groups of pointwise nodes that become one program (fuse_group.c). */
typedef struct kd_groups {
  int *leader; /* per node: the last member of its group, where the group runs; -1: not pointwise, or not
                  needed */
  int *next;   /* per node: the next member in the order of nodes, or -1 */
  int *head;   /* per leader: the first member */
} kd_groups;
kd_groups kd_groups_find(const kd_graph *graph, const bool *keep, const bool *needed, const bool *draw,
                         int *operand);
void kd_groups_free(kd_groups *groups);

#endif
