/* Views, moves, reductions and look-ups. */
#include <math.h>

#include "support/interpret_call.h"

void interpret_reshape(const call *c) {
  for (int64_t i = 0; i < kd_shape_count(&c->y_shape[0]); i++) c->y[0][i] = c->x[0][i];
}

void interpret_transpose(const call *c) {
  const kd_axes_attr *attr = c->attr;
  for (int64_t i = 0; i < kd_shape_count(&c->y_shape[0]); i++) {
    cell to = cell_of(&c->y_shape[0], i), from = {{0}};
    for (int axis = 0; axis < c->y_shape[0].rank; axis++) from.i[attr->axes[axis]] = to.i[axis];
    c->y[0][i] = c->x[0][flat_of(&c->x_shape[0], &from)];
  }
}

void interpret_broadcast(const call *c) {
  for (int64_t i = 0; i < kd_shape_count(&c->y_shape[0]); i++) {
    cell at = cell_of(&c->y_shape[0], i);
    c->y[0][i] = c->x[0][broadcast_flat(&c->x_shape[0], &c->y_shape[0], &at)];
  }
}

void interpret_slice(const call *c) {
  const kd_slice_attr *attr = c->attr;
  for (int64_t i = 0; i < kd_shape_count(&c->y_shape[0]); i++) {
    cell at = cell_of(&c->y_shape[0], i);
    for (int axis = 0; axis < c->y_shape[0].rank; axis++)
      at.i[axis] = attr->start[axis] + at.i[axis] * attr->step[axis];
    c->y[0][i] = c->x[0][flat_of(&c->x_shape[0], &at)];
  }
}

void interpret_pad(const call *c) {
  const kd_pad_attr *attr = c->attr;
  for (int64_t i = 0; i < kd_shape_count(&c->y_shape[0]); i++) c->y[0][i] = (double)attr->value;
  for (int64_t i = 0; i < kd_shape_count(&c->x_shape[0]); i++) {
    cell at = cell_of(&c->x_shape[0], i);
    for (int axis = 0; axis < c->x_shape[0].rank; axis++) at.i[axis] += attr->before[axis];
    c->y[0][flat_of(&c->y_shape[0], &at)] = c->x[0][i];
  }
}

void interpret_concat(const call *c) {
  const kd_axis_attr *attr = c->attr;
  int64_t start = 0;
  for (int k = 0; k < c->n_inputs; k++) {
    for (int64_t i = 0; i < kd_shape_count(&c->x_shape[k]); i++) {
      cell at = cell_of(&c->x_shape[k], i);
      at.i[attr->axis] += start;
      c->y[0][flat_of(&c->y_shape[0], &at)] = c->x[k][i];
    }
    start += c->x_shape[k].dim[attr->axis];
  }
}

static double first_value(kd_reduce_kind kind) {
  switch (kind) {
  case KD_REDUCE_MAX:
    return -INFINITY;
  case KD_REDUCE_MIN:
    return INFINITY;
  case KD_REDUCE_PROD:
    return 1;
  default:
    return 0;
  }
}

static double combine(kd_reduce_kind kind, double sum, double x) {
  switch (kind) {
  case KD_REDUCE_MAX:
    return isnan(sum) || isnan(x) ? NAN : x > sum ? x : sum;
  case KD_REDUCE_MIN:
    return isnan(sum) || isnan(x) ? NAN : x < sum ? x : sum;
  case KD_REDUCE_PROD:
    return sum * x;
  case KD_REDUCE_SUMSQ:
    return sum + x * x;
  default:
    return sum + x;
  }
}

void interpret_reduce(const call *c) {
  const kd_reduce_attr *attr = c->attr;
  const kd_shape *shape = &c->x_shape[0];
  kd_shape kept = *shape;
  for (int axis = 0; axis < shape->rank; axis++)
    if (attr->axis[axis]) kept.dim[axis] = 1;
  int64_t results = kd_shape_count(&kept), per_result = kd_shape_count(shape) / results;
  for (int64_t i = 0; i < results; i++) c->y[0][i] = first_value(attr->kind);
  for (int64_t i = 0; i < kd_shape_count(shape); i++) {
    cell at = cell_of(shape, i);
    double *y = &c->y[0][broadcast_flat(&kept, shape, &at)];
    *y = combine(attr->kind, *y, c->x[0][i]);
  }
  for (int64_t i = 0; attr->kind == KD_REDUCE_MEAN && i < results; i++) c->y[0][i] /= (double)per_result;
}

/* The interpreter is one rank. */
void interpret_exchange(const call *c) {
  for (int64_t i = 0; i < kd_shape_count(&c->y_shape[0]); i++) c->y[0][i] = c->x[0][i];
}

void interpret_argmax(const call *c) {
  int axis = ((const kd_axis_attr *)c->attr)->axis;
  const kd_shape *shape = &c->x_shape[0];
  int64_t size = shape->dim[axis], inner = kd_shape_span(shape, axis + 1, shape->rank);
  for (int64_t i = 0; i < kd_shape_count(&c->y_shape[0]); i++) {
    const double *x = c->x[0] + i / inner * size * inner + i % inner;
    int64_t best = 0;
    for (int64_t k = 1; k < size; k++)
      if (x[k * inner] > x[best * inner]) best = k;
    c->y[0][i] = (double)best;
  }
}

void interpret_in_top_k(const call *c) {
  int k = ((const kd_axis_attr *)c->attr)->axis;
  int64_t classes = c->x_shape[0].dim[1];
  for (int64_t row = 0; row < c->x_shape[0].dim[0]; row++) {
    const double *scores = c->x[0] + row * classes;
    int64_t label = (int64_t)c->x[1][row];
    if (label < 0 || label >= classes || !isfinite(scores[label])) continue;
    int larger = 0;
    for (int64_t i = 0; i < classes; i++) larger += scores[i] > scores[label];
    c->y[0][row] = larger < k;
  }
}

static int64_t clamped_id(double id, int64_t rows) {
  return id < 0 ? 0 : id > (double)(rows - 1) ? rows - 1 : (int64_t)id;
}

void interpret_gather(const call *c) {
  int64_t rows = c->x_shape[0].dim[0], width = c->x_shape[0].dim[1];
  for (int64_t i = 0; i < kd_shape_count(&c->x_shape[1]); i++)
    for (int64_t j = 0; j < width; j++)
      c->y[0][i * width + j] = c->x[0][clamped_id(c->x[1][i], rows) * width + j];
}

void interpret_scatter_add(const call *c) {
  int64_t rows = c->y_shape[0].dim[0], width = c->y_shape[0].dim[1];
  for (int64_t i = 0; c->n_inputs > 2 && i < rows * width; i++) c->y[0][i] = c->x[2][i];
  for (int64_t i = 0; c->n_inputs > 2 && i < kd_shape_count(&c->x_shape[0]); i++)
    for (int64_t j = 0; j < width; j++) c->y[0][clamped_id(c->x[0][i], rows) * width + j] = 0;
  for (int64_t i = 0; i < kd_shape_count(&c->x_shape[0]); i++)
    for (int64_t j = 0; j < width; j++)
      c->y[0][clamped_id(c->x[0][i], rows) * width + j] += c->x[1][i * width + j];
}
