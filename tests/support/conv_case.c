#include "support/conv_case.h"

static int64_t out_size(const conv_case *c, int axis) {
  int64_t reach = (c->window[axis] - 1) * c->dilation[axis] + 1;
  return (c->in[axis] + c->before[axis] + c->after[axis] - reach) / c->stride[axis] + 1;
}

kd_shape conv_image(const conv_case *c, bool result) {
  kd_shape shape = {.rank = c->spatial + 2};
  shape.dim[0] = c->batch;
  for (int i = 0; i < c->spatial; i++) shape.dim[1 + i] = result ? out_size(c, i) : c->in[i];
  shape.dim[c->spatial + 1] = result ? c->filters : c->channels;
  return shape;
}

kd_shape conv_kernel(const conv_case *c) {
  kd_shape shape = {.rank = c->spatial + 2};
  for (int i = 0; i < c->spatial; i++) shape.dim[i] = c->window[i];
  shape.dim[c->spatial] = c->channels / c->groups;
  shape.dim[c->spatial + 1] = c->filters;
  return shape;
}

kd_conv_attr conv_attribute(const conv_case *c, kd_shape shape) {
  kd_conv_attr attr = {.spatial = c->spatial, .groups = c->groups, .shape = shape};
  for (int i = 0; i < c->spatial; i++) {
    attr.stride[i] = c->stride[i];
    attr.dilation[i] = c->dilation[i];
    attr.pad_before[i] = c->before[i];
    attr.pad_after[i] = c->after[i];
  }
  return attr;
}

/* Splits a number into coordinates of the spatial axes. */
static void coordinates(int64_t number, int spatial, const int64_t *size, int64_t *at) {
  for (int i = spatial - 1; i >= 0; i--) {
    at[i] = number % size[i];
    number /= size[i];
  }
}

int64_t conv_product(int count, const int64_t *size) {
  int64_t all = 1;
  for (int i = 0; i < count; i++) all *= size[i];
  return all;
}

/* The input pixel below window cell `cell` of output pixel `pixel`; -1 in the padding. */
static int64_t source_pixel(const conv_case *c, int64_t pixel, int64_t cell) {
  int64_t out[3], at[3], window[3], source = 0;
  for (int i = 0; i < c->spatial; i++) out[i] = out_size(c, i);
  coordinates(pixel, c->spatial, out, at);
  coordinates(cell, c->spatial, c->window, window);
  for (int i = 0; i < c->spatial; i++) {
    int64_t place = at[i] * c->stride[i] + window[i] * c->dilation[i] - c->before[i];
    if (place < 0 || place >= c->in[i]) return -1;
    source = source * c->in[i] + place;
  }
  return source;
}

void conv_visit(const conv_case *c, conv_visit_fn fn, void *context) {
  int64_t pixels_in = conv_product(c->spatial, c->in), cells = conv_product(c->spatial, c->window),
          pixels = 1;
  for (int i = 0; i < c->spatial; i++) pixels *= out_size(c, i);
  int64_t inputs = c->channels / c->groups, outputs = c->filters / c->groups;
  for (int64_t n = 0; n < c->batch; n++)
    for (int64_t pixel = 0; pixel < pixels; pixel++)
      for (int64_t cell = 0; cell < cells; cell++) {
        int64_t source = source_pixel(c, pixel, cell);
        if (source < 0) continue;
        for (int64_t f = 0; f < c->filters; f++)
          for (int64_t i = 0; i < inputs; i++)
            fn(context, (n * pixels_in + source) * c->channels + f / outputs * inputs + i,
               (cell * inputs + i) * c->filters + f, (n * pixels + pixel) * c->filters + f);
      }
}
