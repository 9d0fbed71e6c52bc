/* Batch normalisation and its gradient, with and without relu, against double precision. */
#include "support/check.h"

#include <math.h>

#include "device/cpu/kernels.h"
#include "support/launch.h"

typedef struct norm_case {
  int64_t rows, channels;
  float mean, deviation;
} norm_case;

static const norm_case cases[] = {
    {1, 4, 0, 1},    {7, 1, 0, 1},       {50, 3, 0, 1},     {1000, 10, 0, 1},  {4099, 16, 0, 1},
    {300, 20, 3, 2}, {129, 23, 0, 1},    {2000, 32, -2, 1}, {700, 64, 0, 1},   {333, 100, 0, 1},
    {65, 257, 0, 1}, {520, 128, 100, 1}, {49, 2048, 0, 1},  {200000, 2, 5, 1}, {9000, 48, 0, 30},
};
enum { N_CASES = sizeof cases / sizeof *cases };
static const double epsilon = (double)1e-3f;

static void near(const norm_case *c, const char *what, int64_t at, float got, double expected,
                 double tolerance) {
  if (!(fabs((double)got - expected) <= tolerance))
    fail_msg("%lld x %lld, %s %lld: %.9g, expected %.9g (tolerance %g)", (long long)c->rows,
             (long long)c->channels, what, (long long)at, (double)got, expected, tolerance);
}

static void statistics(const norm_case *c, const float *x, int64_t channel, double *mean, double *variance) {
  double sum = 0.0, square = 0.0;
  for (int64_t r = 0; r < c->rows; r++) sum += (double)x[r * c->channels + channel];
  *mean = sum / (double)c->rows;
  for (int64_t r = 0; r < c->rows; r++) square += pow((double)x[r * c->channels + channel] - *mean, 2.0);
  *variance = square / (double)c->rows;
}

static void make_x(const norm_case *c, float *x) {
  for (int64_t i = 0; i < c->rows * c->channels; i++)
    x[i] = c->mean + c->deviation * (x[i] + (float)(i % c->channels) * 0.01f);
}

/* Cancellation in x - mean costs this much of a unit of y. */
static double tolerance_of(const norm_case *c) {
  return 4e-6 + 2e-7 * fabs((double)c->mean / (double)c->deviation);
}

static void check_forward(const norm_case *c, bool relu) {
  kd_norm_attr attr = {.epsilon = 1e-3f, .relu = relu};
  test_launch test;
  test_launch_start(&test, &kd_cpu_batch_norm, KD_OP_BATCH_NORM, &attr);
  float *x = test_launch_input(&test, KD_F32, KD_SHAPE(c->rows, c->channels));
  const float *gamma = test_launch_input(&test, KD_F32, KD_SHAPE(c->channels));
  const float *beta = test_launch_input(&test, KD_F32, KD_SHAPE(c->channels));
  make_x(c, x);
  const float *y = test_launch_output(&test, KD_SHAPE(c->rows, c->channels));
  const float *means = test_launch_output(&test, KD_SHAPE(c->channels));
  const float *variances = test_launch_output(&test, KD_SHAPE(c->channels));
  assert_ok(test_launch_prepare(&test));
  test_launch_run(&test);
  for (int64_t j = 0; j < c->channels; j++) {
    double mean, variance;
    statistics(c, x, j, &mean, &variance);
    near(c, "mean", j, means[j], mean, 1e-6 * sqrt(variance) + 1e-7 * fabs(mean));
    near(c, "variance", j, variances[j], variance, 3e-6 * variance);
    for (int64_t r = 0; r < c->rows; r++) {
      int64_t at = r * c->channels + j;
      double expected =
          ((double)x[at] - mean) / sqrt(variance + epsilon) * (double)gamma[j] + (double)beta[j];
      if (relu && expected < 0.0) expected = 0.0;
      near(c, "y", at, y[at], expected, tolerance_of(c));
    }
  }
  test_launch_end(&test);
}

static void forward(void **state) {
  (void)state;
  for (int i = 0; i < N_CASES; i++) {
    check_forward(&cases[i], false);
    check_forward(&cases[i], true);
  }
}

typedef struct grad_tensors {
  const float *x, *gamma, *beta, *mean, *variance, *dy, *dx, *dgamma, *dbeta;
} grad_tensors;

static void compare_gradient(const norm_case *c, bool relu, const grad_tensors *t, int64_t j) {
  double n = (double)c->rows, rstd = 1.0 / sqrt((double)t->variance[j] + epsilon), sum = 0.0, product = 0.0,
         size = 0.0;
  double *masked = calloc((size_t)c->rows, sizeof(double));
  for (int64_t r = 0; r < c->rows; r++) {
    int64_t at = r * c->channels + j;
    double hat = ((double)t->x[at] - (double)t->mean[j]) * rstd;
    /* dy is 0 near the kink (see clear_kinks), so rounding cannot change the mask. */
    bool open = !relu || hat * (double)t->gamma[j] + (double)t->beta[j] > 0.0;
    masked[r] = open ? (double)t->dy[at] : 0.0;
    sum += masked[r], product += masked[r] * hat, size += fabs(masked[r]);
  }
  near(c, "dbeta", j, t->dbeta[j], sum, 2e-6 * size + 1e-6);
  near(c, "dgamma", j, t->dgamma[j], product, (2e-6 + tolerance_of(c)) * size + 1e-6);
  for (int64_t r = 0; r < c->rows; r++) {
    int64_t at = r * c->channels + j;
    double hat = ((double)t->x[at] - (double)t->mean[j]) * rstd;
    double expected = (double)t->gamma[j] * rstd * (masked[r] - sum / n - hat * product / n);
    near(c, "dx", at, t->dx[at], expected, (double)fabsf(t->gamma[j]) * rstd * 3.0 * tolerance_of(c) + 1e-7);
  }
  free(masked);
}

static void clear_kinks(const norm_case *c, const grad_tensors *t, float *dy) {
  for (int64_t i = 0; i < c->rows * c->channels; i++) {
    int64_t j = i % c->channels;
    double hat = ((double)t->x[i] - (double)t->mean[j]) / sqrt((double)t->variance[j] + epsilon);
    if (fabs(hat * (double)t->gamma[j] + (double)t->beta[j]) < 1e-4) dy[i] = 0.0f;
  }
}

static void check_gradient(const norm_case *c, bool relu) {
  kd_norm_attr attr = {.epsilon = 1e-3f, .relu = relu};
  kd_shape shape = KD_SHAPE(c->rows, c->channels), channels = KD_SHAPE(c->channels);
  test_launch test;
  test_launch_start(&test, &kd_cpu_batch_norm_grad, KD_OP_BATCH_NORM_GRAD, &attr);
  grad_tensors t;
  float *x = test_launch_input(&test, KD_F32, shape);
  t.x = x;
  t.gamma = test_launch_input(&test, KD_F32, channels);
  t.beta = test_launch_input(&test, KD_F32, channels);
  float *mean = test_launch_input(&test, KD_F32, channels),
        *variance = test_launch_input(&test, KD_F32, channels);
  float *dy = test_launch_input(&test, KD_F32, shape);
  t.mean = mean, t.variance = variance, t.dy = dy;
  make_x(c, x);
  for (int64_t j = 0; j < c->channels; j++) {
    double m, v;
    statistics(c, x, j, &m, &v);
    mean[j] = (float)m, variance[j] = (float)v;
  }
  clear_kinks(c, &t, dy);
  t.dx = test_launch_output(&test, shape);
  t.dgamma = test_launch_output(&test, channels);
  t.dbeta = test_launch_output(&test, channels);
  assert_ok(test_launch_prepare(&test));
  test_launch_run(&test);
  for (int64_t j = 0; j < c->channels; j++) compare_gradient(c, relu, &t, j);
  test_launch_end(&test);
}

static void gradient(void **state) {
  (void)state;
  for (int i = 0; i < N_CASES; i++) {
    check_gradient(&cases[i], false);
    check_gradient(&cases[i], true);
  }
}

/* One, two and three threads give the same bits, images like flat rows. */
static void threads(void **state) {
  (void)state;
  kd_norm_attr attr = {.epsilon = 1e-3f};
  float first[2 * 20], *image = NULL;
  for (int count = 1; count <= 3; count++) {
    test_launch test;
    test_launch_start(&test, &kd_cpu_batch_norm, KD_OP_BATCH_NORM, &attr);
    test.device.threads = count;
    float *x = test_launch_input(&test, KD_F32, KD_SHAPE(8, 40, 40, 20));
    test_launch_input(&test, KD_F32, KD_SHAPE(20));
    test_launch_input(&test, KD_F32, KD_SHAPE(20));
    size_t bytes = kd_tensor_bytes(&test.input[0]);
    if (!image) image = memcpy(malloc(bytes), x, bytes);
    memcpy(x, image, bytes);
    test_launch_output(&test, KD_SHAPE(8, 40, 40, 20));
    const float *mean = test_launch_output(&test, KD_SHAPE(20)),
                *variance = test_launch_output(&test, KD_SHAPE(20));
    assert_ok(test_launch_prepare(&test));
    test_launch_run(&test);
    if (count == 1) memcpy(first, mean, sizeof first / 2), memcpy(first + 20, variance, sizeof first / 2);
    assert_memory_equal(first, mean, sizeof first / 2);
    assert_memory_equal(first + 20, variance, sizeof first / 2);
    test_launch_end(&test);
  }
  free(image);
}

/* A channel of equal values: variance is exactly 0 and y exactly beta. */
static void constant_channel(void **state) {
  (void)state;
  kd_norm_attr attr = {.epsilon = 1e-3f};
  test_launch test;
  test_launch_start(&test, &kd_cpu_batch_norm, KD_OP_BATCH_NORM, &attr);
  float *x = test_launch_input(&test, KD_F32, KD_SHAPE(100, 3));
  test_launch_input(&test, KD_F32, KD_SHAPE(3));
  const float *beta = test_launch_input(&test, KD_F32, KD_SHAPE(3));
  for (int i = 0; i < 300; i++) x[i] = 1234.567f;
  const float *y = test_launch_output(&test, KD_SHAPE(100, 3));
  test_launch_output(&test, KD_SHAPE(3));
  const float *variance = test_launch_output(&test, KD_SHAPE(3));
  assert_ok(test_launch_prepare(&test));
  test_launch_run(&test);
  for (int i = 0; i < 300; i++) assert_true(y[i] == beta[i % 3] && variance[i % 3] == 0.0f);
  test_launch_end(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(forward), cmocka_unit_test(gradient),
                                     cmocka_unit_test(threads), cmocka_unit_test(constant_channel)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
