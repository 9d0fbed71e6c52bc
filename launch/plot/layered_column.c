/* Columns: slots that follow one another straight form a block with one place; the blocks keep the order of
 * every rank and move towards their neighbours. */
#include <stdlib.h>

#include "launch/plot/layered_parts.h"

enum { ROUNDS = 60 };

/* Segments between slots of long edges go straight first, then long chains of boxes, then the rest. */
typedef struct candidate {
  int segment, class, chain;
} candidate;

typedef struct wish {
  int other;    /* block */
  double shift; /* own place = other's + shift */
} wish;

typedef struct columns {
  kd_lay_slots *s;
  int *up, *down; /* per slot: the slot straight above and below, or -1 */
  int *straight;  /* per slot: the segment to the slot straight below */
  int *block;     /* per slot */
  double *offset; /* per slot: right of its block's place */
  int n_blocks;
  double *x;               /* per block */
  int *slot_start, *slots; /* slots of each block */
  int *order;              /* blocks from left to right */
  int *wish_start;
  wish *wishes;
  double *sorted; /* room for wished places */
} columns;

/* Boxes on the longest chain of boxes in neighbouring ranks through each box, above and below. */
static void chain_lengths(const kd_lay_slots *s, int *above, int *below) {
  for (int r = 0; r < s->n_ranks; r++)
    for (int i = s->rank_start[r]; i < s->rank_start[r + 1]; i++) {
      int slot = s->order[i];
      for (int k = s->down_start[slot]; kd_lay_is_box(s, slot) && k < s->down_start[slot + 1]; k++) {
        int lower = s->segments[s->down[k]].lower;
        if (kd_lay_is_box(s, lower) && above[lower] < above[slot] + 1) above[lower] = above[slot] + 1;
      }
    }
  for (int r = s->n_ranks - 1; r >= 0; r--)
    for (int i = s->rank_start[r]; i < s->rank_start[r + 1]; i++) {
      int slot = s->order[i];
      for (int k = s->down_start[slot]; kd_lay_is_box(s, slot) && k < s->down_start[slot + 1]; k++) {
        int lower = s->segments[s->down[k]].lower;
        if (kd_lay_is_box(s, lower) && below[slot] < below[lower] + 1) below[slot] = below[lower] + 1;
      }
    }
}

static int compare(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  if (x->class != y->class) return x->class - y->class;
  if (x->chain != y->chain) return y->chain - x->chain;
  return x->segment - y->segment;
}

/* Whether a segment crosses one that is straight already: the nearest on both sides tell. */
static bool crosses(const columns *c, const kd_lay_segment *segment) {
  const kd_lay_slots *s = c->s;
  int rank = s->rank[segment->upper], place = s->position[segment->upper];
  int first = s->rank_start[rank], last = s->rank_start[rank + 1] - 1;
  for (int i = first + place - 1; i >= first; i--) {
    if (c->down[s->order[i]] < 0) continue;
    if (s->position[c->down[s->order[i]]] > s->position[segment->lower]) return true;
    break;
  }
  for (int i = first + place + 1; i <= last; i++) {
    if (c->down[s->order[i]] < 0) continue;
    return s->position[c->down[s->order[i]]] < s->position[segment->lower];
  }
  return false;
}

static void straighten(columns *c) {
  kd_lay_slots *s = c->s;
  int *above = kd_pool_alloc(s->pool, (size_t)s->n + 1, sizeof(int));
  int *below = kd_pool_alloc(s->pool, (size_t)s->n + 1, sizeof(int));
  candidate *list = kd_pool_alloc(s->pool, (size_t)s->n_segments + 1, sizeof *list);
  chain_lengths(s, above, below);
  for (int i = 0; i < s->n_segments; i++) {
    const kd_lay_segment *segment = &s->segments[i];
    bool upper = kd_lay_is_box(s, segment->upper), lower = kd_lay_is_box(s, segment->lower);
    list[i] = (candidate){i,
                          upper && lower   ? 1
                          : upper || lower ? 2
                                           : 0,
                          upper && lower ? above[segment->upper] + below[segment->lower] : 0};
  }
  qsort(list, (size_t)s->n_segments, sizeof *list, compare);
  for (int i = 0; i < s->n; i++) c->up[i] = c->down[i] = -1;
  for (int i = 0; i < s->n_segments; i++) {
    const kd_lay_segment *segment = &s->segments[list[i].segment];
    if (c->down[segment->upper] >= 0 || c->up[segment->lower] >= 0 || crosses(c, segment)) continue;
    c->down[segment->upper] = segment->lower;
    c->up[segment->lower] = segment->upper;
    c->straight[segment->upper] = list[i].segment;
  }
}

static void make_blocks(columns *c) {
  kd_lay_slots *s = c->s;
  int at = 0;
  for (int i = 0; i < s->n; i++) {
    if (c->up[i] >= 0) continue;
    double offset = 0;
    c->slot_start[c->n_blocks] = at;
    for (int slot = i; slot >= 0; slot = c->down[slot]) {
      c->block[slot] = c->n_blocks;
      c->offset[slot] = offset;
      c->slots[at++] = slot;
      const kd_lay_segment *segment = &s->segments[c->straight[slot]];
      if (c->down[slot] >= 0) offset += segment->upper_dx - segment->lower_dx;
    }
    c->slot_start[++c->n_blocks] = at;
  }
}

/* Least distance of the places of neighbours' blocks. */
static double distance(const columns *c, int left, int right) {
  const kd_lay_slots *s = c->s;
  return (s->width[left] + s->width[right]) / 2 + s->graph->box_gap + c->offset[left] - c->offset[right];
}

static int left_of(const kd_lay_slots *s, int slot) {
  return s->position[slot] ? s->order[s->rank_start[s->rank[slot]] + s->position[slot] - 1] : -1;
}

static int right_of(const kd_lay_slots *s, int slot) {
  int at = s->rank_start[s->rank[slot]] + s->position[slot] + 1;
  return at < s->rank_start[s->rank[slot] + 1] ? s->order[at] : -1;
}

/* Every block as far left as it can, in an order in which blocks on the left come first. */
static void pack_left(columns *c) {
  kd_lay_slots *s = c->s;
  int *waiting = kd_pool_alloc(s->pool, (size_t)c->n_blocks + 1, sizeof(int)), n = 0;
  for (int i = 0; i < s->n; i++) waiting[c->block[i]] += left_of(s, i) >= 0;
  for (int b = 0; b < c->n_blocks; b++)
    if (waiting[b] == 0) c->order[n++] = b;
  for (int i = 0; i < n; i++) {
    int b = c->order[i];
    for (int k = c->slot_start[b]; k < c->slot_start[b + 1]; k++) {
      int right = right_of(s, c->slots[k]);
      if (right < 0) continue;
      double least = c->x[b] + distance(c, c->slots[k], right);
      if (c->x[c->block[right]] < least) c->x[c->block[right]] = least;
      if (--waiting[c->block[right]] == 0) c->order[n++] = c->block[right];
    }
  }
}

static void collect_wishes(columns *c) {
  kd_lay_slots *s = c->s;
  int *at = c->wish_start + 1;
  for (int pass = 0; pass < 2; pass++) {
    for (int i = 0; i < s->n_segments; i++) {
      const kd_lay_segment *g = &s->segments[i];
      int a = c->block[g->upper], b = c->block[g->lower];
      if (a == b) continue;
      double shift = c->offset[g->upper] + g->upper_dx - c->offset[g->lower] - g->lower_dx;
      if (pass == 0) {
        at[a + 1]++;
        at[b + 1]++;
      } else {
        c->wishes[at[a]++] = (wish){b, -shift};
        c->wishes[at[b]++] = (wish){a, shift};
      }
    }
    for (int b = 0; pass == 0 && b < c->n_blocks; b++) at[b + 1] += at[b];
  }
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The median of the places where its segments would be straight. */
static double wished(columns *c, int b) {
  int n = 0;
  for (int i = c->wish_start[b]; i < c->wish_start[b + 1]; i++)
    c->sorted[n++] = c->x[c->wishes[i].other] + c->wishes[i].shift;
  if (n == 0) return c->x[b];
  qsort(c->sorted, (size_t)n, sizeof *c->sorted, by_value);
  return (c->sorted[(n - 1) / 2] + c->sorted[n / 2]) / 2;
}

static void move_block(columns *c, int b) {
  const kd_lay_slots *s = c->s;
  double target = wished(c, b), least = -1e300, most = 1e300;
  for (int k = c->slot_start[b]; k < c->slot_start[b + 1]; k++) {
    int slot = c->slots[k], left = left_of(s, slot), right = right_of(s, slot);
    if (left >= 0 && c->x[c->block[left]] + distance(c, left, slot) > least)
      least = c->x[c->block[left]] + distance(c, left, slot);
    if (right >= 0 && c->x[c->block[right]] - distance(c, slot, right) < most)
      most = c->x[c->block[right]] - distance(c, slot, right);
  }
  if (target > most) target = most;
  if (target < least) target = least;
  c->x[b] = target;
}

static double finish(columns *c) {
  kd_lay_slots *s = c->s;
  double left = 1e300, right = -1e300;
  for (int i = 0; i < s->n; i++) {
    s->middle[i] = c->x[c->block[i]] + c->offset[i];
    if (s->middle[i] - s->width[i] / 2 < left) left = s->middle[i] - s->width[i] / 2;
  }
  for (int i = 0; i < s->n; i++) {
    s->middle[i] -= left;
    if (s->middle[i] + s->width[i] / 2 > right) right = s->middle[i] + s->width[i] / 2;
  }
  return s->n ? right : 0;
}

double kd_lay_columns(kd_lay_slots *s) {
  size_t n = (size_t)s->n + 2;
  columns c = {.s = s,
               .up = kd_pool_alloc(s->pool, n, sizeof(int)),
               .down = kd_pool_alloc(s->pool, n, sizeof(int)),
               .straight = kd_pool_alloc(s->pool, n, sizeof(int)),
               .block = kd_pool_alloc(s->pool, n, sizeof(int)),
               .offset = kd_pool_alloc(s->pool, n, sizeof(double)),
               .x = kd_pool_alloc(s->pool, n, sizeof(double)),
               .slot_start = kd_pool_alloc(s->pool, n, sizeof(int)),
               .slots = kd_pool_alloc(s->pool, n, sizeof(int)),
               .order = kd_pool_alloc(s->pool, n, sizeof(int)),
               .wish_start = kd_pool_alloc(s->pool, n, sizeof(int)),
               .wishes = kd_pool_alloc(s->pool, 2 * (size_t)s->n_segments + 1, sizeof(wish)),
               .sorted = kd_pool_alloc(s->pool, 2 * (size_t)s->n_segments + 1, sizeof(double))};
  straighten(&c);
  make_blocks(&c);
  pack_left(&c);
  collect_wishes(&c);
  for (int round = 0; round < ROUNDS; round++)
    for (int i = 0; i < c.n_blocks; i++) move_block(&c, c.order[round % 2 ? i : c.n_blocks - 1 - i]);
  return finish(&c);
}
