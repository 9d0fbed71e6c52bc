#include "launch/plot/layered.h"

#include <math.h>

#include "launch/plot/layered_parts.h"

/* Room that slanted edges get between two ranks, for each unit that they go aside. */
static const double SLOPE = 0.08, MOST_SLOPE = 40;

typedef struct rank_rows {
  double *top, *height; /* per rank */
} rank_rows;

static void place_rows(kd_lay_graph *g, const kd_lay_slots *s, rank_rows *rows) {
  double *aside = kd_pool_alloc(s->pool, (size_t)g->n_ranks + 1, sizeof(double)), y = 0;
  for (int b = 0; b < g->n_boxes; b++)
    if (g->boxes[b].height > rows->height[g->boxes[b].rank])
      rows->height[g->boxes[b].rank] = g->boxes[b].height;
  for (int i = 0; i < s->n_segments; i++) {
    const kd_lay_segment *p = &s->segments[i];
    double dx = fabs(s->middle[p->upper] + p->upper_dx - s->middle[p->lower] - p->lower_dx) * SLOPE;
    if (dx > aside[s->rank[p->upper]]) aside[s->rank[p->upper]] = dx;
  }
  for (int r = 0; r < g->n_ranks; r++) {
    rows->top[r] = y;
    y += rows->height[r];
    g->height = y;
    y += g->rank_gap + fmin(aside[r], MOST_SLOPE);
  }
}

static void add_point(kd_lay_edge *edge, double x, double y) {
  edge->points[edge->n_points++] = (kd_lay_point){x, y};
}

/* Points are found from the lower end up, then turned round. */
static void route(const kd_lay_graph *g, const kd_lay_slots *s, const rank_rows *rows, int number) {
  kd_lay_edge *edge = &g->edges[number];
  const kd_lay_box *from = &g->boxes[edge->from], *to = &g->boxes[edge->to];
  bool straight = s->last_slot[number] < 0;
  int length = straight ? 0 : to->rank - from->rank;
  edge->n_points = 0;
  edge->points = kd_pool_alloc(s->pool, 2 * (size_t)length + 2, sizeof *edge->points);
  double end_x = to->x + to->width / 2 + edge->to_dx;
  add_point(edge, end_x, to->y);
  if (!straight && to->y > rows->top[to->rank]) add_point(edge, end_x, rows->top[to->rank]);
  int slot = straight ? edge->from : s->last_slot[number];
  for (; slot != edge->from; slot = s->above[slot]) {
    int r = s->rank[slot];
    add_point(edge, s->middle[slot], rows->top[r] + rows->height[r]);
    add_point(edge, s->middle[slot], rows->top[r]);
  }
  double x = from->x + from->width / 2 + edge->from_dx,
         bottom = rows->top[from->rank] + rows->height[from->rank];
  if (!straight && from->y + from->height < bottom) add_point(edge, x, bottom);
  add_point(edge, x, from->y + from->height);
  for (int i = 0, k = edge->n_points - 1; i < k; i++, k--) {
    kd_lay_point swap = edge->points[i];
    edge->points[i] = edge->points[k];
    edge->points[k] = swap;
  }
}

void kd_lay_out(kd_pool *pool, kd_lay_graph *g) {
  kd_lay_slots slots;
  kd_lay_rank(pool, g);
  kd_lay_make_slots(pool, g, &slots);
  g->crossings = kd_lay_order(&slots);
  g->width = kd_lay_columns(&slots);
  g->height = 0;
  rank_rows rows = {kd_pool_alloc(pool, (size_t)g->n_ranks + 1, sizeof(double)),
                    kd_pool_alloc(pool, (size_t)g->n_ranks + 1, sizeof(double))};
  place_rows(g, &slots, &rows);
  for (int b = 0; b < g->n_boxes; b++) {
    kd_lay_box *box = &g->boxes[b];
    box->x = slots.middle[b] - box->width / 2;
    box->y = rows.top[box->rank] + (rows.height[box->rank] - box->height) / 2;
  }
  for (int e = 0; e < g->n_edges; e++) route(g, &slots, &rows, e);
}
