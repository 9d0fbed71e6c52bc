/* A reduction over any axes as passes over views (outer, n, inner), shared by backends. */
#ifndef KD_DEVICE_REDUCE_H
#define KD_DEVICE_REDUCE_H

#include "device/op.h"

/* A pass reduces the middle axis. */
typedef struct kd_reduce_view {
  int64_t outer, n, inner;
} kd_reduce_view;

/* Writes the passes that reduce x to view, from the innermost reduced axes to the outermost, and returns
 * their number: at least one, with n = 1 where no axis is reduced. x has elements. */
int kd_reduce_views(const kd_reduce_attr *attr, const kd_shape *x, kd_reduce_view view[KD_MAX_RANK]);

/* The result of no elements: 0, 1 or an infinity; a mean of nothing is NaN. */
float kd_reduce_nothing(kd_reduce_kind kind);

#endif
