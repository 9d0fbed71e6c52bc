/* The cut into buckets: against trying every cut. */
#include "comm/bucket.h"
#include "support/check.h"

enum { MOST = 12 };

typedef struct problem {
  int n;
  int64_t size[MOST];
  double ready[MOST];
  kd_bucket_cost cost;
  int64_t limit_bytes;
} problem;

/* Finish time of the cut whose bucket ends are the set bits of `mask` (and the last tensor). */
static double finish_of(const problem *p, unsigned mask, int *buckets) {
  double finish = 0;
  int64_t floats = 0;
  *buckets = 0;
  for (int i = 0; i < p->n; i++) {
    floats += p->size[i];
    if (i + 1 < p->n && !(mask >> i & 1)) continue;
    double bytes = 4.0 * (double)floats, pieces = 1;
    while (p->limit_bytes && bytes / pieces > (double)p->limit_bytes) pieces++;
    if (finish < p->ready[i]) finish = p->ready[i];
    finish += pieces * p->cost.latency + bytes / p->cost.bytes_per_second;
    floats = 0;
    ++*buckets;
  }
  return finish;
}

static double random_unit(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(*state >> 11) / (double)(1ull << 53);
}

static problem random_problem(uint64_t *state) {
  problem p = {.n = 1 + (int)(random_unit(state) * MOST)};
  double t = 0;
  for (int i = 0; i < p.n; i++) {
    p.size[i] = 1 + (int64_t)(random_unit(state) * random_unit(state) * 1e6);
    t += random_unit(state) * 2e-3;
    p.ready[i] = t;
  }
  p.cost = (kd_bucket_cost){.latency = random_unit(state) * 1e-3,
                            .bytes_per_second = 1e8 + random_unit(state) * 1e10};
  if (random_unit(state) < 0.5) p.limit_bytes = 64 * (int64_t)(1000 + random_unit(state) * 50000);
  return p;
}

static void check_cover(const kd_buckets *b, int64_t total, int64_t limit_bytes) {
  int64_t at = 0;
  for (int k = 0; k < b->count; k++) {
    assert_int_equal(b->begin[k], at);
    assert_true(b->end[k] > b->begin[k]);
    if (limit_bytes) assert_true(4 * (b->end[k] - b->begin[k]) <= limit_bytes);
    at = b->end[k];
  }
  assert_int_equal(at, total);
}

static void test_best_of_all_cuts(void **state) {
  (void)state;
  uint64_t seed = 7;
  for (int round = 0; round < 400; round++) {
    problem p = random_problem(&seed);
    double best = 1e30;
    int fewest = MOST + 1, count;
    for (unsigned mask = 0; mask < 1u << (p.n - 1); mask++) {
      double f = finish_of(&p, mask, &count);
      if (f < best * (1 - 1e-12))
        best = f, fewest = count;
      else if (f <= best * (1 + 1e-12) && count < fewest)
        fewest = count;
    }
    kd_pool *pool = kd_pool_create();
    kd_buckets b;
    int64_t total = 0;
    for (int i = 0; i < p.n; i++) total += p.size[i];
    assert_ok(kd_bucket_plan(pool, p.n, p.size, p.ready, p.cost, p.limit_bytes, &b));
    if (b.finish < best * (1 - 1e-9) || b.finish > best * (1 + 1e-9))
      fail_msg("round %d: %g s, the best cut takes %g s", round, b.finish, best);
    check_cover(&b, total, p.limit_bytes);
    if (p.limit_bytes == 0) assert_int_equal(b.count, fewest);
    kd_pool_destroy(pool);
  }
}

/* What cannot hide is the last bucket: with time enough before it, it holds the last tensor alone. */
static void test_last_bucket_is_small(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  int64_t sizes[] = {1000000, 1000000, 1000000, 1000000};
  double ready[] = {0.1, 0.2, 0.3, 0.4};
  kd_buckets b;
  assert_ok(kd_bucket_plan(pool, 4, sizes, ready, (kd_bucket_cost){1e-4, 1e9}, 0, &b));
  assert_int_equal(b.count, 2);
  assert_int_equal(b.begin[1], 3000000);
  kd_pool_destroy(pool);
}

static void test_limit_splits_a_tensor(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  int64_t sizes[] = {100, 5000000, 7};
  kd_buckets b;
  assert_ok(kd_bucket_plan(pool, 3, sizes, NULL, (kd_bucket_cost){1e-5, 1e10}, 4 << 20, &b));
  check_cover(&b, 5000107, 4 << 20);
  assert_true(b.count >= 5 && b.count <= 8);
  kd_pool_destroy(pool);
}

static void test_many_and_none(void **state) {
  (void)state;
  enum { MANY = 3000 };
  kd_pool *pool = kd_pool_create();
  int64_t *sizes = kd_pool_alloc(pool, MANY, sizeof *sizes), total = 0;
  for (int i = 0; i < MANY; i++) total += sizes[i] = i % 7 == 0 ? 0 : 100 * (i % 50);
  kd_buckets b;
  assert_ok(kd_bucket_plan(pool, MANY, sizes, NULL, (kd_bucket_cost){1e-5, 1e9}, 1 << 20, &b));
  check_cover(&b, total, 1 << 20);
  assert_ok(kd_bucket_plan(pool, 0, NULL, NULL, (kd_bucket_cost){1e-5, 1e9}, 0, &b));
  assert_int_equal(b.count, 0);
  assert_ok(kd_bucket_plan(pool, 1, (int64_t[]){0}, NULL, (kd_bucket_cost){1e-5, 1e9}, 0, &b));
  assert_int_equal(b.count, 0);
  assert_fails(kd_bucket_plan(pool, 1, sizes, NULL, (kd_bucket_cost){1e-5, 1e9}, 100, &b), KD_ERR_USAGE,
               "limit");
  kd_pool_destroy(pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_best_of_all_cuts),
      cmocka_unit_test(test_last_bucket_is_small),
      cmocka_unit_test(test_limit_splits_a_tensor),
      cmocka_unit_test(test_many_and_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
