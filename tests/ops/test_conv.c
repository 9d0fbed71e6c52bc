/* The three directions of a convolution against plain double loops. */
#include "support/check.h"

#include <math.h>

#include "device/cpu/isa.h"
#include "device/cpu/kernels.h"
#include "support/conv_case.h"
#include "support/launch.h"

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
  kd_conv_attr attr = conv_attribute(c, KD_SCALAR);
  attr.epilogue = c->epilogue;
  kd_shape y_shape = conv_image(c, true), kernel_size = conv_kernel(c);
  int64_t count = kd_shape_count(&y_shape);
  test_launch test;
  test_launch_start(&test, &kd_cpu_conv, KD_OP_CONV, &attr);
  sums s = {.sum = calloc((size_t)count, sizeof(double))};
  s.x = test_launch_input(&test, KD_F32, conv_image(c, false));
  s.kernel = test_launch_input(&test, KD_F32, kernel_size);
  test.weight_input[1] = weight;
  const float *bias = c->bias ? test_launch_input(&test, KD_F32, KD_SHAPE(c->filters)) : NULL;
  const float *y = test_launch_output(&test, y_shape);
  assert_ok(test_launch_prepare(&test));
  check_fast(&test);
  test_launch_run(&test);
  conv_visit(c, add_y, &s);
  for (int64_t i = 0; i < count; i++)
    s.sum[i] = activate(c->epilogue, s.sum[i] + (bias ? (double)bias[i % c->filters] : 0.0));
  compare(c, "forward", y, s.sum, count, (double)kd_shape_count(&kernel_size) / (double)c->filters);
  free(s.sum);
  test_launch_end(&test);
}

static void check_data(const conv_case *c, bool weight) {
  kd_shape x_shape = conv_image(c, false);
  kd_conv_attr attr = conv_attribute(c, x_shape);
  int64_t count = kd_shape_count(&x_shape);
  test_launch test;
  test_launch_start(&test, &kd_cpu_conv_grad_data, KD_OP_CONV_GRAD_DATA, &attr);
  sums s = {.sum = calloc((size_t)count, sizeof(double))};
  s.y = test_launch_input(&test, KD_F32, conv_image(c, true));
  s.kernel = test_launch_input(&test, KD_F32, conv_kernel(c));
  test.weight_input[1] = weight;
  const float *dx = test_launch_output(&test, x_shape);
  assert_ok(test_launch_prepare(&test));
  check_fast(&test);
  test_launch_run(&test);
  conv_visit(c, add_x, &s);
  compare(c, "gradient of the data", dx, s.sum, count,
          (double)(c->filters * conv_product(c->spatial, c->window)));
  free(s.sum);
  test_launch_end(&test);
}

static void check_kernel(const conv_case *c) {
  kd_shape shape = conv_kernel(c), y_shape = conv_image(c, true);
  kd_conv_attr attr = conv_attribute(c, shape);
  int64_t count = kd_shape_count(&shape);
  test_launch test;
  test_launch_start(&test, &kd_cpu_conv_grad_kernel, KD_OP_CONV_GRAD_KERNEL, &attr);
  sums s = {.sum = calloc((size_t)count, sizeof(double))};
  s.x = test_launch_input(&test, KD_F32, conv_image(c, false));
  s.y = test_launch_input(&test, KD_F32, y_shape);
  const float *dkernel = test_launch_output(&test, shape);
  assert_ok(test_launch_prepare(&test));
  check_fast(&test);
  test_launch_run(&test);
  conv_visit(c, add_kernel, &s);
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
  kd_conv_attr attr = conv_attribute(c, KD_SCALAR);
  kd_shape shape = conv_kernel(c);
  test_launch test;
  test_launch_start(&test, &kd_cpu_conv, KD_OP_CONV, &attr);
  test_launch_input(&test, KD_F32, conv_image(c, false));
  float *kernel = test_launch_input(&test, KD_F32, shape);
  test.weight_input[1] = true;
  float *y = test_launch_output(&test, conv_image(c, true));
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

/* y of x, or dx of dy, for `batch` copies of one sample; the last one is compared with `expected` or, for the
 * first call, becomes it. */
static void check_sample(conv_case c, bool gradient, int64_t batch, const float *sample, const float *kernel,
                         float *expected) {
  c.batch = batch;
  kd_conv_attr attr = conv_attribute(&c, conv_image(&c, false));
  kd_shape from = conv_image(&c, gradient), to = conv_image(&c, !gradient), size = conv_kernel(&c);
  int64_t in = kd_shape_span(&from, 1, from.rank), out = kd_shape_span(&to, 1, to.rank);
  test_launch test;
  test_launch_start(&test, gradient ? &kd_cpu_conv_grad_data : &kd_cpu_conv,
                    gradient ? KD_OP_CONV_GRAD_DATA : KD_OP_CONV, &attr);
  float *x = test_launch_input(&test, KD_F32, from);
  memcpy(x + (batch - 1) * in, sample, (size_t)in * sizeof(float));
  memcpy(test_launch_input(&test, KD_F32, size), kernel, (size_t)kd_shape_count(&size) * sizeof(float));
  const float *y = test_launch_output(&test, to);
  assert_ok(test_launch_prepare(&test));
  test_launch_run(&test);
  if (batch == 1) memcpy(expected, y, (size_t)out * sizeof(float));
  if (memcmp(expected, y + (batch - 1) * out, (size_t)out * sizeof(float)))
    fail_msg("%s: a sample has other bits in a batch of %lld", c.name, (long long)batch);
  test_launch_end(&test);
}

/* A sample's bits must not depend on the batch it is in. */
static void samples_alone(void **state) {
  (void)state;
  enum { ROOM = 1 << 16 };
  float *sample = malloc(ROOM * sizeof(float)), *kernel = malloc(ROOM * sizeof(float)),
        *expected = malloc(ROOM * sizeof(float));
  for (int i = 0; i < ROOM; i++) sample[i] = test_random(), kernel[i] = test_random();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int gradient = 0; gradient < 2; gradient++)
      for (int64_t batch = 1; batch <= 16; batch += 5)
        check_sample(cases[i], gradient, batch, sample, kernel, expected);
  free(sample);
  free(kernel);
  free(expected);
}

static void refused(void **state) {
  (void)state;
  const conv_case *c = &cases[0];
  kd_conv_attr attr = conv_attribute(c, KD_SCALAR);
  test_launch test;
  test_launch_start(&test, &kd_cpu_conv, KD_OP_CONV, &attr);
  test_launch_input(&test, KD_F16, conv_image(c, false));
  test_launch_input(&test, KD_F32, conv_kernel(c));
  test_launch_output(&test, conv_image(c, true));
  assert_fails(test_launch_prepare(&test), KD_ERR_INTERNAL, "convolution of float16 and float32");
  test_launch_end(&test);
  test_launch_start(&test, &kd_cpu_conv, KD_OP_CONV, &attr);
  test_launch_input(&test, KD_F32, conv_image(c, false));
  test_launch_input(&test, KD_F32, KD_SHAPE(3, 3, 4, 7));
  test_launch_output(&test, conv_image(c, true));
  assert_fails(test_launch_prepare(&test), KD_ERR_INTERNAL, "channels differ");
  test_launch_end(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(forward),
      cmocka_unit_test(gradient_of_data),
      cmocka_unit_test(gradient_of_kernel),
      cmocka_unit_test(renewed_weights),
      cmocka_unit_test(samples_alone),
      cmocka_unit_test(refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
