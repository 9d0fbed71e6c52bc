#include "device/reduce.h"

#include <math.h>

/* Runs of axes that are all reduced or all kept; axes of size 1 are dropped. */
typedef struct groups {
  int count;
  int64_t size[KD_MAX_RANK];
  bool reduced[KD_MAX_RANK];
} groups;

static groups find_groups(const kd_reduce_attr *attr, const kd_shape *x) {
  groups g = {0};
  for (int d = 0; d < x->rank; d++) {
    if (x->dim[d] == 1) continue;
    if (g.count && g.reduced[g.count - 1] == attr->axis[d]) {
      g.size[g.count - 1] *= x->dim[d];
    } else {
      g.reduced[g.count] = attr->axis[d];
      g.size[g.count++] = x->dim[d];
    }
  }
  return g;
}

int kd_reduce_views(const kd_reduce_attr *attr, const kd_shape *x, kd_reduce_view view[KD_MAX_RANK]) {
  groups g = find_groups(attr, x);
  int64_t inner = 1;
  int count = 0;
  for (int i = g.count - 1; i >= 0; i--) {
    if (!g.reduced[i]) {
      inner *= g.size[i];
      continue;
    }
    int64_t outer = 1;
    for (int before = 0; before < i; before++) outer *= g.size[before];
    view[count++] = (kd_reduce_view){outer, g.size[i], inner};
  }
  if (count == 0) view[count++] = (kd_reduce_view){1, 1, inner};
  return count;
}

float kd_reduce_nothing(kd_reduce_kind kind) {
  static const float value[] = {
      [KD_REDUCE_SUM] = 0.0f,     [KD_REDUCE_MEAN] = NAN,  [KD_REDUCE_MAX] = -INFINITY,
      [KD_REDUCE_MIN] = INFINITY, [KD_REDUCE_PROD] = 1.0f, [KD_REDUCE_SUMSQ] = 0.0f,
  };
  return value[kind];
}
