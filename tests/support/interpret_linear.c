/* Matrix products, convolutions and pooling. */
#include "support/interpret_call.h"

/* Element (i, j) of a matrix that begins at `matrix`, transposed when asked. */
static double element(const kd_shape *shape, const double *matrix, bool transposed, int64_t i, int64_t j) {
  return matrix[transposed ? j * shape->dim[shape->rank - 1] + i : i * shape->dim[shape->rank - 1] + j];
}

/* The first element of the matrix of x that belongs to batch cell `at` of y. */
static const double *matrix_at(const call *c, int input, const kd_shape *lead_y, const cell *at) {
  kd_shape lead = c->x_shape[input];
  lead.rank -= 2;
  int64_t size = kd_shape_span(&c->x_shape[input], lead.rank, lead.rank + 2);
  return c->x[input] + broadcast_flat(&lead, lead_y, at) * size;
}

void interpret_matmul(const call *c) {
  const kd_matmul_attr *attr = c->attr;
  const kd_shape *a = &c->x_shape[0], *b = &c->x_shape[1], *y = &c->y_shape[0];
  int64_t m = y->dim[y->rank - 2], n = y->dim[y->rank - 1];
  int64_t k = attr->transpose_a ? a->dim[a->rank - 2] : a->dim[a->rank - 1];
  kd_shape lead = *y;
  lead.rank -= 2;
  for (int64_t batch = 0; batch < kd_shape_count(&lead); batch++) {
    cell at = cell_of(&lead, batch);
    const double *ma = matrix_at(c, 0, &lead, &at), *mb = matrix_at(c, 1, &lead, &at);
    for (int64_t e = 0; e < m * n; e++) {
      double sum = c->n_inputs == 3 ? c->x[2][e % n] : 0;
      for (int64_t p = 0; p < k; p++)
        sum += element(a, ma, attr->transpose_a, e / n, p) * element(b, mb, attr->transpose_b, p, e % n);
      c->y[0][batch * m * n + e] = apply_epilogue(attr->epilogue, sum);
    }
  }
}

/* Calls visit for each triple (x element, kernel element, y element) that meet in the convolution. */
typedef void (*visit_fn)(const call *c, int64_t x, int64_t kernel, int64_t y);

static void visit_window(const call *c, const kd_shape *x, const kd_shape *kernel, int64_t y_flat,
                         const cell *out, visit_fn visit) {
  const kd_conv_attr *attr = c->attr;
  int spatial = attr->spatial;
  int64_t filters = kernel->dim[spatial + 1], group_filters = filters / attr->groups;
  int64_t group = out->i[spatial + 1] / group_filters;
  for (int64_t k = 0; k < kd_shape_count(kernel); k++) {
    cell tap = cell_of(kernel, k), in = {{0}};
    bool inside = tap.i[spatial + 1] == out->i[spatial + 1];
    in.i[0] = out->i[0];
    in.i[spatial + 1] = group * kernel->dim[spatial] + tap.i[spatial];
    for (int s = 0; s < spatial; s++) {
      in.i[s + 1] = out->i[s + 1] * attr->stride[s] + tap.i[s] * attr->dilation[s] - attr->pad_before[s];
      inside = inside && in.i[s + 1] >= 0 && in.i[s + 1] < x->dim[s + 1];
    }
    if (inside) visit(c, flat_of(x, &in), k, y_flat);
  }
}

static void visit_all(const call *c, const kd_shape *x, const kd_shape *kernel, const kd_shape *y,
                      visit_fn visit) {
  for (int64_t i = 0; i < kd_shape_count(y); i++) {
    cell out = cell_of(y, i);
    visit_window(c, x, kernel, i, &out, visit);
  }
}

static void add_to_y(const call *c, int64_t x, int64_t kernel, int64_t y) {
  c->y[0][y] += c->x[0][x] * c->x[1][kernel];
}

static void add_to_dx(const call *c, int64_t x, int64_t kernel, int64_t y) {
  c->y[0][x] += c->x[0][y] * c->x[1][kernel];
}

static void add_to_dkernel(const call *c, int64_t x, int64_t kernel, int64_t y) {
  c->y[0][kernel] += c->x[0][x] * c->x[1][y];
}

void interpret_conv(const call *c) {
  const kd_conv_attr *attr = c->attr;
  int64_t filters = c->y_shape[0].dim[attr->spatial + 1];
  visit_all(c, &c->x_shape[0], &c->x_shape[1], &c->y_shape[0], add_to_y);
  for (int64_t i = 0; i < kd_shape_count(&c->y_shape[0]); i++)
    c->y[0][i] = apply_epilogue(attr->epilogue, c->y[0][i] + (c->n_inputs == 3 ? c->x[2][i % filters] : 0));
}

void interpret_conv_grad_data(const call *c) {
  visit_all(c, &c->y_shape[0], &c->x_shape[1], &c->x_shape[0], add_to_dx);
}

void interpret_conv_grad_kernel(const call *c) {
  visit_all(c, &c->x_shape[0], &c->y_shape[0], &c->x_shape[1], add_to_dkernel);
}

/* The input element under tap `tap` of the window of result cell `out`; -1 in the padding. */
static int64_t window_element(const call *c, const cell *out, int64_t tap) {
  const kd_pool_attr *attr = c->attr;
  kd_shape taps = kd_shape_make(attr->spatial, attr->window);
  cell offset = cell_of(&taps, tap), in = *out;
  for (int s = 0; s < attr->spatial; s++) {
    in.i[s + 1] = out->i[s + 1] * attr->stride[s] + offset.i[s] - attr->pad_before[s];
    if (in.i[s + 1] < 0 || in.i[s + 1] >= c->x_shape[0].dim[s + 1]) return -1;
  }
  return flat_of(&c->x_shape[0], &in);
}

/* What a window holds: real cells only. */
typedef struct window {
  int64_t taps, count, first_max;
  double sum;
} window;

static window read_window(const call *c, const cell *out) {
  const kd_pool_attr *attr = c->attr;
  window w = {.taps = 1, .first_max = -1};
  for (int s = 0; s < attr->spatial; s++) w.taps *= attr->window[s];
  for (int64_t tap = 0; tap < w.taps; tap++) {
    int64_t at = window_element(c, out, tap);
    if (at < 0) continue;
    w.count++;
    w.sum += c->x[0][at];
    if (w.first_max < 0 || c->x[0][at] > c->x[0][w.first_max]) w.first_max = at;
  }
  return w;
}

void interpret_pool(const call *c) {
  const kd_pool_attr *attr = c->attr;
  for (int64_t i = 0; i < kd_shape_count(&c->y_shape[0]); i++) {
    cell out = cell_of(&c->y_shape[0], i);
    window w = read_window(c, &out);
    c->y[0][i] = attr->average ? w.sum / (double)w.count : c->x[0][w.first_max];
  }
}

void interpret_pool_grad(const call *c) {
  const kd_pool_attr *attr = c->attr;
  for (int64_t i = 0; i < kd_shape_count(&c->x_shape[2]); i++) {
    cell out = cell_of(&c->x_shape[2], i);
    window w = read_window(c, &out);
    if (!attr->average) c->y[0][w.first_max] += c->x[2][i];
    for (int64_t tap = 0; attr->average && tap < w.taps; tap++) {
      int64_t at = window_element(c, &out, tap);
      if (at >= 0) c->y[0][at] += c->x[2][i] / (double)w.count;
    }
  }
}
