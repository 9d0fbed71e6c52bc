/* gelu and its gradient have a kernel of their own: its bits are those of the steps, at every instruction
 * set, on whole vectors and their rests. A program with one result more is no gelu, so it runs as steps. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "device/cpu/isa.h"
#include "layers/plan/plan.h"
#include "support/check.h"
#include "support/compute.h"

enum { FED = 3, MOST = 100000 };

typedef struct gelu {
  kd_graph *g;
  kd_sym fed[FED]; /* x, 1 + erf, dy */
  kd_sym y, u, dx, inner;
} gelu;

static gelu make(int64_t n) {
  gelu f = {.g = kd_graph_create()};
  kd_graph *g = f.g;
  static const char *const names[FED] = {"x", "u", "dy"};
  for (int i = 0; i < FED; i++) f.fed[i] = kd_input(g, KD_F32, KD_SHAPE(n), i, names[i]);
  kd_sym x = f.fed[0], scaled = kd_scale(g, x, sqrt(0.5));
  f.u = kd_shift(g, kd_unary(g, KD_PW_ERF, scaled), 1);
  f.y = kd_scale(g, kd_mul(g, x, f.u), 0.5);
  kd_sym dy = kd_scale(g, f.fed[2], 0.5), square = kd_unary(g, KD_PW_SQUARE, scaled);
  f.inner = kd_unary(g, KD_PW_EXP, kd_unary(g, KD_PW_NEG, square));
  kd_sym slope = kd_scale(g, f.inner, M_2_SQRTPI);
  f.dx = kd_add(g, kd_mul(g, dy, f.fed[1]), kd_scale(g, kd_mul(g, kd_mul(g, dy, x), slope), sqrt(0.5)));
  return f;
}

/* The first of the results, from a plan that computes all of them. */
static float *first_of(const gelu *f, const float *const *fed, int count, const kd_sym *wanted) {
  float *results[FED];
  compute(f->g, COMPUTE_PLAN, fed, count, wanted, results);
  for (int i = 1; i < count; i++) kd_free(results[i]);
  return results[0];
}

static void check_result(const gelu *f, const float *const *fed, int64_t n, kd_sym result, kd_sym other,
                         kd_sym third) {
  float *alone = first_of(f, fed, 1, (kd_sym[]){result});
  float *kept = first_of(f, fed, 2, (kd_sym[]){result, other});
  float *steps = first_of(f, fed, 3, (kd_sym[]){result, other, third}), *reference;
  compute(f->g, COMPUTE_REFERENCE, fed, 1, &result, &reference);
  assert_memory_equal(alone, steps, (size_t)n * sizeof(float));
  assert_memory_equal(kept, steps, (size_t)n * sizeof(float));
  assert_close(alone, reference, (size_t)n, 2e-6, 2e-6, "gelu");
  kd_free(alone);
  kd_free(kept);
  kd_free(steps);
  kd_free(reference);
}

static void check(int64_t n) {
  gelu f = make(n);
  const float **fed = kd_calloc((size_t)f.g->n_syms, sizeof *fed);
  float *values[FED];
  for (int i = 0; i < FED; i++) {
    values[i] = kd_calloc((size_t)n, sizeof(float));
    for (int64_t k = 0; k < n; k++) values[i][k] = (float)(4 * sin(1.3 * (double)k + i));
    fed[f.fed[i]] = values[i];
  }
  check_result(&f, fed, n, f.y, f.u, f.inner);
  check_result(&f, fed, n, f.dx, f.inner, f.u);
  for (int i = 0; i < FED; i++) kd_free(values[i]);
  kd_free(fed);
  kd_graph_destroy(f.g);
}

static void bits_of_steps(void **state) {
  (void)state;
  static const int64_t sizes[] = {1, 15, 16, 17, 255, 256, 300, MOST};
  for (int isa = (int)kd_isa_available(); isa >= 0; isa--) {
    setenv("KDIST_ISA", kd_isa_name((kd_isa)isa), 1);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) check(sizes[i]);
  }
  unsetenv("KDIST_ISA");
}

/* Whether a plan that computes the tensors has a launch of the kernel. */
static bool has_kernel(const gelu *f, int64_t n, int count, const kd_sym *wanted) {
  kd_binding bindings[2 * FED];
  int used = 0;
  for (int i = 0; i < FED; i++)
    bindings[used++] = (kd_binding){f->fed[i], kd_calloc((size_t)n, sizeof(float))};
  for (int i = 0; i < count; i++)
    bindings[used++] = (kd_binding){wanted[i], kd_calloc((size_t)n, sizeof(float))};
  kd_device device;
  assert_ok(kd_device_open("cpu", 0, 1, true, &device));
  kd_plan_spec spec = {.graph = f->g, .device = &device, .n_bindings = used, .bindings = bindings};
  kd_plan *plan;
  assert_ok(kd_plan_compile(&spec, &plan));
  kd_pool *pool = kd_pool_create();
  bool found = strstr(kd_plan_text(plan, pool), "{gelu}") != NULL;
  kd_pool_destroy(pool);
  kd_plan_destroy(plan);
  kd_device_close(&device);
  for (int i = 0; i < used; i++) kd_free(bindings[i].address);
  return found;
}

static void only_gelu_is_found(void **state) {
  (void)state;
  gelu f = make(64);
  assert_true(has_kernel(&f, 64, 1, &f.y));
  assert_true(has_kernel(&f, 64, 2, (kd_sym[]){f.u, f.y}));
  assert_true(has_kernel(&f, 64, 1, &f.dx));
  assert_false(has_kernel(&f, 64, 3, (kd_sym[]){f.y, f.u, f.inner}));
  assert_false(has_kernel(&f, 64, 2, (kd_sym[]){f.dx, f.inner}));
  assert_false(has_kernel(&f, 64, 1, &f.u));
  kd_graph_destroy(f.g);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(bits_of_steps), cmocka_unit_test(only_gelu_is_found)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
