/* Memory of intervals: offsets in one arena for blocks whose lives are known beforehand.
 *
 * Finding the smallest arena is NP-hard (it is dynamic storage allocation). Placing the largest blocks first,
 * each in the tightest gap that is free during its whole life, stays within a few per cent of the lower bound
 * (the most bytes alive at one time) on the graphs of neural networks, see Pisarchyk and Lee, "Efficient
 * memory management for deep neural net inference", 2020. */
#include <stdlib.h>
#include <string.h>

#include "layers/plan/plan.h"

typedef struct block {
  size_t bytes, offset;
  int first, last, number;
} block;

/* Largest first; equal sizes keep the order of numbers, so that a plan is the same on all ranks. */
static int by_size(const void *a, const void *b) {
  const block *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
  return x->number < y->number ? -1 : 1;
}

static bool alive_together(const block *a, const block *b) {
  return a->first <= b->last && b->first <= a->last;
}

/* The start of the tightest gap between the blocks that live with `b`; after all of them when no gap fits.
 * `placed` is in order of offsets. */
static size_t find_offset(const block *b, const block *placed, int n_placed) {
  size_t end = 0, best = 0, best_gap = SIZE_MAX;
  for (int i = 0; i < n_placed; i++) {
    const block *other = &placed[i];
    if (!alive_together(b, other)) continue;
    if (other->offset > end) {
      size_t gap = other->offset - end;
      if (gap >= b->bytes && gap < best_gap) {
        best_gap = gap;
        best = end;
      }
    }
    if (other->offset + other->bytes > end) end = other->offset + other->bytes;
  }
  return best_gap == SIZE_MAX ? end : best;
}

static void insert_by_offset(block *placed, int n_placed, block b) {
  int low = 0, high = n_placed;
  while (low < high) {
    int middle = (low + high) / 2;
    if (placed[middle].offset <= b.offset)
      low = middle + 1;
    else
      high = middle;
  }
  memmove(placed + low + 1, placed + low, (size_t)(n_placed - low) * sizeof *placed);
  placed[low] = b;
}

size_t kd_lifetime_plan(int count, const size_t *bytes, const int *first, const int *last, size_t *offset) {
  block *blocks = kd_calloc((size_t)count, sizeof *blocks);
  block *placed = kd_calloc((size_t)count, sizeof *placed);
  for (int i = 0; i < count; i++) {
    size_t rounded = (bytes[i] + KD_ALIGNMENT - 1) / KD_ALIGNMENT * KD_ALIGNMENT;
    blocks[i] = (block){.bytes = rounded, .first = first[i], .last = last[i], .number = i};
  }
  qsort(blocks, (size_t)count, sizeof *blocks, by_size);
  size_t total = 0;
  int n_placed = 0;
  for (int i = 0; i < count; i++) {
    block b = blocks[i];
    if (b.bytes) b.offset = find_offset(&b, placed, n_placed);
    offset[b.number] = b.offset;
    if (b.offset + b.bytes > total) total = b.offset + b.bytes;
    if (b.bytes) insert_by_offset(placed, n_placed++, b);
  }
  kd_free(placed);
  kd_free(blocks);
  return total;
}
