/* Sets of rows and what is moved by them, against plain loops over an array of truths. */
#include <stdlib.h>
#include <string.h>

#include "device/base/rng.h"
#include "support/check.h"
#include "trainer/row_set.h"

enum { MOST = 400, WIDTH = 3, RANKS = 5 };

static const int64_t sizes[] = {1, 2, 24, 63, 64, 65, 128, 129, 399};
static const int shares[] = {0, 1, 10, 50, 99, 100}; /* percent of the rows */

/* The set of a given share, and the same as truths. */
static kd_row_set made(int64_t rows, int share, uint64_t seed, uint64_t *bits, bool *truth) {
  kd_row_set set = {rows, bits};
  float counts[MOST] = {0};
  for (int64_t i = 0; i < rows; i++) {
    truth[i] = kd_philox_block((uint64_t)i, seed, 1).v[0] % 100 < (uint32_t)share;
    counts[i] = truth[i] ? (float)(i + 1) : 0;
  }
  kd_row_set_scan(&set, counts);
  return set;
}

static void check_walk(const kd_row_set *set, const bool *truth) {
  int64_t count = 0, next = 0, before = -1;
  for (int64_t row = 0; row < set->rows; row++) {
    assert_true(kd_row_set_has(set, row) == truth[row]);
    assert_true(kd_row_set_before(set, row) == before);
    for (next = row; next < set->rows && !truth[next]; next++) continue;
    assert_true(kd_row_set_next(set, row) == next);
    if (truth[row]) before = row;
    count += truth[row];
  }
  assert_true(kd_row_set_before(set, set->rows) == before);
  assert_true(kd_row_set_next(set, set->rows) == set->rows);
  assert_true(kd_row_set_count(set) == count);
}

static void each_case(void (*check)(int64_t rows, int share, uint64_t seed)) {
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (size_t k = 0; k < sizeof shares / sizeof *shares; k++) check(sizes[i], shares[k], i * 100 + k);
}

static void check_sets(int64_t rows, int share, uint64_t seed) {
  uint64_t bits[MOST / 64 + 1], other_bits[MOST / 64 + 1];
  bool truth[MOST], other_truth[MOST];
  kd_row_set set = made(rows, share, seed, bits, truth);
  check_walk(&set, truth);
  kd_row_set other = made(rows, 20, seed + 1000, other_bits, other_truth);
  kd_row_set_join(&set, &other);
  for (int64_t i = 0; i < rows; i++) truth[i] |= other_truth[i];
  check_walk(&set, truth);
  kd_row_set_fill(&set);
  memset(truth, true, sizeof truth);
  check_walk(&set, truth);
  kd_row_set_clear(&set);
  memset(truth, false, sizeof truth);
  check_walk(&set, truth);
}

static void sets(void **state) {
  (void)state;
  each_case(check_sets);
}

/* The sum of the flags of all ranks, of whom a few have the same rows, and all have row 0. */
static void check_flags(int64_t rows, int share, uint64_t seed) {
  static const int ranks[] = {1, 2, 3, 4, 7, 8, 100, 4095, 4096};
  for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
    float sum[MOST] = {0}, flags[MOST];
    uint64_t bits[MOST / 64 + 1];
    bool truth[MOST], any[MOST] = {false};
    int64_t floats = kd_row_flags_floats(rows, ranks[i]);
    assert_true(floats >= 1 && floats <= rows);
    for (int rank = 0; rank < ranks[i]; rank++) {
      bool some = rank < 3 || rank == ranks[i] - 1;
      kd_row_set set = made(rows, some ? share : 0, seed + (uint64_t)rank, bits, truth);
      set.bits[0] |= 1;
      truth[0] = true;
      kd_row_flags_write(&set, ranks[i], flags);
      for (int64_t k = 0; k < floats; k++) sum[k] += flags[k];
      for (int64_t k = 0; k < rows; k++) any[k] |= truth[k];
    }
    kd_row_set all = {rows, bits};
    kd_row_flags_read(&all, ranks[i], sum);
    check_walk(&all, any);
  }
}

static void flags(void **state) {
  (void)state;
  each_case(check_flags);
}

static float value(int64_t i, uint64_t seed) {
  return (float)(kd_philox_block((uint64_t)i, seed, 3).v[0] % 1000) + 1;
}

/* Rows of several ranks, each packed by the rows of all, summed at the front and unpacked. */
static void check_moves(int64_t rows, int share, uint64_t seed) {
  static float table[RANKS][MOST * WIDTH], expected[MOST * WIDTH];
  uint64_t bits[RANKS][MOST / 64 + 1], all_bits[MOST / 64 + 1] = {0};
  bool truth[MOST];
  kd_row_set held[RANKS], all = {rows, all_bits};
  memset(expected, 0, sizeof expected);
  for (int rank = 0; rank < RANKS; rank++) {
    held[rank] = made(rows, share, seed + (uint64_t)rank, bits[rank], truth);
    kd_row_set_join(&all, &held[rank]);
    for (int64_t i = 0; i < rows * WIDTH; i++) {
      table[rank][i] = truth[i / WIDTH] ? value(i, (uint64_t)rank) : 0;
      expected[i] += table[rank][i];
      if (!truth[i / WIDTH] && rank > 0) table[rank][i] = -1e30f; /* does not count */
    }
  }
  for (int rank = 0; rank < RANKS; rank++) kd_rows_pack(table[rank], &all, &held[rank], WIDTH);
  for (int64_t i = 0, n = kd_row_set_count(&all) * WIDTH; i < n; i++)
    for (int rank = 1; rank < RANKS; rank++) table[0][i] += table[rank][i];
  kd_rows_unpack(table[0], &all, WIDTH);
  for (int64_t i = 0; i < rows * WIDTH; i++) /* rank 0 had zeros elsewhere, and has them again */
    if (table[0][i] != expected[i])
      fail_msg("%lld rows, %d %%: number %lld", (long long)rows, share, (long long)i);
  kd_rows_clear(table[0], &all, WIDTH);
  for (int64_t i = 0; i < rows * WIDTH; i++) assert_true(table[0][i] == 0);
}

static void moves(void **state) {
  (void)state;
  each_case(check_moves);
}

static void check_sums(int64_t rows, int share, uint64_t seed) {
  static float to[MOST * WIDTH], from[MOST * WIDTH];
  uint64_t bits[MOST / 64 + 1], more[MOST / 64 + 1];
  bool held_truth[MOST], truth[MOST];
  kd_row_set held = made(rows, share, seed, bits, held_truth);
  kd_row_set added = made(rows, 30, seed + 7, more, truth);
  for (int64_t i = 0; i < rows * WIDTH; i++) {
    to[i] = held_truth[i / WIDTH] ? value(i, 1) : -1e30f;
    from[i] = truth[i / WIDTH] ? value(i, 2) : -1e30f;
  }
  kd_rows_add(to, &held, from, &added, WIDTH);
  for (int64_t i = 0; i < rows * WIDTH; i++) {
    bool had = held_truth[i / WIDTH], has = truth[i / WIDTH];
    float expected = had || has ? (had ? value(i, 1) : 0) + (has ? value(i, 2) : 0) : -1e30f;
    assert_true(to[i] == expected);
  }
  for (int64_t i = 0; i < rows; i++) truth[i] |= held_truth[i];
  check_walk(&held, truth);
}

static void sums(void **state) {
  (void)state;
  each_case(check_sums);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(sets), cmocka_unit_test(flags), cmocka_unit_test(moves),
                                     cmocka_unit_test(sums)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
