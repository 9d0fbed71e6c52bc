#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "launch/plot/layered_parts.h"

/* How much work the search for an order may take; small graphs are searched well. */
enum { SWEEPS = 24, SMALL = 300, STARTS = 24, SWAP_SLOTS = 5000, WORK = 20000000 };

/* Where a segment meets its rank: the position of the slot, shifted by the place at its side. */
static double at_upper(const kd_lay_slots *s, const kd_lay_segment *segment) {
  return s->position[segment->upper] + segment->upper_dx / (s->width[segment->upper] + 1);
}

static double at_lower(const kd_lay_slots *s, const kd_lay_segment *segment) {
  return s->position[segment->lower] + segment->lower_dx / (s->width[segment->lower] + 1);
}

typedef struct line {
  double upper, lower;
} line;

static int by_upper(const void *a, const void *b) {
  const line *x = a, *y = b;
  if (x->upper < y->upper || x->upper > y->upper) return x->upper < y->upper ? -1 : 1;
  return (x->lower > y->lower) - (x->lower < y->lower);
}

/* Pairs whose lower ends stand in the other order than the upper ones, by a merge sort of the lower ends. */
static long long inversions(line *lines, line *room, int n) {
  if (n < 2) return 0;
  int half = n / 2, i = 0, k = half, at = 0;
  long long count = inversions(lines, room, half) + inversions(lines + half, room, n - half);
  while (i < half || k < n) {
    bool left = k == n || (i < half && lines[i].lower <= lines[k].lower);
    if (!left) count += half - i;
    room[at++] = left ? lines[i++] : lines[k++];
  }
  memcpy(lines, room, (size_t)n * sizeof *lines);
  return count;
}

/* Crossings between rank r and r + 1. Segments from one place do not cross. */
static long long gap_crossings(const kd_lay_slots *s, int r, line *lines, line *room) {
  int n = 0;
  for (int i = s->rank_start[r]; i < s->rank_start[r + 1]; i++) {
    int slot = s->order[i];
    for (int k = s->down_start[slot]; k < s->down_start[slot + 1]; k++) {
      const kd_lay_segment *segment = &s->segments[s->down[k]];
      lines[n++] = (line){at_upper(s, segment), at_lower(s, segment)};
    }
  }
  qsort(lines, (size_t)n, sizeof *lines, by_upper);
  return inversions(lines, room, n);
}

long long kd_lay_crossings(const kd_lay_slots *s) {
  line *lines = kd_calloc(2 * (size_t)s->n_segments + 1, sizeof *lines);
  long long count = 0;
  for (int r = 0; r + 1 < s->n_ranks; r++) count += gap_crossings(s, r, lines, lines + s->n_segments);
  kd_free(lines);
  return count;
}

static void set_positions(kd_lay_slots *s, int rank) {
  for (int i = s->rank_start[rank]; i < s->rank_start[rank + 1]; i++)
    s->position[s->order[i]] = i - s->rank_start[rank];
}

typedef struct keyed_slot {
  double key;
  int slot, position;
} keyed_slot;

static int by_key(const void *a, const void *b) {
  const keyed_slot *x = a, *y = b;
  if (x->key < y->key || x->key > y->key) return x->key < y->key ? -1 : 1;
  return x->position - y->position;
}

/* Sorts a rank by the mean position of the neighbours on one side; slots without any keep their place. */
static void sort_rank(kd_lay_slots *s, int rank, bool from_above, keyed_slot *keys) {
  int n = s->rank_start[rank + 1] - s->rank_start[rank], *order = s->order + s->rank_start[rank];
  for (int i = 0; i < n; i++) {
    int slot = order[i];
    const int *start = from_above ? s->up_start : s->down_start, *list = from_above ? s->up : s->down;
    int count = start[slot + 1] - start[slot];
    double sum = 0;
    for (int k = start[slot]; k < start[slot + 1]; k++)
      sum += from_above ? at_upper(s, &s->segments[list[k]]) : at_lower(s, &s->segments[list[k]]);
    keys[i] = (keyed_slot){count ? sum / count : i, slot, i};
  }
  qsort(keys, (size_t)n, sizeof *keys, by_key);
  for (int i = 0; i < n; i++) order[i] = keys[i].slot;
  set_positions(s, rank);
}

/* Crossings of the segments of two neighbours with a left of b, minus those with b left of a. */
static int swap_gain(const kd_lay_slots *s, int a, int b) {
  int gain = 0;
  for (int side = 0; side < 2; side++) {
    const int *start = side ? s->up_start : s->down_start, *list = side ? s->up : s->down;
    for (int i = start[a]; i < start[a + 1]; i++)
      for (int k = start[b]; k < start[b + 1]; k++) {
        const kd_lay_segment *x = &s->segments[list[i]], *y = &s->segments[list[k]];
        double left = side ? at_upper(s, x) : at_lower(s, x), right = side ? at_upper(s, y) : at_lower(s, y);
        gain += (left > right) - (left < right);
      }
  }
  return gain;
}

/* Swaps neighbours as long as that saves crossings; in the first round also when it costs none, to leave
 * places where no single swap helps. */
static void swap_neighbours(kd_lay_slots *s, bool even) {
  bool better = true;
  for (int round = 0; round < SWEEPS && better; round++) {
    better = false;
    for (int r = 0; r < s->n_ranks; r++)
      for (int i = s->rank_start[r]; i + 1 < s->rank_start[r + 1]; i++) {
        int a = s->order[i], b = s->order[i + 1];
        if (swap_gain(s, a, b) < (even && round == 0 ? 0 : 1)) continue;
        s->order[i] = b;
        s->order[i + 1] = a;
        s->position[b]--;
        s->position[a]++;
        better = true;
      }
  }
}

/* Slots in the order of a walk down from the boxes without edges above. */
static void walk_order(kd_lay_slots *s) {
  int *stack = kd_calloc((size_t)s->n_segments + (size_t)s->n + 1, sizeof(int)),
      *next = kd_calloc((size_t)s->n_ranks + 1, sizeof(int));
  bool *seen = kd_calloc((size_t)s->n + 1, sizeof(bool));
  for (int r = 0; r < s->n_ranks; r++) next[r] = s->rank_start[r];
  for (int pass = 0; pass < 2; pass++) /* 1: what only circles reach */
    for (int root = 0; root < s->n; root++) {
      if (seen[root] || (pass == 0 && s->up_start[root + 1] > s->up_start[root])) continue;
      int depth = 0;
      stack[depth++] = root;
      while (depth > 0) {
        int slot = stack[--depth];
        if (seen[slot]) continue;
        seen[slot] = true;
        s->order[next[s->rank[slot]]++] = slot;
        for (int k = s->down_start[slot + 1] - 1; k >= s->down_start[slot]; k--)
          stack[depth++] = s->segments[s->down[k]].lower;
      }
    }
  kd_free(stack);
  kd_free(next);
  kd_free(seen);
  for (int r = 0; r < s->n_ranks; r++) set_positions(s, r);
}

static void count_ranks(kd_lay_slots *s) {
  for (int i = 0; i < s->n; i++) s->rank_start[s->rank[i] + 1]++;
  for (int r = 0; r < s->n_ranks; r++) s->rank_start[r + 1] += s->rank_start[r];
}

/* The same "random" order each time. */
static void shuffle(kd_lay_slots *s, uint64_t *state) {
  for (int r = 0; r < s->n_ranks; r++) {
    for (int n = s->rank_start[r + 1] - s->rank_start[r]; n > 1; n--) {
      *state = *state * 6364136223846793005u + 1442695040888963407u;
      int *order = s->order + s->rank_start[r], k = (int)((*state >> 33) % (uint64_t)n), swap = order[k];
      order[k] = order[n - 1];
      order[n - 1] = swap;
    }
    set_positions(s, r);
  }
}

typedef struct search {
  int *best;
  long long crossings;
  keyed_slot *keys;
  int sweeps;
} search;

static void keep_better(kd_lay_slots *s, search *find) {
  long long crossings = kd_lay_crossings(s);
  if (crossings >= find->crossings) return;
  find->crossings = crossings;
  memcpy(find->best, s->order, (size_t)s->n * sizeof *s->order);
}

static void sweep(kd_lay_slots *s, search *find) {
  for (int i = 0; i < find->sweeps && find->crossings > 0; i++) {
    bool down = i % 2 == 0;
    for (int k = 1; k < s->n_ranks; k++) sort_rank(s, down ? k : s->n_ranks - 1 - k, down, find->keys);
    keep_better(s, find);
    if (s->n > SWAP_SLOTS) continue;
    swap_neighbours(s, i % 4 > 1);
    keep_better(s, find);
  }
}

long long kd_lay_order(kd_lay_slots *s) {
  search find = {.best = kd_calloc((size_t)s->n + 1, sizeof(int)),
                 .crossings = INT64_MAX,
                 .keys = kd_calloc((size_t)s->n + 1, sizeof(keyed_slot)),
                 .sweeps = WORK / (s->n_segments + s->n + 1) / 10};
  if (find.sweeps > SWEEPS) find.sweeps = SWEEPS;
  count_ranks(s);
  walk_order(s);
  keep_better(s, &find);
  sweep(s, &find);
  uint64_t state = 1;
  for (int i = 1; i < STARTS && s->n <= SMALL && find.crossings > 0; i++) {
    shuffle(s, &state);
    sweep(s, &find);
  }
  memcpy(s->order, find.best, (size_t)s->n * sizeof *s->order);
  for (int r = 0; r < s->n_ranks; r++) set_positions(s, r);
  kd_free(find.best);
  kd_free(find.keys);
  return find.crossings;
}
