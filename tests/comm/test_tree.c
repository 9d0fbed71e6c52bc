/* The tree of sums: against a direct recursion in plain C, for every split over ranks and hosts. */
#include "comm/sum.h"
#include "comm/tree.h"
#include "support/check.h"

enum { WIDTH = 3000, MOST_LEAVES = 40, STRIDE = WIDTH };

static float leaf_values[MOST_LEAVES][WIDTH];

static void fill(void) {
  uint64_t state = 1;
  for (int i = 0; i < MOST_LEAVES; i++)
    for (int j = 0; j < WIDTH; j++) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      /* Of very different sizes, so that another order of additions has other bits. */
      leaf_values[i][j] = ((float)(state >> 40) / (1 << 24) - 0.5f) * (float)(1 << (state >> 10 & 15));
    }
}

/* The definition, as directly as it can be written. */
static float tree_sum(int low, int n, int j) {
  if (n == 1) return leaf_values[low][j];
  int left = 1;
  while (left * 2 < n) left *= 2;
  return tree_sum(low, left, j) + tree_sum(low + left, n - left, j);
}

static float *slots_of_rank(kd_pool *pool, int n_leaves, int size, int rank, int *n_partials) {
  kd_tree_program program;
  assert_ok(kd_tree_local(pool, n_leaves, size, rank, &program));
  *n_partials = program.n_partials;
  float *slots = kd_pool_alloc(pool, (size_t)(program.n_slots + 1) * STRIDE, sizeof(float));
  for (int leaf = program.begin; leaf < program.end; leaf++) {
    kd_tree_accumulate(&program, leaf, leaf_values[leaf], slots, STRIDE, 0, 1000);
    kd_tree_accumulate(&program, leaf, leaf_values[leaf], slots, STRIDE, 1000, WIDTH);
  }
  return slots;
}

/* Joins the partial sums `from` (by group of owner) to those of groups of `into`. */
static void join(kd_pool *pool, int n_leaves, const int *owner, const int *into, int target, float **from,
                 float *to, int n_copies, int expected) {
  kd_tree_combine combine;
  kd_tree_join(pool, n_leaves, owner, into, target, &combine);
  assert_int_equal(combine.n_outputs, expected);
  const float **inputs = kd_pool_alloc(pool, (size_t)combine.n_ops + 1, sizeof *inputs);
  float **outputs = kd_pool_alloc(pool, (size_t)(combine.n_outputs * n_copies) + 1, sizeof *outputs);
  for (int i = 0; i < combine.n_ops; i++)
    inputs[i] = from[combine.ops[i].group] + combine.ops[i].partial * STRIDE;
  for (int o = 0; o < combine.n_outputs * n_copies; o++) outputs[o] = to + o * STRIDE;
  kd_sum_combine(&combine, inputs, outputs, n_copies, WIDTH);
}

/* Ranks are dealt to hosts by `host_of(rank)`; two levels of joining, as the transports do. */
static void check_split(int n_leaves, int size, int n_hosts, bool round_robin) {
  kd_pool *pool = kd_pool_create();
  float *rank_sums[16], *host_sums[16], result[WIDTH];
  int owner[MOST_LEAVES], host[MOST_LEAVES], all[MOST_LEAVES] = {0};
  for (int r = 0; r < size; r++)
    for (int i = kd_tree_begin(n_leaves, size, r); i < kd_tree_begin(n_leaves, size, r + 1); i++) {
      owner[i] = r;
      host[i] = round_robin ? r % n_hosts : r * n_hosts / size;
    }
  for (int r = 0; r < size; r++) {
    int partials;
    rank_sums[r] = slots_of_rank(pool, n_leaves, size, r, &partials);
    assert_int_equal(partials, kd_tree_partials(n_leaves, owner, r));
  }
  assert_int_equal(kd_tree_begin(n_leaves, size, size), n_leaves);
  for (int h = 0; h < n_hosts; h++) {
    int partials = kd_tree_partials(n_leaves, host, h);
    host_sums[h] = kd_pool_alloc(pool, (size_t)(partials + 1) * STRIDE, sizeof(float));
    join(pool, n_leaves, owner, host, h, rank_sums, host_sums[h], 1, partials);
  }
  join(pool, n_leaves, host, all, 0, host_sums, result, 1, 1);
  for (int j = 0; j < WIDTH; j++)
    if (result[j] != tree_sum(0, n_leaves, j))
      fail_msg("%d leaves, %d ranks, %d hosts: float %d differs", n_leaves, size, n_hosts, j);
  kd_pool_destroy(pool);
}

static void test_same_bits(void **state) {
  (void)state;
  static const int sizes[] = {1, 2, 3, 4, 5, 7, 8};
  for (int v = 1; v <= 17; v++)
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) check_split(v, sizes[s], 1, false);
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) check_split(MOST_LEAVES, sizes[s], 1, false);
}

static void test_same_bits_over_hosts(void **state) {
  (void)state;
  for (int v = 1; v <= 16; v += 3)
    for (int hosts = 2; hosts <= 4; hosts++) {
      check_split(v, 8, hosts, false);
      check_split(v, 7, hosts, true);
    }
}

/* The order matters: were the check blind to it, it would prove nothing. */
static void test_other_order_has_other_bits(void **state) {
  (void)state;
  int different = 0;
  for (int j = 0; j < WIDTH; j++) {
    float chain = leaf_values[0][j];
    for (int i = 1; i < 8; i++) chain += leaf_values[i][j];
    different += chain != tree_sum(0, 8, j);
  }
  assert_true(different > WIDTH / 10);
}

static void test_few_buffers(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  kd_tree_program program;
  assert_ok(kd_tree_local(pool, 16, 1, 0, &program));
  assert_int_equal(program.n_partials, 1);
  assert_int_equal(program.n_slots, 4); /* a binary counter: 8 + 4 + 2 pending, and the next pair */
  assert_ok(kd_tree_local(pool, 8, 8, 5, &program));
  assert_int_equal(program.n_slots, 1);
  assert_ok(kd_tree_local(pool, 2, 4, 3, &program)); /* more ranks than leaves */
  assert_int_equal(program.n_partials, 0);
  assert_int_equal(program.begin, program.end);
  assert_ok(kd_tree_local(pool, 7, 2, 1, &program)); /* leaves 4, 5, 6: one node of the tree over 7 */
  assert_int_equal(program.begin, 4);
  assert_int_equal(program.n_partials, 1);
  for (int v = 1; v <= 64; v++)
    for (int size = 1; size <= 9; size++)
      for (int r = 0; r < size; r++) {
        assert_ok(kd_tree_local(pool, v, size, r, &program));
        assert_true(program.n_slots >= program.n_partials && program.n_slots <= 12);
      }
  kd_pool_destroy(pool);
}

/* The gradient may be written straight into slot 0 when a rank has one leaf. */
static void test_leaf_in_place(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  kd_tree_program program;
  float slot[WIDTH];
  memcpy(slot, leaf_values[3], sizeof slot);
  assert_ok(kd_tree_local(pool, 4, 4, 3, &program));
  kd_tree_accumulate(&program, 3, slot, slot, STRIDE, 0, WIDTH);
  assert_memory_equal(slot, leaf_values[3], sizeof slot);
  kd_pool_destroy(pool);
}

static void test_limits(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  kd_tree_program program;
  assert_fails(kd_tree_local(pool, 0, 1, 0, &program), KD_ERR_USAGE, "0 micro-shards");
  assert_fails(kd_tree_local(pool, KD_TREE_LEAVES + 1, 1, 0, &program), KD_ERR_USAGE, "micro-shards");
  assert_ok(kd_tree_local(pool, KD_TREE_LEAVES, 1, 0, &program));
  assert_true(program.n_slots < KD_TREE_DEPTH);
  kd_pool_destroy(pool);
}

int main(void) {
  fill();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_same_bits),
      cmocka_unit_test(test_same_bits_over_hosts),
      cmocka_unit_test(test_other_order_has_other_bits),
      cmocka_unit_test(test_few_buffers),
      cmocka_unit_test(test_leaf_in_place),
      cmocka_unit_test(test_limits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
