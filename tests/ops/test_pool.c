/* Pooling and its gradient against plain loops that scan every window. */
#include "support/check.h"

#include <math.h>

#include "device/cpu/kernels.h"
#include "support/launch.h"

typedef struct pool_case {
  const char *name;
  int spatial;
  int64_t batch, channels;
  int64_t in[3], window[3], stride[3], before[3], after[3];
} pool_case;

static const pool_case cases[] = {
    {"2x2", 2, 3, 32, {8, 6}, {2, 2}, {2, 2}, {0, 0}, {0, 0}},
    {"2x2 with a rest", 2, 2, 20, {9, 7}, {2, 2}, {2, 2}, {0, 0}, {0, 0}},
    {"2x2 same, odd", 2, 2, 5, {7, 5}, {2, 2}, {2, 2}, {0, 0}, {1, 1}},
    {"3x3 stride 2 same", 2, 2, 64, {8, 8}, {3, 3}, {2, 2}, {0, 0}, {1, 1}},
    {"3x3 stride 2 padded", 2, 1, 19, {9, 11}, {3, 3}, {2, 2}, {1, 1}, {1, 1}},
    {"3x3 stride 1", 2, 2, 16, {6, 6}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
    {"gaps", 2, 2, 3, {8, 8}, {2, 1}, {3, 2}, {0, 0}, {0, 0}},
    {"one channel", 2, 2, 1, {8, 8}, {2, 2}, {2, 2}, {0, 0}, {0, 0}},
    {"global", 2, 2, 33, {7, 7}, {7, 7}, {1, 1}, {0, 0}, {0, 0}},
    {"1-D", 1, 3, 10, {21}, {4}, {3}, {1}, {2}},
    {"3-D", 3, 2, 8, {4, 5, 6}, {2, 3, 2}, {2, 1, 2}, {0, 1, 0}, {0, 1, 0}},
};

static int64_t out_size(const pool_case *c, int axis) {
  return (c->in[axis] + c->before[axis] + c->after[axis] - c->window[axis]) / c->stride[axis] + 1;
}

static kd_shape image(const pool_case *c, bool result) {
  kd_shape shape = {.rank = c->spatial + 2};
  shape.dim[0] = c->batch;
  for (int i = 0; i < c->spatial; i++) shape.dim[1 + i] = result ? out_size(c, i) : c->in[i];
  shape.dim[c->spatial + 1] = c->channels;
  return shape;
}

static kd_pool_attr attribute(const pool_case *c, bool average) {
  kd_pool_attr attr = {.spatial = c->spatial, .average = average};
  for (int i = 0; i < c->spatial; i++) {
    attr.window[i] = c->window[i];
    attr.stride[i] = c->stride[i];
    attr.pad_before[i] = c->before[i];
    attr.pad_after[i] = c->after[i];
  }
  return attr;
}

/* The input pixel below a window cell; -1 in the padding. */
static int64_t source_pixel(const pool_case *c, int64_t pixel, int64_t cell) {
  int64_t at[3], window[3], source = 0;
  for (int i = c->spatial - 1; i >= 0; i--) {
    at[i] = pixel % out_size(c, i), pixel /= out_size(c, i);
    window[i] = cell % c->window[i], cell /= c->window[i];
  }
  for (int i = 0; i < c->spatial; i++) {
    int64_t place = at[i] * c->stride[i] + window[i] - c->before[i];
    if (place < 0 || place >= c->in[i]) return -1;
    source = source * c->in[i] + place;
  }
  return source;
}

static void sizes(const pool_case *c, int64_t *pixels_in, int64_t *pixels, int64_t *cells) {
  *pixels_in = *pixels = *cells = 1;
  for (int i = 0; i < c->spatial; i++)
    *pixels_in *= c->in[i], *pixels *= out_size(c, i), *cells *= c->window[i];
}

/* y, and dx when dy is given. */
static void reference(const pool_case *c, bool average, const float *x, const float *dy, double *y,
                      double *dx) {
  int64_t pixels_in, pixels, cells;
  sizes(c, &pixels_in, &pixels, &cells);
  for (int64_t i = 0; i < c->batch * pixels * c->channels; i++) {
    int64_t channel = i % c->channels, pixel = i / c->channels % pixels, sample = i / c->channels / pixels;
    double best = -INFINITY, sum = 0.0;
    int64_t winner = -1, count = 0;
    for (int64_t cell = 0; cell < cells; cell++) {
      int64_t source = source_pixel(c, pixel, cell);
      if (source < 0) continue;
      int64_t at = (sample * pixels_in + source) * c->channels + channel;
      if (winner < 0 || (double)x[at] > best) best = (double)x[at], winner = at;
      sum += (double)x[at], count++;
    }
    y[i] = average ? sum / (double)count : best;
    if (!dy) continue;
    if (!average) dx[winner] += (double)dy[i];
    for (int64_t cell = 0; average && cell < cells; cell++) {
      int64_t source = source_pixel(c, pixel, cell);
      if (source >= 0)
        dx[(sample * pixels_in + source) * c->channels + channel] += (double)dy[i] / (double)count;
    }
  }
}

static void compare(const pool_case *c, const char *what, const float *got, const double *expected,
                    int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if (!(fabs((double)got[i] - expected[i]) <= 1e-6 * (1.0 + fabs(expected[i]))))
      fail_msg("%s, %s: element %lld of %lld is %g, expected %g", c->name, what, (long long)i,
               (long long)count, (double)got[i], expected[i]);
}

/* Few distinct values, so that windows have several maxima. */
static void make_ties(float *x, int64_t count) {
  for (int64_t i = 0; i < count; i++) x[i] = floorf(x[i] * 3.0f);
}

static void check_case(const pool_case *c, bool average) {
  kd_pool_attr attr = attribute(c, average);
  kd_shape x_shape = image(c, false), y_shape = image(c, true);
  int64_t x_count = kd_shape_count(&x_shape), y_count = kd_shape_count(&y_shape);
  double *y_expected = calloc((size_t)y_count, sizeof(double)),
         *dx_expected = calloc((size_t)x_count, sizeof(double));
  test_launch forward, backward;
  test_launch_start(&forward, &kd_cpu_pool, KD_OP_POOL, &attr);
  float *x = test_launch_input(&forward, KD_F32, x_shape);
  make_ties(x, x_count);
  float *y = test_launch_output(&forward, y_shape);
  assert_ok(test_launch_prepare(&forward));
  test_launch_run(&forward);
  test_launch_start(&backward, &kd_cpu_pool_grad, KD_OP_POOL_GRAD, &attr);
  memcpy(test_launch_input(&backward, KD_F32, x_shape), x, (size_t)x_count * sizeof(float));
  memcpy(test_launch_input(&backward, KD_F32, y_shape), y, (size_t)y_count * sizeof(float));
  const float *dy = test_launch_input(&backward, KD_F32, y_shape);
  float *dx = test_launch_output(&backward, x_shape);
  assert_ok(test_launch_prepare(&backward));
  test_launch_run(&backward);
  reference(c, average, x, dy, y_expected, dx_expected);
  compare(c, average ? "average" : "maximum", y, y_expected, y_count);
  compare(c, average ? "gradient of the average" : "gradient of the maximum", dx, dx_expected, x_count);
  test_launch_end(&forward);
  test_launch_end(&backward);
  free(y_expected);
  free(dx_expected);
}

static void maximum(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_case(&cases[i], false);
}

static void average(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_case(&cases[i], true);
}

static void special_values(void **state) {
  (void)state;
  kd_pool_attr attr = attribute(&(pool_case){"", 1, 1, 1, {6}, {2}, {2}, {0}, {0}}, false);
  test_launch test;
  test_launch_start(&test, &kd_cpu_pool, KD_OP_POOL, &attr);
  float *x = test_launch_input(&test, KD_F32, KD_SHAPE(1, 6, 1));
  memcpy(x, (float[]){NAN, 1.0f, 2.0f, NAN, -INFINITY, -INFINITY}, 6 * sizeof(float));
  float *y = test_launch_output(&test, KD_SHAPE(1, 3, 1));
  assert_ok(test_launch_prepare(&test));
  test_launch_run(&test);
  assert_true(isnan(y[0]) && isnan(y[1]) && y[2] == -INFINITY);
  test_launch_end(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(maximum), cmocka_unit_test(average),
                                     cmocka_unit_test(special_values)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
