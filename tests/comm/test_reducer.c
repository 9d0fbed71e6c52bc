// ctest: ranks=1,2,3,4 timeout=90
/* Sums over ranks: against plain MPI_Allreduce (rounding) and against the tree in plain C (bits). The
 * transport is what KDIST_TRANSPORT says; test_transports.sh runs this program with all of them. */
#include <math.h>

#include "comm/reducer.h"
#include "support/mpi_unit.h"

enum { FLOATS = 300007, BUCKETS = 5, MOST_LEAVES = 16 };

static const int64_t bucket_begin[BUCKETS] = {0, 1, 17, 5000, 150001};
static const int64_t bucket_end[BUCKETS] = {1, 17, 5000, 150001, FLOATS};

/* Of very different sizes, so that another order of additions has other bits. */
static float value(int leaf, int64_t i, int round) {
  uint64_t x = (uint64_t)leaf * 0x9E3779B97F4A7C15u + (uint64_t)i * 0xC2B2AE3D27D4EB4Fu + (uint64_t)round;
  x ^= x >> 29;
  x *= 0xBF58476D1CE4E5B9u;
  x ^= x >> 32;
  return ((float)(x & 0xffffff) / (1 << 24) - 0.5f) * (float)(1 << (x >> 40 & 15));
}

static float tree_value(int low, int n, int64_t i, int round) {
  if (n == 1) return value(low, i, round);
  int left = 1;
  while (left * 2 < n) left *= 2;
  return tree_value(low, left, i, round) + tree_value(low + left, n - left, i, round);
}

static void post_all(kd_reducer *reducer) {
  static const int order[BUCKETS] = {4, 0, 3, 1, 2};
  for (int i = 0; i < BUCKETS; i++) kd_reducer_post(reducer, order[i]);
}

static kd_reduce_spec spec_of(int n_leaves, int64_t stride) {
  return (kd_reduce_spec){
      .n_buckets = BUCKETS, .begin = bucket_begin, .end = bucket_end, .n_leaves = n_leaves, .stride = stride};
}

static bool equals_tree(const float *memory, int n_leaves, int round) {
  for (int64_t i = 0; i < FLOATS; i++)
    if (memory[i] != tree_value(0, n_leaves, i, round)) return false;
  return true;
}

static void test_ranks(void **state) {
  (void)state;
  void *memory;
  kd_reducer *reducer;
  kd_reduce_spec spec = spec_of(0, 0);
  assert_ok(kd_comm_alloc_reduce(unit_comm, FLOATS * sizeof(float), &memory));
  assert_ok(kd_reducer_create(unit_comm, memory, &spec, &reducer));
  float *gradient = memory, *by_mpi = kd_calloc(FLOATS, sizeof(float));
  assert_int_equal((uintptr_t)memory % KD_ALIGNMENT, 0);
  for (int round = 0; round < 4; round++) {
    for (int64_t i = 0; i < FLOATS; i++) by_mpi[i] = gradient[i] = value(unit_comm->rank, i, round);
    if (unit_comm->size > 1) PMPI_Allreduce(MPI_IN_PLACE, by_mpi, FLOATS, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    post_all(reducer);
    assert_ok(kd_reducer_wait(reducer));
    double worst = 0;
    for (int64_t i = 0; i < FLOATS; i++) worst = fmax(worst, fabs((double)gradient[i] - (double)by_mpi[i]));
    assert_all(worst < 0.05);
    assert_all(equals_tree(gradient, unit_comm->size, round));
  }
  assert_ok(kd_reducer_wait(reducer)); /* nothing posted */
  double exposed, busy;
  kd_reducer_times(reducer, &exposed, &busy);
  assert_true(exposed > 0 && busy >= 0);
  kd_reducer_destroy(reducer);
  kd_comm_free_reduce(unit_comm, memory);
  kd_free(by_mpi);
}

/* One optimizer step's worth of work with micro-shards, as the trainer does it. */
static void reduce_leaves(int n_leaves, int rounds) {
  kd_pool *pool = kd_pool_create();
  kd_tree_program program;
  int64_t stride = (FLOATS + 15) / 16 * 16;
  assert_ok(kd_tree_local(pool, n_leaves, unit_comm->size, unit_comm->rank, &program));
  int64_t slots = -program.n_slots;
  assert_ok(kd_comm_reduce_i64(unit_comm, KD_COMM_MIN, &slots, 1));
  void *memory;
  kd_reducer *reducer;
  kd_reduce_spec spec = spec_of(n_leaves, stride);
  assert_ok(kd_comm_alloc_reduce(unit_comm, (size_t)(-slots * stride) * sizeof(float), &memory));
  assert_ok(kd_reducer_create(unit_comm, memory, &spec, &reducer));
  float *leaf_values = kd_calloc(FLOATS, sizeof(float));
  for (int round = 0; round < rounds; round++) {
    for (int leaf = program.begin; leaf < program.end; leaf++) {
      for (int64_t i = 0; i < FLOATS; i++) leaf_values[i] = value(leaf, i, round);
      for (int b = 0; b < BUCKETS; b++)
        kd_tree_accumulate(&program, leaf, leaf_values, memory, stride, bucket_begin[b], bucket_end[b]);
    }
    post_all(reducer);
    assert_ok(kd_reducer_wait(reducer));
    assert_all(equals_tree(memory, n_leaves, round));
  }
  kd_free(leaf_values);
  kd_reducer_destroy(reducer);
  kd_comm_free_reduce(unit_comm, memory);
  kd_pool_destroy(pool);
}

static void test_leaves(void **state) {
  (void)state;
  static const int leaves[] = {1, 2, 3, 5, 6, 7, 8, MOST_LEAVES};
  for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) reduce_leaves(leaves[i], 2);
}

/* Larger than one segment of the exchange between hosts. */
static void test_long_bucket(void **state) {
  (void)state;
  enum { LONG = 1500001 };
  static const int64_t begin[] = {0}, end[] = {LONG};
  kd_reduce_spec spec = {.n_buckets = 1, .begin = begin, .end = end};
  void *memory;
  kd_reducer *reducer;
  assert_ok(kd_comm_alloc_reduce(unit_comm, LONG * sizeof(float), &memory));
  assert_ok(kd_reducer_create(unit_comm, memory, &spec, &reducer));
  float *gradient = memory;
  for (int64_t i = 0; i < LONG; i++) gradient[i] = value(unit_comm->rank, i, 9);
  kd_reducer_post(reducer, 0);
  assert_ok(kd_reducer_wait(reducer));
  bool right = true;
  for (int64_t i = 0; i < LONG; i++) right = right && gradient[i] == tree_value(0, unit_comm->size, i, 9);
  assert_all(right);
  kd_reducer_destroy(reducer);
  kd_comm_free_reduce(unit_comm, memory);
}

/* Many short steps: the hand-over between the thread and wait. */
static void test_many_steps(void **state) {
  (void)state;
  enum { SMALL = 4096, STEPS = 2000 };
  static const int64_t begin[] = {0, 100, 2000}, end[] = {100, 2000, SMALL};
  kd_reduce_spec spec = {.n_buckets = 3, .begin = begin, .end = end};
  void *memory;
  kd_reducer *reducer;
  assert_ok(kd_comm_alloc_reduce(unit_comm, SMALL * sizeof(float), &memory));
  assert_ok(kd_reducer_create(unit_comm, memory, &spec, &reducer));
  float *gradient = memory, expected = (float)(unit_comm->size * (unit_comm->size + 1) / 2);
  bool right = true;
  for (int step = 0; step < STEPS; step++) {
    for (int b = 0; b < 3; b++) {
      for (int64_t i = begin[b]; i < end[b]; i++) gradient[i] = (float)(unit_comm->rank + 1);
      kd_reducer_post(reducer, b);
    }
    assert_ok(kd_reducer_wait(reducer));
    for (int i = 0; i < SMALL; i++) right = right && gradient[i] == expected;
  }
  assert_all(right);
  kd_reducer_destroy(reducer);
  kd_comm_free_reduce(unit_comm, memory);
}

/* Two reducers over one memory, as training and evaluation have. */
static void test_two_reducers(void **state) {
  (void)state;
  static const int64_t begin[] = {0, 64}, end[] = {64, 128};
  kd_reduce_spec all = {.n_buckets = 2, .begin = begin, .end = end};
  kd_reduce_spec tail = {.n_buckets = 1, .begin = begin + 1, .end = end + 1};
  void *memory;
  kd_reducer *first, *second;
  assert_ok(kd_comm_alloc_reduce(unit_comm, 128 * sizeof(float), &memory));
  assert_ok(kd_reducer_create(unit_comm, memory, &all, &first));
  assert_ok(kd_reducer_create(unit_comm, memory, &tail, &second));
  float *gradient = memory;
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < 128; i++) gradient[i] = 1;
    kd_reducer_post(first, 0);
    kd_reducer_post(first, 1);
    assert_ok(kd_reducer_wait(first));
    kd_reducer_post(second, 0);
    assert_ok(kd_reducer_wait(second));
    int n = unit_comm->size;
    assert_all(gradient[0] == (float)n && gradient[63] == (float)n && gradient[64] == (float)(n * n));
  }
  kd_reducer_destroy(second);
  kd_reducer_destroy(first);
  kd_comm_free_reduce(unit_comm, memory);
}

/* Of a bucket whose length changes only the numbers at its front are summed. */
static void test_shorter_buckets(void **state) {
  (void)state;
  enum { LENGTH = 5000 };
  static const int64_t begin[] = {0, 100}, end[] = {100, LENGTH};
  static const int64_t lengths[] = {1, 0, 17, LENGTH - 100, 1000};
  kd_reduce_spec spec = {.n_buckets = 2, .n_late = 1, .begin = begin, .end = end};
  void *memory;
  kd_reducer *reducer;
  assert_ok(kd_comm_alloc_reduce(unit_comm, LENGTH * sizeof(float), &memory));
  assert_ok(kd_reducer_create(unit_comm, memory, &spec, &reducer));
  float *gradient = memory, n = (float)unit_comm->size;
  for (int round = 0; round < 50; round++) {
    int64_t length = lengths[round % 5];
    for (int i = 0; i < LENGTH; i++) gradient[i] = 1;
    kd_reducer_post(reducer, 0);
    assert_ok(kd_reducer_wait(reducer)); /* the length is known then */
    kd_reducer_shorten(reducer, 1, length);
    kd_reducer_post(reducer, 1);
    assert_ok(kd_reducer_wait(reducer));
    bool right = true;
    for (int i = 0; i < LENGTH; i++) right = right && gradient[i] == (i < 100 + length ? n : 1);
    assert_all(right);
  }
  kd_reducer_destroy(reducer);
  kd_comm_free_reduce(unit_comm, memory);
}

static void test_specs_are_checked(void **state) {
  (void)state;
  int64_t begin[] = {0}, end[] = {64};
  kd_reduce_spec spec = {.n_buckets = 1, .begin = begin, .end = end};
  void *memory;
  kd_reducer *reducer;
  assert_ok(kd_comm_alloc_reduce(unit_comm, 64 * sizeof(float), &memory));
  end[0] = 65;
  assert_fails(kd_reducer_create(unit_comm, memory, &spec, &reducer), KD_ERR_INTERNAL, "do not fit");
  end[0] = unit_comm->rank == 0 ? 64 : 48;
  if (unit_comm->size > 1)
    assert_fails(kd_reducer_create(unit_comm, memory, &spec, &reducer), KD_ERR_USAGE, "rank 1 @ ");
  kd_comm_free_reduce(unit_comm, memory);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_ranks),
    cmocka_unit_test(test_leaves),
    cmocka_unit_test(test_long_bucket),
    cmocka_unit_test(test_many_steps),
    cmocka_unit_test(test_two_reducers),
    cmocka_unit_test(test_shorter_buckets),
    cmocka_unit_test(test_specs_are_checked),
};

KD_MPI_UNIT_MAIN(tests, 80)
