/* Vectorised element-wise sums, and the evaluation of a combine program (tree.h) block by block. */
#ifndef KD_COMM_SUM_H
#define KD_COMM_SUM_H

#include "comm/tree.h"

/* to = a + b; `to` may be a or b. */
void kd_sum_add(float *to, const float *a, const float *b, int64_t count);
/* Nothing when both are the same memory. */
void kd_sum_copy(float *to, const float *from, int64_t count);

/* Evaluates `combine` for `count` elements. inputs[i] is the first element of the input of op i (unused for
 * FOLD and OUT). Output o is written to outputs[o * n_copies + c] for all c < n_copies. With a single output
 * these may be inputs: each block of elements is read by all ops before it is written. */
void kd_sum_combine(const kd_tree_combine *combine, const float *const *inputs, float *const *outputs,
                    int n_copies, int64_t count);

#endif
