#include "launch/plot/layered_parts.h"

typedef struct ranker {
  kd_lay_graph *graph;
  int *out_start, *out; /* edges by source */
  int *in_start, *in;
  int *order; /* topological */
} ranker;

static void sort_edges(kd_pool *pool, const kd_lay_graph *g, bool by_source, int **start, int **edges) {
  *start = kd_pool_alloc(pool, (size_t)g->n_boxes + 2, sizeof(int));
  *edges = kd_pool_alloc(pool, (size_t)g->n_edges + 1, sizeof(int));
  int *at = *start + 1; /* filled one behind, so that they end at the starts */
  for (int e = 0; e < g->n_edges; e++) at[(by_source ? g->edges[e].from : g->edges[e].to) + 1]++;
  for (int b = 0; b < g->n_boxes; b++) at[b + 1] += at[b];
  for (int e = 0; e < g->n_edges; e++) (*edges)[at[by_source ? g->edges[e].from : g->edges[e].to]++] = e;
}

/* Boxes in an order in which edges go forwards; where only circles are left, the first box goes first. */
static void sort_boxes(kd_pool *pool, ranker *r) {
  const kd_lay_graph *g = r->graph;
  int *waiting = kd_pool_alloc(pool, (size_t)g->n_boxes + 1, sizeof *waiting);
  bool *done = kd_pool_alloc(pool, (size_t)g->n_boxes + 1, sizeof *done);
  int n = 0, first = 0;
  for (int e = 0; e < g->n_edges; e++) waiting[g->edges[e].to] += g->edges[e].from != g->edges[e].to;
  for (int b = 0; b < g->n_boxes; b++)
    if (waiting[b] == 0) done[r->order[n++] = b] = true;
  for (int i = 0; i < g->n_boxes; i++) {
    if (i == n) {
      while (done[first]) first++;
      done[r->order[n++] = first] = true;
    }
    for (int k = r->out_start[r->order[i]]; k < r->out_start[r->order[i] + 1]; k++) {
      int to = g->edges[r->out[k]].to;
      if (--waiting[to] == 0 && !done[to]) done[r->order[n++] = to] = true;
    }
  }
}

static void longest_paths(ranker *r, const int *place) {
  kd_lay_graph *g = r->graph;
  for (int i = 0; i < g->n_boxes; i++) {
    int from = r->order[i];
    for (int k = r->out_start[from]; k < r->out_start[from + 1]; k++) {
      kd_lay_box *to = &g->boxes[g->edges[r->out[k]].to];
      if (place[g->edges[r->out[k]].to] > i && to->rank < g->boxes[from].rank + 1)
        to->rank = g->boxes[from].rank + 1;
    }
  }
}

/* A box with more edges below than above moves down to the next of them. */
static void move_down(ranker *r, const int *place) {
  kd_lay_graph *g = r->graph;
  for (int i = g->n_boxes - 1; i >= 0; i--) {
    int box = r->order[i], least = g->n_boxes, below = 0;
    if (g->boxes[box].pin == KD_PIN_FIRST) continue;
    for (int k = r->out_start[box]; k < r->out_start[box + 1]; k++) {
      int to = g->edges[r->out[k]].to;
      if (place[to] <= i) continue;
      below++;
      if (g->boxes[to].rank < least) least = g->boxes[to].rank;
    }
    if (below > r->in_start[box + 1] - r->in_start[box] && least - 1 > g->boxes[box].rank)
      g->boxes[box].rank = least - 1;
  }
}

void kd_lay_rank(kd_pool *pool, kd_lay_graph *g) {
  ranker r = {.graph = g, .order = kd_pool_alloc(pool, (size_t)g->n_boxes + 1, sizeof(int))};
  sort_edges(pool, g, true, &r.out_start, &r.out);
  sort_edges(pool, g, false, &r.in_start, &r.in);
  sort_boxes(pool, &r);
  int *place = kd_pool_alloc(pool, (size_t)g->n_boxes + 1, sizeof *place);
  for (int i = 0; i < g->n_boxes; i++) {
    place[r.order[i]] = i;
    g->boxes[i].rank = 0;
  }
  bool first = false;
  for (int b = 0; b < g->n_boxes; b++) first = first || g->boxes[b].pin == KD_PIN_FIRST;
  for (int b = 0; first && b < g->n_boxes; b++) g->boxes[b].rank = g->boxes[b].pin != KD_PIN_FIRST;
  longest_paths(&r, place);
  int last = 0, below = 0;
  for (int b = 0; b < g->n_boxes; b++) {
    if (g->boxes[b].pin == KD_PIN_LAST) continue;
    if (g->boxes[b].rank > below) below = g->boxes[b].rank;
  }
  for (int b = 0; b < g->n_boxes; b++)
    if (g->boxes[b].pin == KD_PIN_LAST) g->boxes[b].rank = below + 1;
  move_down(&r, place);
  for (int b = 0; b < g->n_boxes; b++)
    if (g->boxes[b].rank > last) last = g->boxes[b].rank;
  g->n_ranks = g->n_boxes ? last + 1 : 0;
}
