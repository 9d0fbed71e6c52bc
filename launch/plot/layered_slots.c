#include <stdlib.h>

#include "launch/plot/layered_parts.h"

/* An edge with what sorts those of one place together. */
typedef struct sorted_edge {
  int from, edge, rank;
  double dx;
} sorted_edge;

static int compare(const void *a, const void *b) {
  const sorted_edge *x = a, *y = b;
  if (x->from != y->from) return x->from - y->from;
  if (x->dx < y->dx || x->dx > y->dx) return x->dx < y->dx ? -1 : 1;
  if (x->rank != y->rank) return x->rank - y->rank;
  return x->edge - y->edge;
}

static bool same_place(const sorted_edge *a, const sorted_edge *b) {
  return a->from == b->from && !(a->dx < b->dx) && !(a->dx > b->dx);
}

/* Slots that edges of at most `longest` ranks need. */
static long long count_slots(const kd_lay_graph *g, const sorted_edge *edges, int n, int longest) {
  long long count = 0;
  for (int i = 0, most = 0; i < n; i++) {
    int length = edges[i].rank - g->boxes[edges[i].from].rank;
    if (length <= longest && length > most) most = length;
    if (i + 1 < n && same_place(&edges[i], &edges[i + 1])) continue;
    if (most > 1) count += most - 1;
    most = 0;
  }
  return count;
}

static int add_slot(kd_lay_slots *s, int rank, int above) {
  s->rank[s->n] = rank;
  s->above[s->n] = above;
  return s->n++;
}

static void add_segment(kd_lay_slots *s, int upper, double upper_dx, int lower, double lower_dx) {
  s->segments[s->n_segments++] = (kd_lay_segment){upper, lower, upper_dx, lower_dx};
}

/* The edges of one place of a box: slots down to the farthest, from which all branch off. */
static void add_chain(kd_lay_slots *s, const sorted_edge *edges, int n) {
  const kd_lay_graph *g = s->graph;
  int slot = edges[0].from, rank = g->boxes[slot].rank;
  double dx = edges[0].dx;
  for (int i = 0; i < n; i++) {
    for (; rank < edges[i].rank - 1; rank++) {
      int next = add_slot(s, rank + 1, slot);
      add_segment(s, slot, dx, next, 0);
      slot = next;
      dx = 0;
    }
    s->last_slot[edges[i].edge] = slot;
    add_segment(s, slot, dx, g->edges[edges[i].edge].to, g->edges[edges[i].edge].to_dx);
  }
}

static void index_segments(kd_lay_slots *s, bool below, int **start, int **list) {
  *start = kd_pool_alloc(s->pool, (size_t)s->n + 2, sizeof(int));
  *list = kd_pool_alloc(s->pool, (size_t)s->n_segments + 1, sizeof(int));
  int *at = *start + 1;
  for (int i = 0; i < s->n_segments; i++) at[(below ? s->segments[i].upper : s->segments[i].lower) + 1]++;
  for (int i = 0; i < s->n; i++) at[i + 1] += at[i];
  for (int i = 0; i < s->n_segments; i++)
    (*list)[at[below ? s->segments[i].upper : s->segments[i].lower]++] = i;
}

static void allocate(kd_lay_slots *s, size_t slots) {
  s->rank = kd_pool_alloc(s->pool, slots + 1, sizeof *s->rank);
  s->width = kd_pool_alloc(s->pool, slots + 1, sizeof *s->width);
  s->above = kd_pool_alloc(s->pool, slots + 1, sizeof *s->above);
  s->order = kd_pool_alloc(s->pool, slots + 1, sizeof *s->order);
  s->position = kd_pool_alloc(s->pool, slots + 1, sizeof *s->position);
  s->middle = kd_pool_alloc(s->pool, slots + 1, sizeof *s->middle);
  s->segments = kd_pool_alloc(s->pool, slots + (size_t)s->graph->n_edges + 1, sizeof *s->segments);
  s->rank_start = kd_pool_alloc(s->pool, (size_t)s->n_ranks + 2, sizeof *s->rank_start);
}

void kd_lay_make_slots(kd_pool *pool, const kd_lay_graph *g, kd_lay_slots *s) {
  *s = (kd_lay_slots){.pool = pool, .graph = g, .n_ranks = g->n_ranks};
  s->last_slot = kd_pool_alloc(pool, (size_t)g->n_edges + 1, sizeof *s->last_slot);
  sorted_edge *edges = kd_pool_alloc(pool, (size_t)g->n_edges + 1, sizeof *edges);
  int n = 0;
  for (int e = 0; e < g->n_edges; e++) {
    const kd_lay_edge *edge = &g->edges[e];
    s->last_slot[e] = -1;
    if (g->boxes[edge->to].rank > g->boxes[edge->from].rank)
      edges[n++] = (sorted_edge){edge->from, e, g->boxes[edge->to].rank, edge->from_dx};
  }
  qsort(edges, (size_t)n, sizeof *edges, compare);
  int longest = g->n_ranks;
  while (longest > 1 && count_slots(g, edges, n, longest) > KD_LAY_SLOTS) longest /= 2;
  allocate(s, (size_t)g->n_boxes + (size_t)count_slots(g, edges, n, longest));
  for (int b = 0; b < g->n_boxes; b++) {
    s->width[b] = g->boxes[b].width;
    add_slot(s, g->boxes[b].rank, -1);
  }
  for (int i = 0, end; i < n; i = end) {
    int count = 0;
    for (end = i; end < n && same_place(&edges[i], &edges[end]); end++)
      if (edges[end].rank - g->boxes[edges[end].from].rank <= longest) count = end + 1 - i;
    if (count) add_chain(s, edges + i, count);
  }
  index_segments(s, true, &s->down_start, &s->down);
  index_segments(s, false, &s->up_start, &s->up);
}
