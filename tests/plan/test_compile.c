/* Compiling and running plans: work in place, marks, failures, refresh of weights, dead code, dry plans. */
#include "plan/plan_fixture.h"

static void test_chain(void **unused) {
  (void)unused;
  fixture *f = begin();
  float x[4] = {1, 2, 3, 4}, y[4], expected[4] = {9, 16, 25, 36};
  kd_sym sum = kd_shift(f->g, input4(f, x), 2);
  bind(f, kd_unary(f->g, KD_PW_SQUARE, sum), y);
  compile_and_run(f);
  assert_close(y, expected, 4, 0, 0, "y");
  assert_int_equal(kd_plan_get_stats(f->plan).n_launches, 2);
  end(f);
}

static void test_dead_code_is_dropped(void **unused) {
  (void)unused;
  fixture *f = begin();
  float x[4] = {1, 2, 3, 4}, y[4];
  kd_sym in = input4(f, x);
  kd_sym unused_weight = kd_weight_sym(f->g, KD_F32, vector4, 0, "unused");
  kd_add(f->g, kd_unary(f->g, KD_PW_EXP, in), unused_weight);
  bind(f, kd_unary(f->g, KD_PW_NEG, in), y);
  compile_and_run(f);
  assert_int_equal(kd_plan_get_stats(f->plan).n_launches, 1);
  assert_float_equal(y[3], -4, 0);
  end(f);
}

/* A chain of n steps of equal size needs one block when each works in place. */
static void test_works_in_place(void **unused) {
  (void)unused;
  fixture *f = begin();
  float x[4] = {1, 2, 3, 4}, y[4];
  kd_sym s = input4(f, x);
  for (int i = 0; i < 6; i++) s = kd_shift(f->g, s, 1);
  bind(f, s, y);
  compile_and_run(f);
  assert_int_equal(kd_plan_get_stats(f->plan).arena_bytes, 64);
  assert_float_equal(y[0], 7, 0);
  assert_float_equal(x[0], 1, 0);
  end(f);
}

/* a + a*a: `a` is read after its square is made, so the square must not overwrite it. */
static void test_no_place_while_alive(void **unused) {
  (void)unused;
  fixture *f = begin();
  float x[4] = {1, 2, 3, 4}, y[4], expected[4] = {6, 12, 20, 30};
  kd_sym a = kd_shift(f->g, input4(f, x), 1);
  bind(f, kd_add(f->g, a, kd_unary(f->g, KD_PW_SQUARE, a)), y);
  compile_and_run(f);
  assert_close(y, expected, 4, 0, 0, "y");
  end(f);
}

/* A vector that broadcasts is read once per row: it cannot be overwritten, though it dies. */
static void test_broadcast_is_not_overwritten(void **unused) {
  (void)unused;
  fixture *f = begin();
  float x[4] = {1, 2, 3, 4}, m[12] = {0}, y[12];
  kd_sym row = kd_shift(f->g, input4(f, x), 1);
  kd_sym matrix = kd_input(f->g, KD_F32, KD_SHAPE(3, 4), 1, "m");
  bind(f, matrix, m);
  bind(f, kd_scale(f->g, kd_add(f->g, row, matrix), 2), y);
  compile_and_run(f);
  for (int i = 0; i < 12; i++) assert_float_equal(y[i], 2 * (x[i % 4] + 1), 0);
  end(f);
}

static void test_marks_fire_when_ready(void **unused) {
  (void)unused;
  fixture *f = begin();
  float x[4] = {1, 2, 3, 4}, y[3][4];
  kd_sym in = input4(f, x);
  kd_sym a = kd_shift(f->g, in, 1), b = kd_shift(f->g, in, 2), c = kd_shift(f->g, in, 3);
  bind(f, a, y[0]);
  bind(f, b, y[1]);
  bind(f, c, y[2]);
  mark(f, a, 1); /* mark 1: a and c; mark 2: b; mark 0: a fed tensor; mark 3 needs no result */
  mark(f, c, 1);
  mark(f, b, 2);
  mark(f, in, 0);
  f->spec.n_mark_ids = 4;
  compile_and_run(f);
  int order[4] = {2, 1, 0, 3}, runs[4] = {2, 3, 3, 3};
  assert_int_equal(f->n_fired, 4);
  assert_memory_equal(f->fired, order, sizeof order);
  assert_memory_equal(f->runs_at, runs, sizeof runs);
  end(f);
}

static kd_status refuse(void *context, int mark_number) {
  (void)context;
  return kd_fail(KD_ERR_RUN, "mark %d: rank 1 is lost", mark_number);
}

static void test_failures_stop_the_run(void **unused) {
  (void)unused;
  fixture *f = begin();
  float x[4] = {1, 2, 3, 4}, y[4], z[4];
  kd_graph_scope(f->g, "dense_1");
  kd_sym m = kd_input(f->g, KD_F32, KD_SHAPE(2, 2), 0, "m");
  bind(f, m, x);
  kd_sym negative = kd_unary(f->g, KD_PW_NEG, m);
  bind(f, negative, z);
  bind(f, kd_matmul(f->g, m, negative, false, false), y);
  mark(f, negative, 0);
  f->spec.on_mark = refuse;
  assert_ok(kd_plan_compile(&f->spec, &f->plan));
  assert_fails(kd_plan_run(f->plan, 1), KD_ERR_RUN, "mark 0: rank 1 is lost");
  assert_int_equal(fake.run, 1);
  kd_plan_destroy(f->plan);
  f->spec.on_mark = on_mark;
  assert_ok(kd_plan_compile(&f->spec, &f->plan));
  fake_failure = "the processor is tired";
  assert_fails(kd_plan_run(f->plan, 1), KD_ERR_RUN,
               "layer dense_1, operation matmul: the processor is tired");
  end(f);
}

static void test_refresh_follows_the_version(void **unused) {
  (void)unused;
  fixture *f = begin();
  float x[4] = {1, 0, 0, 1}, w[4] = {1, 2, 3, 4}, y[4];
  kd_sym in = kd_input(f->g, KD_F32, KD_SHAPE(2, 2), 0, "x");
  kd_sym weight = kd_weight_sym(f->g, KD_F32, vector4, 0, "w");
  bind(f, in, x);
  bind(f, weight, w);
  bind(f, kd_matmul(f->g, in, kd_reshape(f->g, weight, KD_SHAPE(2, 2)), false, false), y);
  compile_and_run(f);
  assert_memory_equal(y, w, sizeof w);
  assert_int_equal(kd_plan_get_stats(f->plan).state_bytes, 64);
  assert_ok(kd_plan_run(f->plan, 1));
  assert_int_equal(fake.refreshed, 1);
  w[0] = 7;
  assert_ok(kd_plan_run(f->plan, 2));
  assert_int_equal(fake.refreshed, 2);
  assert_float_equal(y[0], 7, 0);
  kd_plan_destroy(f->plan);
  f->plan = NULL;
  assert_int_equal(fake.released, 1);
  end(f);
}

static void test_dry(void **unused) {
  (void)unused;
  fixture *f = begin();
  f->spec.dry = true;
  f->spec.poison = false;
  kd_sym x = kd_input(f->g, KD_F32, KD_SHAPE(1, 8), 0, "x"),
         w = kd_weight_sym(f->g, KD_F32, KD_SHAPE(8, 16), 0, "w");
  bind(f, x, NULL);
  bind(f, w, NULL);
  kd_graph_scope(f->g, "dense");
  kd_sym y = kd_matmul(f->g, x, w, false, false);
  bind(f, kd_unary(f->g, KD_PW_EXP, y), NULL);
  assert_ok(kd_plan_compile(&f->spec, &f->plan));
  kd_plan_stats stats = kd_plan_get_stats(f->plan);
  assert_int_equal(stats.arena_bytes, 64);
  assert_int_equal(stats.workspace_bytes, 64);
  assert_int_equal(stats.state_bytes, 512);
  assert_int_equal(stats.n_slow, 1);
  assert_float_equal(stats.flops, 2 * 8 * 16, 0);
  assert_string_equal(kd_plan_slow_scopes(f->plan, f->pool), "dense");
  assert_int_equal(fake.blocks, 0);
  assert_fails(kd_plan_run(f->plan, 1), KD_ERR_INTERNAL, "dry");
  end(f);
}

static void test_failed_compile_releases(void **unused) {
  (void)unused;
  fixture *f = begin();
  float x[4] = {0}, y[4];
  kd_graph_scope(f->g, "head");
  kd_sym in = kd_input(f->g, KD_F32, KD_SHAPE(2, 2), 0, "x");
  bind(f, in, x);
  bind(f, kd_softmax(f->g, kd_matmul(f->g, in, in, false, false), false), y);
  assert_fails(kd_plan_compile(&f->spec, &f->plan), KD_ERR_INTERNAL, "layer head, operation softmax");
  assert_null(f->plan);
  assert_int_equal(fake.released, 1);
  end(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_chain),
      cmocka_unit_test(test_dead_code_is_dropped),
      cmocka_unit_test(test_works_in_place),
      cmocka_unit_test(test_no_place_while_alive),
      cmocka_unit_test(test_broadcast_is_not_overwritten),
      cmocka_unit_test(test_marks_fire_when_ready),
      cmocka_unit_test(test_failures_stop_the_run),
      cmocka_unit_test(test_refresh_follows_the_version),
      cmocka_unit_test(test_dry),
      cmocka_unit_test(test_failed_compile_releases),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
