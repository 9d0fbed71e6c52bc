/* Poison: unwritten and dead memory of the arena holds NaN, and a plan with a wrong lifetime shows it. */
#include <math.h>

#include "layers/plan/internal.h"
#include "support/check.h"
#include "support/fake_backend.h"

typedef struct fixture {
  kd_device device;
  kd_graph *g;
  kd_plan *plan;
  float x[4], y[4];
} fixture;

/* y = (exp(x) x) exp(x): products cannot work in place, and exp(x) lives from the first step to the last. */
static fixture *begin(bool poison) {
  fixture *f = kd_calloc(1, sizeof *f);
  f->device = fake_device();
  f->g = kd_graph_create();
  for (int i = 0; i < 4; i++) f->x[i] = (float)i;
  kd_sym x = kd_input(f->g, KD_F32, KD_SHAPE(2, 2), 0, "x");
  kd_sym e = kd_unary(f->g, KD_PW_EXP, x);
  kd_sym product = kd_matmul(f->g, e, x, false, false);
  kd_sym y = kd_matmul(f->g, product, e, false, false);
  kd_binding bindings[] = {{x, f->x}, {y, f->y}};
  kd_plan_spec spec = {.graph = f->g,
                       .device = &f->device,
                       .n_bindings = 2,
                       .bindings = bindings,
                       .no_fusion = true,
                       .poison = poison};
  assert_ok(kd_plan_compile(&spec, &f->plan));
  return f;
}

static void end(fixture *f) {
  kd_plan_destroy(f->plan);
  kd_graph_destroy(f->g);
  kd_free(f);
}

static bool all_nan(const float *values, size_t bytes) {
  for (size_t i = 0; i < bytes / sizeof *values; i++)
    if (!isnan(values[i])) return false;
  return true;
}

static void test_memory_is_nan_outside_of_lives(void **unused) {
  (void)unused;
  fixture *f = begin(true);
  assert_true(f->plan->layout.arena_bytes >= 128);
  assert_true(all_nan(f->plan->arena, f->plan->layout.arena_bytes));
  assert_true(all_nan(f->plan->workspace, f->plan->workspace_bytes));
  assert_ok(kd_plan_run(f->plan, 1));
  assert_true(all_nan(f->plan->workspace, f->plan->workspace_bytes));
  for (int b = 0; b < f->plan->layout.n_blocks; b++)
    assert_true(all_nan((float *)((char *)f->plan->arena + f->plan->layout.block_offset[b]),
                        f->plan->layout.block_bytes[b]));
  for (int i = 0; i < 4; i++) assert_false(isnan(f->y[i]));
  end(f);
}

static void test_results_are_the_same(void **unused) {
  (void)unused;
  fixture *with = begin(true), *without = begin(false);
  for (int i = 0; i < 2; i++) {
    assert_ok(kd_plan_run(with->plan, 1));
    assert_ok(kd_plan_run(without->plan, 1));
    assert_memory_equal(with->y, without->y, sizeof with->y);
  }
  end(with);
  end(without);
}

/* The check itself works: a life cut short by one step gives NaN in the result. */
static void test_short_life_is_seen(void **unused) {
  (void)unused;
  fixture *f = begin(true);
  f->plan->layout.block_last[0]--;
  assert_ok(kd_plan_run(f->plan, 1));
  assert_true(isnan(f->y[0]));
  end(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_memory_is_nan_outside_of_lives),
      cmocka_unit_test(test_results_are_the_same),
      cmocka_unit_test(test_short_life_is_seen),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
