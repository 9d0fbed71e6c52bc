/* The fixed binary tree that orders every sum over micro-shards or ranks. Pure functions, no ranks needed.
 *
 * The tree over leaves [0, V): a node of n > 1 leaves has the largest power of two below n on its left and
 * the rest on its right; its value is left + right in float32. Each rank owns a contiguous block of leaves
 * and sums the largest nodes that lie in its block ("partial sums", in leaf order): at most about 2 log2 V.
 * The partial sums of all ranks are then joined along the same tree, so the root has the same bits for
 * any number of ranks. */
#ifndef KD_COMM_TREE_H
#define KD_COMM_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "device/base/memory.h"

/* Most leaves, and the most entries of a combine program's stack. */
enum { KD_TREE_LEAVES = 4096, KD_TREE_DEPTH = 14 };

/* The block [begin, end) of leaves of one rank: V split as evenly as possible, larger blocks first. */
int kd_tree_begin(int n_leaves, int size, int rank);

/* One step of summing a rank's own leaves, as they come in leaf order. Slot s is a buffer. */
typedef struct kd_tree_step {
  enum { KD_TREE_COPY, KD_TREE_ADD, KD_TREE_JOIN } kind;
  int into; /* slot: COPY slot = leaf; ADD slot += leaf; JOIN slot += slot `from` */
  int from;
} kd_tree_step;

/* What one rank does with its leaves. Steps first[i] .. first[i + 1] - 1 follow leaf begin + i; after the
 * last leaf, slots 0 .. n_partials - 1 hold the partial sums. n_slots >= n_partials buffers are needed, the
 * fewest possible for leaves that come in order. */
typedef struct kd_tree_program {
  int n_leaves;   /* V of the whole tree */
  int begin, end; /* this rank's leaves */
  int n_partials, n_slots;
  const int *first;
  const kd_tree_step *steps;
} kd_tree_program;

/* The program of `rank` among `size` ranks; 1 <= n_leaves <= KD_TREE_LEAVES else KD_ERR_USAGE. The program
 * lives in the pool. */
kd_status kd_tree_local(kd_pool *pool, int n_leaves, int size, int rank, kd_tree_program *program);

/* Does the steps of `leaf` (begin <= leaf < end, each once, in order) on floats [from, to): the leaf's floats
 * are leaf_values[from .. to), slot s is slots[s * stride + from .. ). leaf_values may be slot 0 itself when
 * the program has one leaf (then nothing is copied). */
void kd_tree_accumulate(const kd_tree_program *program, int leaf, const float *leaf_values, float *slots,
                        int64_t stride, int64_t from, int64_t to);

/* A combine program joins partial sums of several sources. It is a stack machine; read in order. */
typedef struct kd_tree_op {
  /* push the input; top += the input; pop b, pop a, push a + b; pop output number `partial` */
  enum { KD_TREE_PUSH, KD_TREE_PLUS, KD_TREE_FOLD, KD_TREE_OUT } kind;
  int group, partial; /* of the input */
} kd_tree_op;

typedef struct kd_tree_combine {
  int n_ops;
  int n_outputs; /* partial sums produced */
  const kd_tree_op *ops;
} kd_tree_combine;

/* owner[leaf] is the group that holds the leaf. The number of partial sums (largest nodes) of `group`. */
int kd_tree_partials(int n_leaves, const int *owner, int group);
/* Joins the partial sums of the groups in `owner` to those of the larger groups in `into` (each group of
 * `owner` lies in one group of `into`), for group `target` of `into`. Its inputs are (group of owner, number
 * of the partial sum in it). With into all equal the single output is the root. Lives in the pool. */
void kd_tree_join(kd_pool *pool, int n_leaves, const int *owner, const int *into, int target,
                  kd_tree_combine *combine);

#endif
