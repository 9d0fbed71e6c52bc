/* Layered drawings of directed graphs (Sugiyama's method), as pure functions: boxes in ranks from the top
 * down, edges from rank to rank, few crossings, long edges straight.
 *
 *   ranks     longest path, then boxes with more edges below than above move down
 *   slots     an edge that passes a rank has a slot of no width there; edges of one source share theirs
 *   order     sweeps by barycentres and swaps of neighbours, the order with the fewest crossings wins
 *   columns   slots that follow one another straight form blocks; blocks move towards their neighbours
 *
 * The same graph gives the same drawing, bit for bit. */
#ifndef KD_LAYERED_H
#define KD_LAYERED_H

#include "device/base/memory.h"

typedef enum kd_lay_pin { KD_PIN_NONE, KD_PIN_FIRST, KD_PIN_LAST } kd_lay_pin;

typedef struct kd_lay_box {
  double width, height;
  kd_lay_pin pin; /* to the first or the last rank */
  /* results: the left upper corner */
  double x, y;
  int rank;
} kd_lay_box;

typedef struct kd_lay_point {
  double x, y;
} kd_lay_point;

typedef struct kd_lay_edge {
  int from, to;
  double from_dx, to_dx; /* where it leaves and enters, right of the middles of the boxes */
  /* results: from the lower side of `from` to the upper side of `to`; between two points with different x the
   * edge runs in the gap between two ranks */
  int n_points;
  kd_lay_point *points;
} kd_lay_edge;

typedef struct kd_lay_graph {
  int n_boxes, n_edges;
  kd_lay_box *boxes;
  kd_lay_edge *edges;
  double box_gap, rank_gap; /* least distances */
  /* results */
  double width, height;
  int n_ranks;
  long long crossings;
} kd_lay_graph;

/* Places all boxes and edges; points are in the pool. Edges of a circle that cannot go down, edges from a box
 * to itself, and the longest ones when their slots would be too many, become straight lines. */
void kd_lay_out(kd_pool *pool, kd_lay_graph *graph);

#endif
