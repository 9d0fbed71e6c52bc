/* The geometry of a pooling window, always with three spatial axes; unused ones come first with size 1. */
#ifndef KD_CPU_POOL_SHAPE_H
#define KD_CPU_POOL_SHAPE_H

#include "device/op.h"

typedef struct kd_pool_shape {
  int64_t batch, channels;
  int64_t in[KD_MAX_SPATIAL], out[KD_MAX_SPATIAL];
  int64_t window[KD_MAX_SPATIAL], stride[KD_MAX_SPATIAL], before[KD_MAX_SPATIAL];
  bool disjoint; /* no input cell is in two windows */
  bool covered;  /* every input cell is in a window */
} kd_pool_shape;

#endif
