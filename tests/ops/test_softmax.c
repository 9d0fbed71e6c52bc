/* Softmax, sparse cross-entropy and their gradients against double precision. */
#include "support/check.h"

#include <math.h>

#include "device/cpu/kernels.h"
#include "support/launch.h"

static const int64_t lengths[] = {1, 2, 7, 10, 16, 17, 31, 64, 100, 128, 1000, 8192};
enum { ROWS = 5, N_LENGTHS = sizeof lengths / sizeof *lengths };

/* Returns log(sum(exp(x - max))) + max. */
static double log_sum_exp(const float *x, int64_t n) {
  double largest = -INFINITY, sum = 0.0;
  for (int64_t i = 0; i < n; i++) largest = fmax(largest, (double)x[i]);
  for (int64_t i = 0; i < n; i++) sum += exp((double)x[i] - largest);
  return log(sum) + largest;
}

static void near(const char *what, int64_t n, int64_t at, float got, double expected, double tolerance) {
  if (!(fabs((double)got - expected) <= tolerance))
    fail_msg("%s of %lld, element %lld: %.9g, expected %.9g", what, (long long)n, (long long)at, (double)got,
             expected);
}

static void check_softmax(int64_t n, bool log_of, float size) {
  kd_softmax_attr attr = {.log = log_of};
  test_launch test;
  test_launch_start(&test, &kd_cpu_softmax, KD_OP_SOFTMAX, &attr);
  float *x = test_launch_input(&test, KD_F32, KD_SHAPE(ROWS, n));
  for (int64_t i = 0; i < ROWS * n; i++) x[i] *= size;
  const float *y = test_launch_output(&test, KD_SHAPE(ROWS, n));
  assert_ok(test_launch_prepare(&test));
  test_launch_run(&test);
  for (int64_t i = 0; i < ROWS * n; i++) {
    double expected = (double)x[i] - log_sum_exp(x + i / n * n, n);
    if (log_of)
      near("log-softmax", n, i, y[i], expected, 1e-6 + 1.2e-7 * fabs(expected));
    else
      near("softmax", n, i, y[i], exp(expected), (2e-6 + 1.2e-7 * fabs(expected)) * exp(expected) + 1e-37);
  }
  test_launch_end(&test);
}

static void forward(void **state) {
  (void)state;
  for (int i = 0; i < N_LENGTHS; i++) {
    check_softmax(lengths[i], false, 4.0f);
    check_softmax(lengths[i], true, 4.0f);
    check_softmax(lengths[i], false, 200.0f);
    check_softmax(lengths[i], true, 200.0f);
  }
}

static void check_gradient(int64_t n, bool log_of) {
  kd_softmax_attr attr = {.log = log_of};
  test_launch test;
  test_launch_start(&test, &kd_cpu_softmax_grad, KD_OP_SOFTMAX_GRAD, &attr);
  float *y = test_launch_input(&test, KD_F32, KD_SHAPE(ROWS, 1, n));
  const float *dy = test_launch_input(&test, KD_F32, KD_SHAPE(ROWS, 1, n));
  for (int64_t i = 0; i < ROWS * n; i++)
    y[i] = log_of ? y[i] * 3.0f - logf((float)n) : fabsf(y[i]) / (float)n;
  const float *dx = test_launch_output(&test, KD_SHAPE(ROWS, 1, n));
  assert_ok(test_launch_prepare(&test));
  test_launch_run(&test);
  for (int64_t i = 0; i < ROWS * n; i++) {
    double dot = 0.0;
    for (int64_t j = i / n * n; j < (i / n + 1) * n; j++)
      dot += (double)dy[j] * (log_of ? 1.0 : (double)y[j]);
    double expected = log_of ? (double)dy[i] - exp((double)y[i]) * dot : ((double)dy[i] - dot) * (double)y[i];
    near("gradient", n, i, dx[i], expected,
         3e-6 * (1.0 + exp(log_of ? (double)y[i] : 0.0) * sqrt((double)n)));
  }
  test_launch_end(&test);
}

static void gradient(void **state) {
  (void)state;
  for (int i = 0; i < N_LENGTHS; i++) {
    check_gradient(lengths[i], false);
    check_gradient(lengths[i], true);
  }
}

static void special_values(void **state) {
  (void)state;
  kd_softmax_attr attr = {0};
  test_launch test;
  test_launch_start(&test, &kd_cpu_softmax, KD_OP_SOFTMAX, &attr);
  float *x = test_launch_input(&test, KD_F32, KD_SHAPE(3, 3));
  memcpy(x, (float[]){NAN, 1, 2, -INFINITY, 1000, 1000, -1e9f, -1e9f, 0}, 9 * sizeof(float));
  const float *y = test_launch_output(&test, KD_SHAPE(3, 3));
  assert_ok(test_launch_prepare(&test));
  test_launch_run(&test);
  assert_true(isnan(y[0]) && isnan(y[1]) && isnan(y[2]));
  assert_close(y + 3, (float[]){0, 0.5f, 0.5f, 0, 0, 1}, 6, 0, 1e-7, "masked softmax");
  test_launch_end(&test);
}

static void set_label(kd_dtype dtype, void *labels, int64_t row, int64_t label) {
  if (dtype == KD_I32) ((int32_t *)labels)[row] = (int32_t)label;
  if (dtype == KD_I64) ((int64_t *)labels)[row] = label;
  if (dtype == KD_U8) ((uint8_t *)labels)[row] = (uint8_t)label;
}

static void check_xent(int64_t n, kd_dtype dtype) {
  kd_xent_attr attr = {.ignore = INT32_MIN};
  test_launch test, grad;
  test_launch_start(&test, &kd_cpu_sparse_xent, KD_OP_SPARSE_XENT, &attr);
  float *x = test_launch_input(&test, KD_F32, KD_SHAPE(ROWS, n));
  void *labels = test_launch_input(&test, dtype, KD_SHAPE(ROWS));
  const float *loss = test_launch_output(&test, KD_SHAPE(ROWS));
  const float *most = test_launch_output(&test, KD_SHAPE(ROWS));
  const float *sum = test_launch_output(&test, KD_SHAPE(ROWS));
  test_launch_start(&grad, &kd_cpu_sparse_xent_grad, KD_OP_SPARSE_XENT_GRAD, &attr);
  float *same = test_launch_input(&grad, KD_F32, KD_SHAPE(ROWS, n));
  void *same_labels = test_launch_input(&grad, dtype, KD_SHAPE(ROWS));
  float *same_most = test_launch_input(&grad, KD_F32, KD_SHAPE(ROWS));
  float *same_sum = test_launch_input(&grad, KD_F32, KD_SHAPE(ROWS));
  const float *dloss = test_launch_input(&grad, KD_F32, KD_SHAPE(ROWS));
  const float *dx = test_launch_output(&grad, KD_SHAPE(ROWS, n));
  for (int64_t i = 0; i < ROWS * n; i++) x[i] *= 10.0f;
  for (int row = 0; row < ROWS; row++) set_label(dtype, labels, row, row * 37 % (n < 256 ? n : 256));
  memcpy(same, x, (size_t)(ROWS * n) * sizeof(float));
  memcpy(same_labels, labels, kd_tensor_bytes(&test.input[1]));
  assert_ok(test_launch_prepare(&test));
  test_launch_run(&test);
  memcpy(same_most, most, ROWS * sizeof(float));
  memcpy(same_sum, sum, ROWS * sizeof(float));
  assert_ok(test_launch_prepare(&grad));
  test_launch_run(&grad);
  for (int row = 0; row < ROWS; row++) {
    int64_t label = row * 37 % (n < 256 ? n : 256);
    double all = log_sum_exp(x + row * n, n), expected = all - (double)x[row * n + label];
    near("loss", n, row, loss[row], expected, 2e-6 * (1.0 + expected));
    for (int64_t i = 0; i < n; i++) {
      expected = (exp((double)x[row * n + i] - all) - (i == label)) * (double)dloss[row];
      near("gradient of the loss", n, row * n + i, dx[row * n + i], expected, 1e-6);
    }
  }
  test_launch_end(&test);
  test_launch_end(&grad);
}

static void cross_entropy(void **state) {
  (void)state;
  static const kd_dtype types[] = {KD_I32, KD_I64, KD_U8};
  for (int i = 0; i < N_LENGTHS; i++) check_xent(lengths[i], types[i % 3]);
}

static void odd_labels(void **state) {
  (void)state;
  static const int32_t labels[] = {-1, 3, 2, 7};
  kd_xent_attr attr = {.ignore = 7};
  test_launch test;
  test_launch_start(&test, &kd_cpu_sparse_xent, KD_OP_SPARSE_XENT, &attr);
  test_launch_input(&test, KD_F32, KD_SHAPE(4, 3));
  memcpy(test_launch_input(&test, KD_I32, KD_SHAPE(4)), labels, sizeof labels);
  const float *loss = test_launch_output(&test, KD_SHAPE(4));
  test_launch_output(&test, KD_SHAPE(4));
  test_launch_output(&test, KD_SHAPE(4));
  assert_ok(test_launch_prepare(&test));
  test_launch_run(&test);
  assert_true(isnan(loss[0]) && isnan(loss[1]) && loss[2] > 0.0f && loss[3] == 0.0f);
  test_launch_end(&test);
  test_launch_start(&test, &kd_cpu_sparse_xent_grad, KD_OP_SPARSE_XENT_GRAD, &attr);
  test_launch_input(&test, KD_F32, KD_SHAPE(4, 3));
  memcpy(test_launch_input(&test, KD_I32, KD_SHAPE(4)), labels, sizeof labels);
  for (int i = 0; i < 3; i++) test_launch_input(&test, KD_F32, KD_SHAPE(4));
  const float *dx = test_launch_output(&test, KD_SHAPE(4, 3));
  assert_ok(test_launch_prepare(&test));
  test_launch_run(&test);
  assert_true(isnan(dx[0]) && isnan(dx[5]) && !isnan(dx[6]) && dx[9] == 0.0f && dx[11] == 0.0f);
  test_launch_end(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(forward), cmocka_unit_test(gradient),
                                     cmocka_unit_test(special_values), cmocka_unit_test(cross_entropy),
                                     cmocka_unit_test(odd_labels)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
