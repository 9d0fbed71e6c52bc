/* The three directions of a convolution against plain double loops. */
#include "support/check.h"

#include <math.h>

#include "device/cpu/isa.h"
#include "device/cpu/kernels.h"
#include "support/launch.h"

typedef struct conv_case {
  const char *name;
  int spatial;
  int64_t batch, channels, filters, groups;
  int64_t in[3], window[3], stride[3], dilation[3], before[3], after[3];
  bool bias;
  kd_epilogue epilogue;
} conv_case;

static const conv_case cases[] = {
    {"3x3 same", 2, 2, 5, 7, 1, {9, 8}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, true, KD_EPI_NONE},
    {"3x3 relu", 2, 3, 16, 32, 1, {10, 10}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, true, KD_EPI_RELU},
    {"3x3 tanh", 2, 1, 4, 4, 1, {6, 6}, {3, 3}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, true, KD_EPI_TANH},
    {"3x3 sigmoid", 2, 1, 4, 4, 1, {6, 6}, {3, 3}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, false, KD_EPI_SIGMOID},
    {"stride 2, uneven pads",
     2,
     2,
     16,
     17,
     1,
     {8, 11},
     {3, 3},
     {2, 2},
     {1, 1},
     {0, 1},
     {1, 1},
     true,
     KD_EPI_NONE},
    {"one channel", 2, 3, 1, 32, 1, {28, 28}, {3, 3}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, true, KD_EPI_RELU},
    {"one channel, same", 2, 2, 1, 8, 1, {9, 7}, {5, 5}, {1, 1}, {1, 1}, {2, 2}, {2, 2}, true, KD_EPI_NONE},
    {"three channels 7x7",
     2,
     2,
     3,
     16,
     1,
     {21, 21},
     {7, 7},
     {2, 2},
     {1, 1},
     {3, 3},
     {3, 3},
     false,
     KD_EPI_NONE},
    {"1x1", 2, 2, 19, 33, 1, {5, 6}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, true, KD_EPI_RELU},
    {"1x1 stride 2", 2, 2, 16, 32, 1, {7, 8}, {1, 1}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, true, KD_EPI_NONE},
    {"dilated", 2, 1, 6, 5, 1, {12, 12}, {3, 3}, {1, 1}, {2, 3}, {2, 3}, {2, 3}, true, KD_EPI_NONE},
    {"groups", 2, 2, 12, 8, 4, {7, 7}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, true, KD_EPI_NONE},
    {"depthwise", 2, 2, 20, 20, 20, {8, 8}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, true, KD_EPI_NONE},
    {"depthwise, 2 per channel",
     2,
     2,
     16,
     32,
     16,
     {8, 8},
     {3, 3},
     {2, 2},
     {1, 1},
     {0, 0},
     {1, 1},
     true,
     KD_EPI_NONE},
    {"1-D", 1, 3, 10, 12, 1, {30}, {5}, {1}, {1}, {4}, {0}, true, KD_EPI_NONE},
    {"1-D strided, dilated", 1, 3, 8, 16, 1, {31}, {3}, {2}, {1}, {1}, {1}, true, KD_EPI_NONE},
    {"3-D",
     3,
     2,
     4,
     6,
     1,
     {5, 6, 7},
     {3, 2, 3},
     {1, 2, 1},
     {1, 1, 1},
     {1, 0, 1},
     {1, 1, 1},
     true,
     KD_EPI_NONE},
    {"3-D depthwise",
     3,
     1,
     8,
     8,
     8,
     {4, 5, 6},
     {2, 3, 2},
     {1, 1, 1},
     {1, 1, 1},
     {0, 1, 0},
     {1, 1, 1},
     true,
     KD_EPI_NONE},
};

static int64_t out_size(const conv_case *c, int axis) {
  int64_t reach = (c->window[axis] - 1) * c->dilation[axis] + 1;
  return (c->in[axis] + c->before[axis] + c->after[axis] - reach) / c->stride[axis] + 1;
}

static kd_shape image(const conv_case *c, bool result) {
  kd_shape shape = {.rank = c->spatial + 2};
  shape.dim[0] = c->batch;
  for (int i = 0; i < c->spatial; i++) shape.dim[1 + i] = result ? out_size(c, i) : c->in[i];
  shape.dim[c->spatial + 1] = result ? c->filters : c->channels;
  return shape;
}

static kd_shape kernel_shape(const conv_case *c) {
  kd_shape shape = {.rank = c->spatial + 2};
  for (int i = 0; i < c->spatial; i++) shape.dim[i] = c->window[i];
  shape.dim[c->spatial] = c->channels / c->groups;
  shape.dim[c->spatial + 1] = c->filters;
  return shape;
}

static kd_conv_attr attribute(const conv_case *c, kd_shape shape) {
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

static int64_t product(int count, const int64_t *size) {
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

/* Calls for every product of the convolution: y[yi] += x[xi] * kernel[ki]. */
typedef void (*visit_fn)(void *context, int64_t xi, int64_t ki, int64_t yi);

static void visit(const conv_case *c, visit_fn fn, void *context) {
  int64_t pixels_in = product(c->spatial, c->in), cells = product(c->spatial, c->window), pixels = 1;
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

typedef struct sums {
  const float *x, *kernel, *y;
  double *sum;
} sums;

static void add_y(void *context, int64_t xi, int64_t ki, int64_t yi) {
  sums *s = context;
  s->sum[yi] += (double)s->x[xi] * (double)s->kernel[ki];
}

static void add_x(void *context, int64_t xi, int64_t ki, int64_t yi) {
  sums *s = context;
  s->sum[xi] += (double)s->y[yi] * (double)s->kernel[ki];
}

static void add_kernel(void *context, int64_t xi, int64_t ki, int64_t yi) {
  sums *s = context;
  s->sum[ki] += (double)s->y[yi] * (double)s->x[xi];
}

static void compare(const conv_case *c, const char *what, const float *got, const double *expected,
                    int64_t count, double terms) {
  for (int64_t i = 0; i < count; i++)
    if (!(fabs((double)got[i] - expected[i]) <= 3e-6 * (1.0 + sqrt(terms))))
      fail_msg("%s, %s: element %lld of %lld is %g, expected %g", c->name, what, (long long)i,
               (long long)count, (double)got[i], expected[i]);
}

static double activate(kd_epilogue epilogue, double x) {
  if (epilogue == KD_EPI_RELU) return x > 0.0 ? x : 0.0;
  if (epilogue == KD_EPI_TANH) return tanh(x);
  return epilogue == KD_EPI_SIGMOID ? 1.0 / (1.0 + exp(-x)) : x;
}

/* oneDNN has fast code for every case where there is AVX-512. */
static void check_fast(const test_launch *test) {
  if (kd_isa_available() == KD_ISA_V4 && !getenv("KDIST_ISA")) assert_false(test->launch.slow);
}

static void check_forward(const conv_case *c, bool weight) {
  kd_conv_attr attr = attribute(c, KD_SCALAR);
  attr.epilogue = c->epilogue;
  kd_shape y_shape = image(c, true), kernel_size = kernel_shape(c);
  int64_t count = kd_shape_count(&y_shape);
  test_launch test;
  test_launch_start(&test, &kd_cpu_conv, KD_OP_CONV, &attr);
  sums s = {.sum = calloc((size_t)count, sizeof(double))};
  s.x = test_launch_input(&test, KD_F32, image(c, false));
  s.kernel = test_launch_input(&test, KD_F32, kernel_size);
  test.weight_input[1] = weight;
  const float *bias = c->bias ? test_launch_input(&test, KD_F32, KD_SHAPE(c->filters)) : NULL;
  const float *y = test_launch_output(&test, y_shape);
  assert_ok(test_launch_prepare(&test));
  check_fast(&test);
  test_launch_run(&test);
  visit(c, add_y, &s);
  for (int64_t i = 0; i < count; i++)
    s.sum[i] = activate(c->epilogue, s.sum[i] + (bias ? (double)bias[i % c->filters] : 0.0));
  compare(c, "forward", y, s.sum, count, (double)kd_shape_count(&kernel_size) / (double)c->filters);
  free(s.sum);
  test_launch_end(&test);
}

static void check_data(const conv_case *c, bool weight) {
  kd_shape x_shape = image(c, false);
  kd_conv_attr attr = attribute(c, x_shape);
  int64_t count = kd_shape_count(&x_shape);
  test_launch test;
  test_launch_start(&test, &kd_cpu_conv_grad_data, KD_OP_CONV_GRAD_DATA, &attr);
  sums s = {.sum = calloc((size_t)count, sizeof(double))};
  s.y = test_launch_input(&test, KD_F32, image(c, true));
  s.kernel = test_launch_input(&test, KD_F32, kernel_shape(c));
  test.weight_input[1] = weight;
  const float *dx = test_launch_output(&test, x_shape);
  assert_ok(test_launch_prepare(&test));
  check_fast(&test);
  test_launch_run(&test);
  visit(c, add_x, &s);
  compare(c, "gradient of the data", dx, s.sum, count, (double)(c->filters * product(c->spatial, c->window)));
  free(s.sum);
  test_launch_end(&test);
}

static void check_kernel(const conv_case *c) {
  kd_shape shape = kernel_shape(c), y_shape = image(c, true);
  kd_conv_attr attr = attribute(c, shape);
  int64_t count = kd_shape_count(&shape);
  test_launch test;
  test_launch_start(&test, &kd_cpu_conv_grad_kernel, KD_OP_CONV_GRAD_KERNEL, &attr);
  sums s = {.sum = calloc((size_t)count, sizeof(double))};
  s.x = test_launch_input(&test, KD_F32, image(c, false));
  s.y = test_launch_input(&test, KD_F32, y_shape);
  const float *dkernel = test_launch_output(&test, shape);
  assert_ok(test_launch_prepare(&test));
  check_fast(&test);
  test_launch_run(&test);
  visit(c, add_kernel, &s);
  compare(c, "gradient of the kernel", dkernel, s.sum, count,
          (double)kd_shape_count(&y_shape) / (double)c->filters);
  test_launch_rerun(&test);
  compare(c, "gradient of the kernel, again", dkernel, s.sum, count,
          (double)kd_shape_count(&y_shape) / (double)c->filters);
  free(s.sum);
  test_launch_end(&test);
}

static void forward(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int weight = 0; weight < 2; weight++) check_forward(&cases[i], weight);
}

static void gradient_of_data(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int weight = 0; weight < 2; weight++) check_data(&cases[i], weight);
}

static void gradient_of_kernel(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_kernel(&cases[i]);
}

/* A kept copy of the kernel is renewed by refresh, and only there. */
static void renewed_weights(void **state) {
  (void)state;
  const conv_case *c = &cases[1];
  kd_conv_attr attr = attribute(c, KD_SCALAR);
  kd_shape shape = kernel_shape(c);
  test_launch test;
  test_launch_start(&test, &kd_cpu_conv, KD_OP_CONV, &attr);
  test_launch_input(&test, KD_F32, image(c, false));
  float *kernel = test_launch_input(&test, KD_F32, shape);
  test.weight_input[1] = true;
  float *y = test_launch_output(&test, image(c, true));
  assert_ok(test_launch_prepare(&test));
  assert_true(test.launch.state_bytes > 0);
  test_launch_run(&test);
  float before = y[0];
  assert_true(before != 0.0f);
  for (int64_t i = 0; i < kd_shape_count(&shape); i++) kernel[i] *= 2.0f;
  assert_ok(test.kernel->refresh(&test.launch));
  test_launch_rerun(&test);
  assert_true(y[0] == 2.0f * before);
  test_launch_end(&test);
}

static void refused(void **state) {
  (void)state;
  const conv_case *c = &cases[0];
  kd_conv_attr attr = attribute(c, KD_SCALAR);
  test_launch test;
  test_launch_start(&test, &kd_cpu_conv, KD_OP_CONV, &attr);
  test_launch_input(&test, KD_F16, image(c, false));
  test_launch_input(&test, KD_F32, kernel_shape(c));
  test_launch_output(&test, image(c, true));
  assert_fails(test_launch_prepare(&test), KD_ERR_USAGE, "x is float16");
  test_launch_end(&test);
  test_launch_start(&test, &kd_cpu_conv, KD_OP_CONV, &attr);
  test_launch_input(&test, KD_F32, image(c, false));
  test_launch_input(&test, KD_F32, KD_SHAPE(3, 3, 4, 7));
  test_launch_output(&test, image(c, true));
  assert_fails(test_launch_prepare(&test), KD_ERR_INTERNAL, "channels differ");
  test_launch_end(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(forward),
      cmocka_unit_test(gradient_of_data),
      cmocka_unit_test(gradient_of_kernel),
      cmocka_unit_test(renewed_weights),
      cmocka_unit_test(refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
