#include "support/check.h"

#include <math.h>

#include "device/cpu/isa.h"
#include "device/cpu/kernels.h"
#include "support/launch.h"

/* Sum over k in double precision at one place of the result; strides in elements. */
static double dot(const float *a, int64_t a_step, const float *b, int64_t b_step, int64_t k) {
  double sum = 0.0;
  for (int64_t i = 0; i < k; i++) sum += (double)a[i * a_step] * (double)b[i * b_step];
  return sum;
}

static double activate(kd_epilogue epilogue, double x) {
  if (epilogue == KD_EPI_RELU) return x > 0.0 ? x : 0.0;
  if (epilogue == KD_EPI_TANH) return tanh(x);
  return epilogue == KD_EPI_SIGMOID ? 1.0 / (1.0 + exp(-x)) : x;
}

static void check_product(int64_t m, int64_t k, int64_t n, bool ta, bool tb, bool bias,
                          kd_epilogue epilogue) {
  kd_matmul_attr attr = {.transpose_a = ta, .transpose_b = tb, .epilogue = epilogue};
  test_launch test;
  test_launch_start(&test, &kd_cpu_matmul, KD_OP_MATMUL, &attr);
  const float *a = test_launch_input(&test, KD_F32, ta ? KD_SHAPE(k, m) : KD_SHAPE(m, k));
  const float *b = test_launch_input(&test, KD_F32, tb ? KD_SHAPE(n, k) : KD_SHAPE(k, n));
  const float *c = bias ? test_launch_input(&test, KD_F32, KD_SHAPE(n)) : NULL;
  const float *y = test_launch_output(&test, KD_SHAPE(m, n));
  assert_ok(test_launch_prepare(&test));
  test_launch_run(&test);
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      double sum = dot(ta ? a + i : a + i * k, ta ? m : 1, tb ? b + j * k : b + j, tb ? 1 : n, k);
      double expected = activate(epilogue, sum + (c ? (double)c[j] : 0.0));
      if (!(fabs(expected - (double)y[i * n + j]) <= 3e-6 * sqrt((double)k) + 1e-6))
        fail_msg("(%lld, %lld, %lld) %d%d at %lld, %lld: %g, expected %g", (long long)m, (long long)k,
                 (long long)n, ta, tb, (long long)i, (long long)j, (double)y[i * n + j], expected);
    }
  test_launch_end(&test);
}

static void products(void **state) {
  (void)state;
  static const int64_t sizes[][3] = {{1, 1, 1},    {1, 7, 3},      {5, 1, 4},     {3, 9, 1},   {33, 17, 19},
                                     {64, 64, 64}, {128, 784, 10}, {2, 300, 257}, {100, 3, 65}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int form = 0; form < 8; form++)
      check_product(sizes[i][0], sizes[i][1], sizes[i][2], form & 1, form & 2, form & 4, KD_EPI_NONE);
  for (kd_epilogue epilogue = KD_EPI_NONE; epilogue <= KD_EPI_SIGMOID; epilogue++) {
    check_product(33, 65, 21, false, false, true, epilogue);
    check_product(33, 65, 21, false, true, false, epilogue);
  }
}

/* Leading axes: y[p, q] = op(a)[p or 0, q or 0] op(b)[p or 0, q or 0]. */
static void check_batched(kd_shape a_lead, kd_shape b_lead, int64_t p, int64_t q, bool ta, bool tb) {
  enum { M = 6, K = 5, N = 7 };
  kd_matmul_attr attr = {.transpose_a = ta, .transpose_b = tb};
  kd_shape shapes[2] = {a_lead, b_lead};
  int64_t tail[2][2] = {{ta ? K : M, ta ? M : K}, {tb ? N : K, tb ? K : N}};
  test_launch test;
  test_launch_start(&test, &kd_cpu_matmul, KD_OP_MATMUL, &attr);
  const float *data[2];
  for (int i = 0; i < 2; i++) {
    shapes[i].dim[shapes[i].rank++] = tail[i][0];
    shapes[i].dim[shapes[i].rank++] = tail[i][1];
    data[i] = test_launch_input(&test, KD_F32, shapes[i]);
  }
  const float *y = test_launch_output(&test, KD_SHAPE(p, q, M, N));
  assert_ok(test_launch_prepare(&test));
  test_launch_run(&test);
  int64_t step[2][2];
  for (int i = 0; i < 2; i++) {
    const kd_shape *shape = &shapes[i];
    int64_t matrix = tail[i][0] * tail[i][1];
    int64_t last = shape->rank > 2 ? shape->dim[shape->rank - 3] : 1,
            first = shape->rank > 3 ? shape->dim[0] : 1;
    step[i][1] = last > 1 ? matrix : 0;
    step[i][0] = first > 1 ? matrix * last : 0;
  }
  for (int64_t u = 0; u < p; u++)
    for (int64_t v = 0; v < q; v++)
      for (int64_t i = 0; i < M; i++)
        for (int64_t j = 0; j < N; j++) {
          const float *a = data[0] + u * step[0][0] + v * step[0][1] + (ta ? i : i * K);
          const float *b = data[1] + u * step[1][0] + v * step[1][1] + (tb ? j * K : j);
          float expected = (float)dot(a, ta ? M : 1, b, tb ? 1 : N, K);
          assert_close(&y[((u * q + v) * M + i) * N + j], &expected, 1, 1e-5, 1e-5, "batched product");
        }
  test_launch_end(&test);
}

static void batches(void **state) {
  (void)state;
  for (int form = 0; form < 4; form++) {
    bool ta = form & 1, tb = form & 2;
    check_batched(KD_SHAPE(3, 4), KD_SHAPE(3, 4), 3, 4, ta, tb);
    check_batched(KD_SHAPE(3, 4), KD_SCALAR, 3, 4, ta, tb);
    check_batched(KD_SCALAR, KD_SHAPE(3, 4), 3, 4, ta, tb);
    check_batched(KD_SHAPE(3, 1), KD_SHAPE(1, 4), 3, 4, ta, tb);
    check_batched(KD_SHAPE(4), KD_SHAPE(3, 4), 3, 4, ta, tb);
    check_batched(KD_SHAPE(3, 4), KD_SHAPE(3, 1), 3, 4, ta, tb);
    check_batched(KD_SHAPE(1, 1), KD_SHAPE(1, 1), 1, 1, ta, tb);
  }
}

/* A row's bits must not depend on how many rows stand beside it: serving one sample equals training. */
static void rows_alone(void **state) {
  (void)state;
  if (kd_isa_available() != KD_ISA_V4 || getenv("KDIST_ISA"))
    skip(); /* other code for one row below AVX-512 */
  enum { K = 784, N = 130 };
  static const int64_t rows[] = {1, 2, 7, 32, 64, 130};
  float first[N], weights[K * N], row[K];
  for (int i = 0; i < K * N; i++) weights[i] = test_random();
  for (int i = 0; i < K; i++) row[i] = test_random();
  for (int form = 0; form < 2; form++)
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
      kd_matmul_attr attr = {.transpose_b = form == 1};
      test_launch test;
      test_launch_start(&test, &kd_cpu_matmul, KD_OP_MATMUL, &attr);
      float *a = test_launch_input(&test, KD_F32, KD_SHAPE(rows[i], K));
      memcpy(a + (rows[i] - 1) * K, row, sizeof row);
      memcpy(test_launch_input(&test, KD_F32, form ? KD_SHAPE(N, K) : KD_SHAPE(K, N)), weights,
             sizeof weights);
      const float *y = test_launch_output(&test, KD_SHAPE(rows[i], N));
      assert_ok(test_launch_prepare(&test));
      test_launch_run(&test);
      if (i == 0) memcpy(first, y, sizeof first);
      assert_memory_equal(first, y + (rows[i] - 1) * N, sizeof first);
      test_launch_end(&test);
    }
}

static void refused(void **state) {
  (void)state;
  kd_matmul_attr attr = {0};
  test_launch test;
  test_launch_start(&test, &kd_cpu_matmul, KD_OP_MATMUL, &attr);
  test_launch_input(&test, KD_F16, KD_SHAPE(2, 3));
  test_launch_input(&test, KD_F32, KD_SHAPE(3, 4));
  test_launch_output(&test, KD_SHAPE(2, 4));
  assert_fails(test_launch_prepare(&test), KD_ERR_INTERNAL, "matmul of float16 and float32");
  test_launch_end(&test);
  test_launch_start(&test, &kd_cpu_matmul, KD_OP_MATMUL, &attr);
  test_launch_input(&test, KD_F32, KD_SHAPE(2, 3));
  test_launch_input(&test, KD_F32, KD_SHAPE(4, 4));
  test_launch_output(&test, KD_SHAPE(2, 4));
  assert_fails(test_launch_prepare(&test), KD_ERR_INTERNAL, "(2, 3) and (4, 4)");
  test_launch_end(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(products), cmocka_unit_test(batches),
                                     cmocka_unit_test(rows_alone), cmocka_unit_test(refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
