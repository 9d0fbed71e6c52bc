/* Sets of rows of a table, as bits, and moves of the rows that a set names. Pure functions: memory of the
 * host, no ranks. A set of `rows` rows has kd_row_set_words(rows) words; bits behind the last row are 0. */
#ifndef KD_ROW_SET_H
#define KD_ROW_SET_H

#include <stdbool.h>
#include <stdint.h>

typedef struct kd_row_set {
  int64_t rows; /* of the table */
  uint64_t *bits;
} kd_row_set;

static inline int64_t kd_row_set_words(int64_t rows) {
  return (rows + 63) / 64;
}
static inline bool kd_row_set_has(const kd_row_set *set, int64_t row) {
  return set->bits[row / 64] >> row % 64 & 1;
}
/* The first row of the set at `row` or behind it; `rows` when there is none. */
static inline int64_t kd_row_set_next(const kd_row_set *set, int64_t row) {
  if (row >= set->rows) return set->rows;
  uint64_t word = set->bits[row / 64] >> row % 64;
  if (word) return row + __builtin_ctzll(word);
  for (int64_t w = row / 64 + 1, n = kd_row_set_words(set->rows); w < n; w++)
    if (set->bits[w]) return w * 64 + __builtin_ctzll(set->bits[w]);
  return set->rows;
}
/* The last row of the set before `row`; -1 when there is none. */
static inline int64_t kd_row_set_before(const kd_row_set *set, int64_t row) {
  uint64_t word = row % 64 ? set->bits[row / 64] << (64 - row % 64) : 0;
  if (word) return row - 1 - __builtin_clzll(word);
  for (int64_t w = row / 64 - 1; w >= 0; w--)
    if (set->bits[w]) return w * 64 + 63 - __builtin_clzll(set->bits[w]);
  return -1;
}

/* The rows whose count is not 0. */
void kd_row_set_scan(kd_row_set *set, const float *counts);
void kd_row_set_clear(kd_row_set *set);
void kd_row_set_fill(kd_row_set *set); /* all rows */
void kd_row_set_join(kd_row_set *into, const kd_row_set *from);
int64_t kd_row_set_count(const kd_row_set *set);

/* Sets on their way through a sum of floats over ranks: the sum of every rank's flags are those of all rows
 * that some rank has. A float holds as many rows as can be counted in it exactly, whatever the order of
 * additions. */
int64_t kd_row_flags_floats(int64_t rows, int ranks);
void kd_row_flags_write(const kd_row_set *set, int ranks, float *flags);
void kd_row_flags_read(kd_row_set *set, int ranks, const float *flags);

/* Tables are rows of `width` floats; what a table holds in rows outside its set counts as 0. */

/* to += from, where `held` are the rows of `to`; then held has those of `from` too. */
void kd_rows_add(float *to, kd_row_set *held, const float *from, const kd_row_set *added, int64_t width);
/* Row number k of the set `all` moves to place k, in order; those that are not in `held`, a part of it, as 0.
 */
void kd_rows_pack(float *table, const kd_row_set *all, const kd_row_set *held, int64_t width);
/* Place k moves to row number k of the set; other places that were taken become 0. */
void kd_rows_unpack(float *table, const kd_row_set *all, int64_t width);
/* The rows of the set become 0. */
void kd_rows_clear(float *table, const kd_row_set *set, int64_t width);

#endif
