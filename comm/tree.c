#include "comm/tree.h"

#include "comm/sum.h"

int kd_tree_begin(int n_leaves, int size, int rank) {
  int base = n_leaves / size, extra = n_leaves % size;
  return rank * base + (rank < extra ? rank : extra);
}

/* Leaves of the left child of a node of n > 1 leaves: the largest power of two below n. */
static int left_leaves(int n) {
  int left = 1;
  while (2 * left < n) left *= 2;
  return left;
}

/* The group that owns all leaves of the node, or -1 when there are several. */
static int sole_owner(const int *owner, int low, int n) {
  for (int i = 1; i < n; i++)
    if (owner[low + i] != owner[low]) return -1;
  return owner[low];
}

static int count_partials(const int *owner, int low, int n, int group) {
  int sole = sole_owner(owner, low, n);
  if (sole >= 0) return sole == group;
  int left = left_leaves(n);
  return count_partials(owner, low, left, group) + count_partials(owner, low + left, n - left, group);
}

int kd_tree_partials(int n_leaves, const int *owner, int group) {
  return count_partials(owner, 0, n_leaves, group);
}

/* --- a rank's own leaves --- */

typedef struct local_build {
  kd_tree_program *program;
  kd_tree_step *steps;
  int *first;
  int n_steps;
} local_build;

static void add_step(local_build *build, int kind, int into, int from) {
  kd_tree_step *step = &build->steps[build->n_steps++];
  step->kind = kind;
  step->into = into;
  step->from = from;
  if (into >= build->program->n_slots) build->program->n_slots = into + 1;
}

static void add_leaf(local_build *build, int leaf, int kind, int slot) {
  build->first[leaf - build->program->begin] = build->n_steps;
  add_step(build, kind, slot, 0);
}

/* Sums a node into `slot`; a right child that is one leaf is added without a buffer of its own. */
static void sum_node(local_build *build, int low, int n, int slot) {
  if (n == 1) {
    add_leaf(build, low, KD_TREE_COPY, slot);
    return;
  }
  int left = left_leaves(n);
  sum_node(build, low, left, slot);
  if (n - left == 1) {
    add_leaf(build, low + left, KD_TREE_ADD, slot);
  } else {
    sum_node(build, low + left, n - left, slot + 1);
    add_step(build, KD_TREE_JOIN, slot, slot + 1);
  }
}

static void sum_block(local_build *build, int low, int n) {
  int begin = build->program->begin, end = build->program->end;
  if (low + n <= begin || low >= end) return;
  if (low >= begin && low + n <= end) {
    sum_node(build, low, n, build->program->n_partials++);
    return;
  }
  int left = left_leaves(n);
  sum_block(build, low, left);
  sum_block(build, low + left, n - left);
}

kd_status kd_tree_local(kd_pool *pool, int n_leaves, int size, int rank, kd_tree_program *program) {
  KD_CHECK(n_leaves >= 1 && n_leaves <= KD_TREE_LEAVES, KD_ERR_USAGE,
           "%d micro-shards: between 1 and %d are possible", n_leaves, KD_TREE_LEAVES);
  KD_CHECK(size >= 1 && rank >= 0 && rank < size, KD_ERR_INTERNAL, "rank %d of %d ranks", rank, size);
  *program = (kd_tree_program){.n_leaves = n_leaves,
                               .begin = kd_tree_begin(n_leaves, size, rank),
                               .end = kd_tree_begin(n_leaves, size, rank + 1)};
  int own = program->end - program->begin;
  local_build build = {.program = program,
                       .steps = kd_pool_alloc(pool, (size_t)(2 * own + 1), sizeof(kd_tree_step)),
                       .first = kd_pool_alloc(pool, (size_t)own + 1, sizeof(int))};
  if (own) sum_block(&build, 0, n_leaves);
  build.first[own] = build.n_steps;
  program->steps = build.steps;
  program->first = build.first;
  return KD_OK;
}

void kd_tree_accumulate(const kd_tree_program *program, int leaf, const float *leaf_values, float *slots,
                        int64_t stride, int64_t from, int64_t to) {
  int index = leaf - program->begin;
  const float *leaf_part = leaf_values + from;
  for (int s = program->first[index]; s < program->first[index + 1]; s++) {
    const kd_tree_step *step = &program->steps[s];
    float *into = slots + step->into * stride + from;
    switch (step->kind) {
    case KD_TREE_COPY:
      kd_sum_copy(into, leaf_part, to - from);
      break;
    case KD_TREE_ADD:
      kd_sum_add(into, into, leaf_part, to - from);
      break;
    case KD_TREE_JOIN:
      kd_sum_add(into, into, slots + step->from * stride + from, to - from);
      break;
    }
  }
}

/* --- the partial sums of several groups --- */

typedef struct join_build {
  kd_tree_combine *combine;
  kd_tree_op *ops;
  const int *owner, *into;
  int *next; /* by group of owner: number of its next partial sum */
  int target;
} join_build;

static void add_op(join_build *build, int kind, int group, int partial) {
  kd_tree_op *op = &build->ops[build->combine->n_ops++];
  op->kind = kind;
  op->group = group;
  op->partial = partial;
}

/* Puts the node's sum on the stack, or adds it to the top when it is a single input and plus is set. */
static void join_node(join_build *build, int low, int n, bool plus) {
  int group = sole_owner(build->owner, low, n);
  if (group >= 0) {
    add_op(build, plus ? KD_TREE_PLUS : KD_TREE_PUSH, group, build->next[group]++);
    return;
  }
  int left = left_leaves(n);
  join_node(build, low, left, false);
  join_node(build, low + left, n - left, true);
  if (plus) add_op(build, KD_TREE_FOLD, 0, 0);
}

static void join_block(join_build *build, int low, int n) {
  int large = sole_owner(build->into, low, n);
  if (large == build->target) {
    join_node(build, low, n, false);
    add_op(build, KD_TREE_OUT, 0, build->combine->n_outputs++);
    return;
  }
  if (large >= 0) return; /* no group of owner is in two groups of into: its inputs are not counted here */
  int left = left_leaves(n);
  join_block(build, low, left);
  join_block(build, low + left, n - left);
}

void kd_tree_join(kd_pool *pool, int n_leaves, const int *owner, const int *into, int target,
                  kd_tree_combine *combine) {
  int groups = 0;
  for (int i = 0; i < n_leaves; i++)
    if (owner[i] >= groups) groups = owner[i] + 1;
  *combine = (kd_tree_combine){0};
  join_build build = {.combine = combine,
                      .ops = kd_pool_alloc(pool, (size_t)(3 * n_leaves), sizeof(kd_tree_op)),
                      .next = kd_pool_alloc(pool, (size_t)groups, sizeof(int)),
                      .owner = owner,
                      .into = into,
                      .target = target};
  join_block(&build, 0, n_leaves);
  combine->ops = build.ops;
}
