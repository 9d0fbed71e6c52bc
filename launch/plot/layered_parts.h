/* What the files layered_*.c share. */
#ifndef KD_LAYERED_PARTS_H
#define KD_LAYERED_PARTS_H

#include <stdbool.h>

#include "launch/plot/layered.h"

enum { KD_LAY_SLOTS = 200000 }; /* most slots of long edges */

/* A piece of an edge between neighbouring ranks. */
typedef struct kd_lay_segment {
  int upper, lower;          /* slots */
  double upper_dx, lower_dx; /* right of their middles */
} kd_lay_segment;

/* Slots 0 .. n_boxes - 1 are the boxes. */
typedef struct kd_lay_slots {
  kd_pool *pool;
  const kd_lay_graph *graph;
  int n, n_ranks;
  int *rank;
  double *width;
  int n_segments;
  kd_lay_segment *segments;
  int *down_start, *down; /* segments below each slot: down[down_start[s]] .. */
  int *up_start, *up;
  int *rank_start, *order; /* slots of each rank from left to right: order[rank_start[r]] .. */
  int *position;           /* of each slot in its rank */
  int *last_slot;          /* per edge: the slot above `to`; -1: a straight line */
  int *above;              /* per slot of a long edge: the slot before it; -1 for boxes */
  double *middle;          /* x of each slot */
} kd_lay_slots;

/* layered_rank.c: rank of every box. */
void kd_lay_rank(kd_pool *pool, kd_lay_graph *graph);
/* layered_slots.c */
void kd_lay_make_slots(kd_pool *pool, const kd_lay_graph *graph, kd_lay_slots *slots);
/* layered_order.c: sets order and position; returns the crossings. */
long long kd_lay_order(kd_lay_slots *slots);
long long kd_lay_crossings(const kd_lay_slots *slots);
/* layered_column.c: sets middle; the leftmost side of a slot is at 0. Returns the width. */
double kd_lay_columns(kd_lay_slots *slots);

static inline bool kd_lay_is_box(const kd_lay_slots *s, int slot) {
  return slot < s->graph->n_boxes;
}

#endif
