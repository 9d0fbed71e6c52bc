/* Einstein sums of two tensors: "abc,cd->abd", with "..." for any number of axes in front or at the end. */
#ifndef KD_EINSUM_H
#define KD_EINSUM_H

#include "layers/kinds/kinds.h"

/* An equation for operands of known rank: one label per axis; axes under "..." have labels 0, 1, ... */
typedef struct kd_einsum {
  char x[KD_MAX_RANK + 1], w[KD_MAX_RANK + 1], y[KD_MAX_RANK + 1];
  int elided;       /* axes under "..." */
  bool elided_left; /* else at the end */
} kd_einsum;

/* Reads the equation for a first operand with x_rank axes. Fails with the equation in the text: another form,
 * a label twice in one operand, a result label that no operand has, a label of the second operand alone, too
 * many axes. */
kd_status kd_einsum_read(const char *equation, int x_rank, kd_einsum *einsum);

/* The axis of a label in "abc", or -1. */
int kd_einsum_axis(const char *labels, char label);

/* The sum by transpositions and one matrix product. Errors are the graph's. */
kd_sym kd_einsum_apply(kd_graph *graph, const kd_einsum *einsum, kd_sym x, kd_sym w);

#endif
