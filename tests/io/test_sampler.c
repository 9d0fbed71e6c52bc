// ctest: timeout=60
#include "io/sampler.h"

#include <math.h>

#include "support/check.h"

static void assert_bijection(int64_t count, int64_t chunk, int64_t epoch) {
  kd_sampler sampler;
  kd_sampler_start(&sampler, count, true, chunk, 7, epoch);
  unsigned char *seen = kd_calloc((size_t)count, 1);
  for (int64_t i = 0; i < count; i++) {
    int64_t at = kd_sampler_at(&sampler, i);
    if (at < 0 || at >= count || seen[at]++)
      fail_msg("count %lld, chunk %lld: position %lld gives %lld", (long long)count, (long long)chunk,
               (long long)i, (long long)at);
  }
  kd_free(seen);
}

static void every_sample_comes_once(void **state) {
  (void)state;
  for (int64_t count = 1; count <= 300; count++) assert_bijection(count, 0, count);
  static const int64_t sizes[] = {1023, 1024, 1025, 4095, 4097, 60000, 65536, 65537, 1000003};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) assert_bijection(sizes[i], 0, 3);
}

static void every_sample_comes_once_by_chunks(void **state) {
  (void)state;
  for (int64_t count = 1; count <= 130; count++)
    for (int64_t chunk = 1; chunk <= 40; chunk += 3) assert_bijection(count, chunk, count + chunk);
  assert_bijection(100003, 64, 1);
}

static void file_order_without_shuffle(void **state) {
  (void)state;
  kd_sampler sampler;
  kd_sampler_start(&sampler, 100, false, 8, 1, 1);
  for (int64_t i = 0; i < 100; i++) assert_int_equal(kd_sampler_at(&sampler, i), i);
}

/* Fixed points of a random permutation: one is expected. Neighbours that stay neighbours: one or two. */
static void epochs_and_seeds_differ(void **state) {
  (void)state;
  enum { COUNT = 5000 };
  kd_sampler a, b, c, again;
  kd_sampler_start(&a, COUNT, true, 0, 7, 0);
  kd_sampler_start(&b, COUNT, true, 0, 7, 1);
  kd_sampler_start(&c, COUNT, true, 0, 8, 0);
  kd_sampler_start(&again, COUNT, true, 0, 7, 0);
  int equal_b = 0, equal_c = 0, fixed = 0, neighbours = 0;
  for (int64_t i = 0; i < COUNT; i++) {
    int64_t at = kd_sampler_at(&a, i);
    equal_b += at == kd_sampler_at(&b, i);
    equal_c += at == kd_sampler_at(&c, i);
    fixed += at == i;
    neighbours += i > 0 && at == kd_sampler_at(&a, i - 1) + 1;
    assert_int_equal(at, kd_sampler_at(&again, i));
  }
  assert_in_range(equal_b, 0, 10);
  assert_in_range(equal_c, 0, 10);
  assert_in_range(fixed, 0, 10);
  assert_in_range(neighbours, 0, 10);
}

/* Chi-square of "which sample stands at which position" over many epochs. With n*n cells and margins fixed,
 * (n-1)^2 degrees of freedom; a deviation of 6 standard deviations (sqrt(2 dof)) is a failure. */
static void assert_uniform(int count, int64_t chunk) {
  enum { EPOCHS = 20000, MOST = 24 };
  static int cell[MOST][MOST];
  memset(cell, 0, sizeof cell);
  for (int epoch = 0; epoch < EPOCHS; epoch++) {
    kd_sampler sampler;
    kd_sampler_start(&sampler, count, true, chunk, 42, epoch);
    for (int i = 0; i < count; i++) cell[i][kd_sampler_at(&sampler, i)]++;
  }
  double expected = (double)EPOCHS / count, chi = 0;
  for (int i = 0; i < count; i++)
    for (int j = 0; j < count; j++) chi += (cell[i][j] - expected) * (cell[i][j] - expected) / expected;
  double freedom = (count - 1.0) * (count - 1.0);
  if (fabs(chi - freedom) > 6 * sqrt(2 * freedom) + 3)
    fail_msg("count %d: chi-square %.1f at %.0f degrees of freedom", count, chi, freedom);
}

static void positions_are_uniform(void **state) {
  (void)state;
  static const int counts[] = {2, 3, 5, 8, 17, 24};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) assert_uniform(counts[i], 0);
  assert_uniform(24, 4);
}

/* Consecutive positions stay in one chunk until it is used up; the order of chunks is not the file's. */
static void chunks_are_used_up_one_by_one(void **state) {
  (void)state;
  enum { COUNT = 1003, CHUNK = 50, CHUNKS = 21 };
  kd_sampler sampler;
  kd_sampler_start(&sampler, COUNT, true, CHUNK, 5, 2);
  int64_t order[CHUNKS], used = 0, last = -1, in_order = 0;
  for (int64_t i = 0; i < COUNT; i++) {
    int64_t chunk = kd_sampler_at(&sampler, i) / CHUNK;
    if (chunk == last) continue;
    assert_in_range(used, 0, CHUNKS - 1);
    order[used++] = last = chunk;
  }
  assert_int_equal(used, CHUNKS);
  for (int i = 0; i < CHUNKS; i++) in_order += order[i] == i;
  assert_in_range(in_order, 0, 6);
}

static void very_large_counts_work(void **state) {
  (void)state;
  kd_sampler sampler;
  int64_t count = (int64_t)1 << 60;
  kd_sampler_start(&sampler, count, true, 0, 1, 1);
  for (int64_t i = 0; i < 1000; i++) {
    int64_t at = kd_sampler_at(&sampler, count - 1 - i);
    assert_true(at >= 0 && at < count);
  }
}

static void splits_are_balanced_and_complete(void **state) {
  (void)state;
  for (int64_t rows = 0; rows < 40; rows++)
    for (int parts = 1; parts < 9; parts++) {
      int64_t next = 0;
      for (int part = 0; part < parts; part++) {
        int64_t begin, end;
        kd_split(rows, parts, part, &begin, &end);
        assert_int_equal(begin, next);
        assert_int_equal(end - begin, rows / parts + (part < rows % parts));
        next = end;
      }
      assert_int_equal(next, rows);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_sample_comes_once),    cmocka_unit_test(every_sample_comes_once_by_chunks),
      cmocka_unit_test(file_order_without_shuffle), cmocka_unit_test(epochs_and_seeds_differ),
      cmocka_unit_test(positions_are_uniform),      cmocka_unit_test(chunks_are_used_up_one_by_one),
      cmocka_unit_test(very_large_counts_work),     cmocka_unit_test(splits_are_balanced_and_complete),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
