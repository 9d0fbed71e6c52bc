/* Adam's update has a kernel of its own: its values are the program's, on whole vectors and their rests;
 * programs that only look like it stay with the steps. */
#include <math.h>

#include "layers/plan/plan.h"
#include "support/check.h"
#include "support/compute.h"

enum { FED = 6, RESULTS = 3, MOST = 300000 };

typedef struct rule {
  kd_graph *g;
  kd_sym fed[FED]; /* w, g, m, v, alpha, which rows have a gradient */
  kd_sym result[RESULTS];
} rule;

/* rows 0: one range of `width` elements, of which all have a gradient. */
static rule make(int64_t rows, int64_t width, bool square_root) {
  rule r = {.g = kd_graph_create()};
  kd_graph *g = r.g;
  static const char *const names[FED] = {"w", "g", "m", "v", "alpha", "used"};
  kd_shape shape = rows ? KD_SHAPE(rows, width) : KD_SHAPE(width);
  for (int i = 0; i < FED - 1; i++) r.fed[i] = kd_input(g, KD_F32, i < 4 ? shape : KD_SCALAR, i, names[i]);
  r.fed[FED - 1] = kd_input(g, KD_F32, KD_SHAPE(rows ? rows : 1, 1), FED - 1, names[FED - 1]);
  kd_sym w = r.fed[0], gradient = r.fed[1], m = r.fed[2], v = r.fed[3];
  if (rows) gradient = kd_select(g, r.fed[FED - 1], gradient, kd_const(g, 0));
  m = kd_add(g, m, kd_scale(g, kd_sub(g, gradient, m), 0.1));
  v = kd_add(g, v, kd_scale(g, kd_sub(g, kd_unary(g, KD_PW_SQUARE, gradient), v), 0.001));
  kd_sym root = kd_shift(g, kd_unary(g, square_root ? KD_PW_SQRT : KD_PW_ABS, v), 1e-7);
  r.result[0] = kd_sub(g, w, kd_div(g, kd_mul(g, m, r.fed[4]), root));
  r.result[1] = m;
  r.result[2] = v;
  return r;
}

static void check(int64_t rows, int64_t width, bool square_root) {
  rule r = make(rows, width, square_root);
  int64_t n = rows ? rows * width : width;
  const float **fed = kd_calloc((size_t)r.g->n_syms, sizeof *fed);
  float *values[FED], *expected[RESULTS], *found[RESULTS];
  for (int i = 0; i < FED; i++) {
    values[i] = kd_calloc((size_t)n, sizeof(float));
    for (int64_t k = 0; k < n; k++) values[i][k] = (float)(sin(1.3 * (double)k + i) + (i == 3 ? 1.001 : 0));
    fed[r.fed[i]] = values[i];
  }
  values[4][0] = 0.01f;
  for (int64_t i = 0; i < rows; i++) {
    values[5][i] = (float)(i % 5 == 1) * 3;
    if (values[5][i] == 0) values[1][i * width] = NAN; /* must not be read */
  }
  compute(r.g, COMPUTE_REFERENCE, fed, RESULTS, r.result, expected);
  compute(r.g, COMPUTE_PLAN, fed, RESULTS, r.result, found);
  for (int i = 0; i < RESULTS; i++) {
    assert_close(found[i], expected[i], (size_t)n, 1e-5, 1e-6, "result");
    kd_free(found[i]);
    kd_free(expected[i]);
  }
  for (int i = 0; i < FED; i++) kd_free(values[i]);
  kd_free(fed);
  kd_graph_destroy(r.g);
}

static void values_of_adam(void **state) {
  (void)state;
  static const int64_t sizes[] = {1, 15, 16, 17, 255, 256, 300, 5003, MOST};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) check(0, sizes[i], true);
}

static void values_of_rows(void **state) {
  (void)state;
  static const int64_t widths[] = {1, 3, 16, 64, 256, 300, 1000};
  for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) check(77, widths[i], true);
}

static void similar_programs(void **state) {
  (void)state;
  check(0, 5003, false);
  check(40, 17, false);
}

/* The text of the launches of a plan of the rule. */
static bool has_kernel(int64_t rows, int64_t width, bool square_root) {
  rule r = make(rows, width, square_root);
  kd_binding bindings[FED + RESULTS];
  for (int i = 0; i < FED; i++) bindings[i] = (kd_binding){r.fed[i], kd_calloc(64, sizeof(float))};
  /* as in training: new values take the place of the old ones */
  static const int place[RESULTS] = {0, 2, 3};
  for (int i = 0; i < RESULTS; i++) bindings[FED + i] = (kd_binding){r.result[i], bindings[place[i]].address};
  kd_device device;
  assert_ok(kd_device_open("cpu", 0, 1, true, &device));
  kd_plan_spec spec = {.graph = r.g, .device = &device, .n_bindings = FED + RESULTS, .bindings = bindings};
  kd_plan *plan;
  assert_ok(kd_plan_compile(&spec, &plan));
  kd_pool *pool = kd_pool_create();
  bool found = strstr(kd_plan_text(plan, pool), "{adam}") != NULL;
  kd_pool_destroy(pool);
  kd_plan_destroy(plan);
  kd_device_close(&device);
  for (int i = 0; i < FED; i++) kd_free(bindings[i].address);
  kd_graph_destroy(r.g);
  return found;
}

static void only_adam_is_found(void **state) {
  (void)state;
  assert_true(has_kernel(0, 64, true));
  assert_true(has_kernel(4, 16, true));
  assert_false(has_kernel(0, 64, false));
  assert_false(has_kernel(4, 16, false));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(values_of_adam), cmocka_unit_test(values_of_rows),
                                     cmocka_unit_test(similar_programs),
                                     cmocka_unit_test(only_adam_is_found)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
