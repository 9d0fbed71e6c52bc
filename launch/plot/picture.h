/* The picture of a model: what stands where. Writers (svg.h) draw it.
 *
 * Every group is drawn by itself in layers, with a port on its border for each tensor that enters or leaves
 * it, and stands as one box in the picture around it. So boxes of groups never overlap other things. */
#ifndef KD_PICTURE_H
#define KD_PICTURE_H

#include "launch/outline.h"
#include "launch/plot/layered.h"

typedef struct kd_picture_box {
  double x, y, width, height;
} kd_picture_box;

typedef struct kd_picture_line {
  int n_points;
  kd_lay_point *points;
  bool arrow; /* ends at a node, not at the border of a group */
} kd_picture_line;

typedef struct kd_picture {
  double width, height;
  kd_picture_box *nodes;  /* per node of the outline */
  kd_picture_box *groups; /* per group */
  double *label_x;        /* per group: where its name begins, right of its box's left side */
  int n_lines;
  kd_picture_line *lines;
  bool across; /* edges run from left to right */
} kd_picture;

enum { KD_PICTURE_LABEL = 20 }; /* height of the strip that holds a group's name */

/* size: per node, width and height. label_width: per group, the least width. Memory is the pool's. */
kd_picture kd_picture_make(kd_pool *pool, const kd_outline *outline, const kd_picture_box *size,
                           const double *label_width, bool across);

#endif
