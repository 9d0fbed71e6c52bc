/* The passes of fusion. Each gives a new graph and the new names of tensors, as kd_fuse. */
#ifndef KD_PLAN_FUSE_H
#define KD_PLAN_FUSE_H

#include "layers/plan/plan.h"

/* Bias and activation into matmul and convolution, relu into batch normalisation and its gradient. */
kd_graph *kd_fuse_epilogues(const kd_graph *graph, const bool *keep, kd_sym *map);
/* Whether the node is select(y, dy, 0), the gradient of y = relu(x) as layers/op/pointwise_step_grad.c writes
 * it. */
bool kd_match_relu_mask(const kd_node *node, kd_sym *y, kd_sym *dy);
/* relu's mask goes before the gradient of pooling. Behind the epilogues, as the next pass. */
kd_graph *kd_fuse_pool_masks(const kd_graph *graph, const bool *keep, kd_sym *map);
/* Batch normalisation with relu and its pooling into one, forward and backward. */
kd_graph *kd_fuse_norm_pools(const kd_graph *graph, const bool *keep, kd_sym *map);
/* Chains of pointwise nodes into programs. */
kd_graph *kd_fuse_pointwise(const kd_graph *graph, const bool *keep, kd_sym *map);

/* Groups of pointwise nodes that become one program (fuse_group.c). */
typedef struct kd_groups {
  int *leader; /* per node: the last member of its group, where the group runs; -1: not pointwise, or not
                  needed */
  int *next;   /* per node: the next member in the order of nodes, or -1 */
  int *head;   /* per leader: the first member */
} kd_groups;
kd_groups kd_groups_find(const kd_graph *graph, const bool *keep, const bool *needed, const bool *repeat,
                         int *operand);
void kd_groups_free(kd_groups *groups);

#endif
