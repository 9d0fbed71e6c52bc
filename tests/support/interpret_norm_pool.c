/* Batch normalisation, relu and pooling in one, put together from the interpreter's own parts. */
#include <math.h>

#include "device/base/memory.h"
#include "support/interpret_call.h"

static call pool_call(const kd_pool_attr *attr, const kd_shape *x, const kd_shape *y) {
  return (call){.attr = attr, .x_shape = {*x, *y, *y}, .y_shape = {*x}};
}

static kd_pool_attr pool_of(const kd_norm_pool_attr *attr) {
  int64_t height = attr->window[0], width = attr->window[1];
  return (kd_pool_attr){.spatial = 2, .window = {height, width}, .stride = {height, width}};
}

static double *cells(const kd_shape *shape) {
  return kd_calloc((size_t)kd_shape_count(shape), sizeof(double));
}

void interpret_norm_pool(const call *c) {
  const kd_norm_pool_attr *attr = c->attr;
  kd_norm_attr norm_attr = {.epsilon = attr->epsilon, .relu = true};
  kd_pool_attr pool_attr = pool_of(attr);
  double *y = cells(&c->x_shape[0]);
  call norm = *c;
  norm.attr = &norm_attr;
  norm.y[0] = y;
  interpret_batch_norm(&norm);
  call pool = pool_call(&pool_attr, &c->x_shape[0], &c->y_shape[0]);
  pool.y_shape[0] = c->y_shape[0];
  pool.x[0] = y;
  pool.y[0] = c->y[0];
  interpret_pool(&pool);
  kd_free(y);
}

/* The relu'd values that the forward pass had, from its own mean and variance. */
static void normalise(const call *c, float epsilon, double *y) {
  const kd_shape *shape = &c->x_shape[0];
  int64_t channels = shape->dim[3], count = kd_shape_count(shape);
  for (int64_t i = 0; i < count; i++) {
    int64_t j = i % channels;
    double value = (c->x[0][i] - c->x[3][j]) / sqrt(c->x[4][j] + (double)epsilon) * c->x[1][j] + c->x[2][j];
    y[i] = value > 0 ? value : 0;
  }
}

void interpret_norm_pool_grad(const call *c) {
  const kd_norm_pool_attr *attr = c->attr;
  kd_norm_attr norm_attr = {.epsilon = attr->epsilon, .relu = true};
  kd_pool_attr pool_attr = pool_of(attr);
  double *y = cells(&c->x_shape[0]), *dy = cells(&c->x_shape[0]), *pooled = cells(&c->x_shape[5]);
  normalise(c, attr->epsilon, y);
  call pool = pool_call(&pool_attr, &c->x_shape[0], &c->x_shape[5]);
  pool.y_shape[0] = c->x_shape[5];
  pool.x[0] = y;
  pool.y[0] = pooled;
  interpret_pool(&pool);
  call pool_grad = pool_call(&pool_attr, &c->x_shape[0], &c->x_shape[5]);
  pool_grad.x[0] = y, pool_grad.x[1] = pooled, pool_grad.x[2] = c->x[5];
  pool_grad.y[0] = dy;
  interpret_pool_grad(&pool_grad);
  call norm = *c;
  norm.attr = &norm_attr;
  norm.x[5] = dy;
  norm.x_shape[5] = c->x_shape[0];
  interpret_batch_norm_grad(&norm);
  kd_free(y), kd_free(dy), kd_free(pooled);
}
