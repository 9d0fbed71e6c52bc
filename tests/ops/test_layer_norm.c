/* Layer normalisation and its gradient against double precision. */
#include "support/check.h"

#include <math.h>

#include "device/cpu/kernels.h"
#include "support/launch.h"

static const struct {
  int64_t rows, n;
  float mean;
} cases[] = {{1, 1, 0},     {3, 2, 0},     {50, 7, 0},     {4, 16, 0},   {9, 33, 0},    {130, 64, 5},
             {700, 100, 0}, {33, 512, -3}, {20, 768, 100}, {2, 5000, 0}, {1025, 128, 0}};
enum { N_CASES = sizeof cases / sizeof *cases };
static const double epsilon = (double)1e-3f;

static void near(const char *what, int64_t n, int64_t at, float got, double expected, double tolerance) {
  if (!(fabs((double)got - expected) <= tolerance))
    fail_msg("%s, rows of %lld, element %lld: %.9g, expected %.9g", what, (long long)n, (long long)at,
             (double)got, expected);
}

static void statistics(const float *x, int64_t n, double *mean, double *rstd) {
  double sum = 0.0, square = 0.0;
  for (int64_t i = 0; i < n; i++) sum += (double)x[i];
  *mean = sum / (double)n;
  for (int64_t i = 0; i < n; i++) square += pow((double)x[i] - *mean, 2.0);
  *rstd = 1.0 / sqrt(square / (double)n + epsilon);
}

static void check_forward(int64_t rows, int64_t n, float offset) {
  kd_norm_attr attr = {.epsilon = 1e-3f};
  test_launch test;
  test_launch_start(&test, &kd_cpu_layer_norm, KD_OP_LAYER_NORM, &attr);
  float *x = test_launch_input(&test, KD_F32, KD_SHAPE(rows, n));
  for (int64_t i = 0; i < rows * n; i++) x[i] += offset;
  const float *gamma = test_launch_input(&test, KD_F32, KD_SHAPE(n));
  const float *beta = test_launch_input(&test, KD_F32, KD_SHAPE(n));
  const float *y = test_launch_output(&test, KD_SHAPE(rows, n));
  const float *means = test_launch_output(&test, KD_SHAPE(rows)),
              *rstds = test_launch_output(&test, KD_SHAPE(rows));
  assert_ok(test_launch_prepare(&test));
  test_launch_run(&test);
  double tolerance = 4e-6 + 3e-7 * fabs((double)offset);
  for (int64_t r = 0; r < rows; r++) {
    double mean, rstd;
    statistics(x + r * n, n, &mean, &rstd);
    near("mean", n, r, means[r], mean, 2e-7 * (1.0 + fabs(mean)));
    near("rstd", n, r, rstds[r], rstd, 2e-6 * rstd);
    for (int64_t i = 0; i < n; i++) {
      double expected = ((double)x[r * n + i] - mean) * rstd * (double)gamma[i] + (double)beta[i];
      near("y", n, r * n + i, y[r * n + i], expected, tolerance);
    }
  }
  test_launch_end(&test);
}

static void forward(void **state) {
  (void)state;
  for (int i = 0; i < N_CASES; i++) check_forward(cases[i].rows, cases[i].n, cases[i].mean);
}

typedef struct grad_tensors {
  const float *x, *gamma, *dy, *dx;
  float *mean, *rstd;
  double *dgamma, *dbeta;
} grad_tensors;

static void compare_row(const grad_tensors *t, int64_t r, int64_t n, double tolerance) {
  const float *x = t->x + r * n, *dy = t->dy + r * n;
  double g = 0.0, gh = 0.0, mean = (double)t->mean[r], rstd = (double)t->rstd[r];
  for (int64_t i = 0; i < n; i++) {
    double hat = ((double)x[i] - mean) * rstd;
    g += (double)dy[i] * (double)t->gamma[i];
    gh += (double)dy[i] * (double)t->gamma[i] * hat;
    t->dgamma[i] += (double)dy[i] * hat;
    t->dbeta[i] += (double)dy[i];
  }
  for (int64_t i = 0; i < n; i++) {
    double hat = ((double)x[i] - mean) * rstd;
    double expected = rstd * ((double)dy[i] * (double)t->gamma[i] - g / (double)n - hat * gh / (double)n);
    near("dx", n, r * n + i, t->dx[r * n + i], expected, rstd * tolerance);
  }
}

static void check_gradient(int64_t rows, int64_t n, float offset) {
  kd_norm_attr attr = {.epsilon = 1e-3f};
  test_launch test;
  grad_tensors t = {.dgamma = calloc((size_t)n, sizeof(double)), .dbeta = calloc((size_t)n, sizeof(double))};
  test_launch_start(&test, &kd_cpu_layer_norm_grad, KD_OP_LAYER_NORM_GRAD, &attr);
  float *x = test_launch_input(&test, KD_F32, KD_SHAPE(rows, n));
  for (int64_t i = 0; i < rows * n; i++) x[i] += offset;
  t.x = x;
  t.gamma = test_launch_input(&test, KD_F32, KD_SHAPE(n));
  t.mean = test_launch_input(&test, KD_F32, KD_SHAPE(rows));
  t.rstd = test_launch_input(&test, KD_F32, KD_SHAPE(rows));
  t.dy = test_launch_input(&test, KD_F32, KD_SHAPE(rows, n));
  for (int64_t r = 0; r < rows; r++) {
    double mean, rstd;
    statistics(x + r * n, n, &mean, &rstd);
    t.mean[r] = (float)mean, t.rstd[r] = (float)rstd;
  }
  t.dx = test_launch_output(&test, KD_SHAPE(rows, n));
  const float *dgamma = test_launch_output(&test, KD_SHAPE(n)),
              *dbeta = test_launch_output(&test, KD_SHAPE(n));
  assert_ok(test_launch_prepare(&test));
  test_launch_run(&test);
  for (int64_t r = 0; r < rows; r++) compare_row(&t, r, n, 6e-6 + 3e-7 * fabs((double)offset));
  for (int64_t i = 0; i < n; i++) {
    near("dgamma", n, i, dgamma[i], t.dgamma[i], 2e-6 * (double)rows + 1e-6);
    near("dbeta", n, i, dbeta[i], t.dbeta[i], 1e-6 * (double)rows + 1e-6);
  }
  free(t.dgamma);
  free(t.dbeta);
  test_launch_end(&test);
}

static void gradient(void **state) {
  (void)state;
  for (int i = 0; i < N_CASES; i++) check_gradient(cases[i].rows, cases[i].n, cases[i].mean);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(forward), cmocka_unit_test(gradient)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
