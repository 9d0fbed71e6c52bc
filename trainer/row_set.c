#include "trainer/row_set.h"

#include <string.h>

#include "comm/sum.h"

/* Most words are empty: their counts are looked at together. */
static bool all_zero(const float counts[static 64]) {
  uint32_t words[64], any = 0;
  memcpy(words, counts, sizeof words);
  for (int i = 0; i < 64; i++) any |= words[i];
  return any == 0;
}

void kd_row_set_scan(kd_row_set *set, const float *counts) {
  kd_row_set_clear(set);
  for (int64_t begin = 0; begin < set->rows; begin += 64) {
    int64_t n = set->rows - begin < 64 ? set->rows - begin : 64;
    if (n == 64 && all_zero(counts + begin)) continue;
    for (int64_t i = 0; i < n; i++) set->bits[begin / 64] |= (uint64_t)(counts[begin + i] != 0) << i;
  }
}

void kd_row_set_clear(kd_row_set *set) {
  memset(set->bits, 0, (size_t)kd_row_set_words(set->rows) * sizeof *set->bits);
}

void kd_row_set_fill(kd_row_set *set) {
  memset(set->bits, 0xff, (size_t)kd_row_set_words(set->rows) * sizeof *set->bits);
  if (set->rows % 64) set->bits[set->rows / 64] = ~UINT64_C(0) >> (64 - set->rows % 64);
}

void kd_row_set_join(kd_row_set *into, const kd_row_set *from) {
  for (int64_t w = 0, n = kd_row_set_words(into->rows); w < n; w++) into->bits[w] |= from->bits[w];
}

int64_t kd_row_set_count(const kd_row_set *set) {
  int64_t count = 0;
  for (int64_t w = 0, n = kd_row_set_words(set->rows); w < n; w++)
    count += __builtin_popcountll(set->bits[w]);
  return count;
}

/* --- flags --- */

enum { EXACT_BITS = 24 }; /* of whole numbers in a float */

/* A row's counter has as many bits as the number of ranks. */
static int counter_bits(int ranks) {
  int bits = 1;
  while (ranks >> bits) bits++;
  return bits;
}

static int64_t rows_of_float(int ranks) {
  return EXACT_BITS / counter_bits(ranks);
}

int64_t kd_row_flags_floats(int64_t rows, int ranks) {
  return (rows + rows_of_float(ranks) - 1) / rows_of_float(ranks);
}

void kd_row_flags_write(const kd_row_set *set, int ranks, float *flags) {
  int64_t together = rows_of_float(ranks);
  memset(flags, 0, (size_t)kd_row_flags_floats(set->rows, ranks) * sizeof *flags);
  for (int64_t row = kd_row_set_next(set, 0); row < set->rows; row = kd_row_set_next(set, row + 1))
    flags[row / together] += (float)(UINT32_C(1) << row % together * counter_bits(ranks));
}

void kd_row_flags_read(kd_row_set *set, int ranks, const float *flags) {
  int64_t together = rows_of_float(ranks);
  int bits = counter_bits(ranks);
  kd_row_set_clear(set);
  for (int64_t i = 0, n = kd_row_flags_floats(set->rows, ranks); i < n; i++) {
    int64_t row = i * together;
    for (uint32_t counters = (uint32_t)flags[i]; counters; counters >>= bits, row++)
      if (counters & ((UINT32_C(1) << bits) - 1)) set->bits[row / 64] |= UINT64_C(1) << row % 64;
  }
}

/* --- rows --- */

static void move_row(float *to, const float *from, int64_t width) {
  if (to != from) memcpy(to, from, (size_t)width * sizeof *to);
}

static void clear_row(float *row, int64_t width) {
  memset(row, 0, (size_t)width * sizeof *row);
}

/* A sum of rows begins at 0, so none of its numbers is -0, and 0 + x is x bit for bit. */
void kd_rows_add(float *to, kd_row_set *held, const float *from, const kd_row_set *added, int64_t width) {
  for (int64_t row = kd_row_set_next(added, 0); row < added->rows; row = kd_row_set_next(added, row + 1)) {
    int64_t at = row * width;
    if (kd_row_set_has(held, row))
      kd_sum_add(to + at, to + at, from + at, width);
    else
      move_row(to + at, from + at, width);
  }
  kd_row_set_join(held, added);
}

/* No row moves behind its place, so none is overwritten before it has moved. */
void kd_rows_pack(float *table, const kd_row_set *all, const kd_row_set *held, int64_t width) {
  float *to = table;
  for (int64_t row = kd_row_set_next(all, 0); row < all->rows; row = kd_row_set_next(all, row + 1)) {
    if (kd_row_set_has(held, row))
      move_row(to, table + row * width, width);
    else
      clear_row(to, width);
    to += width;
  }
}

void kd_rows_unpack(float *table, const kd_row_set *all, int64_t width) {
  float *from = table + kd_row_set_count(all) * width;
  for (int64_t row = kd_row_set_before(all, all->rows); row >= 0; row = kd_row_set_before(all, row)) {
    float *to = table + row * width;
    from -= width;
    if (to == from) return; /* so are all rows before it */
    move_row(to, from, width);
    clear_row(from, width);
  }
}

void kd_rows_clear(float *table, const kd_row_set *set, int64_t width) {
  for (int64_t row = kd_row_set_next(set, 0); row < set->rows; row = kd_row_set_next(set, row + 1))
    clear_row(table + row * width, width);
}
