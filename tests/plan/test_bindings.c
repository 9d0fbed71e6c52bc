/* Bindings of plans: views, several addresses, results over the memory of what they come from. */
#include "plan/plan_fixture.h"

static void test_views_share_storage(void **unused) {
  (void)unused;
  fixture *f = begin();
  float x[4] = {1, 2, 3, 4}, y[4], z[4];
  kd_sym sum = kd_shift(f->g, input4(f, x), 1);
  kd_sym square = kd_reshape(f->g, sum, KD_SHAPE(2, 2));
  bind(f, square, y); /* a view of a result that nothing binds: the result itself goes there */
  bind(f, kd_scale(f->g, sum, 10), z);
  compile_and_run(f);
  assert_int_equal(kd_plan_get_stats(f->plan).n_launches, 2);
  assert_int_equal(kd_plan_get_stats(f->plan).arena_bytes, 0);
  assert_float_equal(y[3], 5, 0);
  assert_float_equal(z[3], 50, 0);
  end(f);
}

static void test_two_addresses_need_a_copy(void **unused) {
  (void)unused;
  fixture *f = begin();
  float x[4] = {1, 2, 3, 4}, y[4], z[4], w[4];
  kd_sym in = input4(f, x), sum = kd_shift(f->g, in, 1);
  bind(f, sum, y);
  bind(f, kd_reshape(f->g, sum, KD_SHAPE(2, 2)), z);
  bind(f, kd_reshape(f->g, in, KD_SHAPE(2, 2)), w); /* a view of a fed tensor */
  compile_and_run(f);
  assert_int_equal(kd_plan_get_stats(f->plan).n_launches, 3);
  assert_memory_equal(y, z, sizeof y);
  assert_memory_equal(x, w, sizeof x);
  assert_non_null(strstr(kd_plan_text(f->plan, f->pool), "copy"));
  end(f);
}

/* The optimizer's case: new weights over the old ones, written by the step that reads them last. */
static void test_weight_updated_in_its_place(void **unused) {
  (void)unused;
  fixture *f = begin();
  float w[4] = {1, 2, 3, 4}, x[4] = {1, 1, 1, 1}, y[4];
  kd_sym weight = kd_weight_sym(f->g, KD_F32, vector4, 0, "w"), in = input4(f, x);
  bind(f, weight, w);
  bind(f, kd_mul(f->g, weight, in), y);
  bind(f, kd_sub(f->g, weight, in), w);
  compile_and_run(f);
  assert_int_equal(kd_plan_get_stats(f->plan).n_launches, 2);
  assert_float_equal(w[0], 0, 0);
  assert_float_equal(y[0], 1, 0);
  assert_ok(kd_plan_run(f->plan, 2));
  assert_float_equal(w[0], -1, 0);
  end(f);
}

/* The old weight is read after the new one exists: the new one waits in the arena. */
static void test_weight_read_after_update(void **unused) {
  (void)unused;
  fixture *f = begin();
  float w[4] = {1, 2, 3, 4}, x[4] = {1, 1, 1, 1}, y[4];
  kd_sym weight = kd_weight_sym(f->g, KD_F32, vector4, 0, "w"), in = input4(f, x);
  bind(f, weight, w);
  kd_sym updated = kd_sub(f->g, weight, in);
  bind(f, updated, w);
  bind(f, kd_mul(f->g, weight, updated), y);
  mark(f, updated, 0);
  compile_and_run(f);
  assert_int_equal(kd_plan_get_stats(f->plan).n_launches, 3);
  assert_float_equal(w[1], 1, 0);
  assert_float_equal(y[1], 2, 0);
  assert_int_equal(f->runs_at[0], 3); /* the mark waits for the copy */
  end(f);
}

/* A product cannot write over its operand, and a broadcast operand cannot be overwritten. */
static void test_unsafe_update_is_staged(void **unused) {
  (void)unused;
  fixture *f = begin();
  float w[4] = {1, 2, 3, 4}, expected[4] = {7, 10, 15, 22};
  kd_sym weight = kd_weight_sym(f->g, KD_F32, KD_SHAPE(2, 2), 0, "w");
  bind(f, weight, w);
  bind(f, kd_matmul(f->g, weight, weight, false, false), w);
  compile_and_run(f);
  assert_close(w, expected, 4, 0, 0, "w");
  end(f);
}

/* Two copies in one program, each over the other's operand. */
static void test_swap_in_one_program(void **unused) {
  (void)unused;
  fixture *f = begin();
  float a[4] = {1, 2, 3, 4}, b[4] = {5, 6, 7, 8}, old_a[4], old_b[4];
  memcpy(old_a, a, sizeof a);
  memcpy(old_b, b, sizeof b);
  kd_sym x = kd_input(f->g, KD_F32, vector4, 0, "x"), y = kd_input(f->g, KD_F32, vector4, 1, "y");
  kd_pointwise_attr swap = {.n_inputs = 2, .n_steps = 2, .n_outputs = 2, .shape = vector4, .output = {2, 3}};
  swap.step[0] = (kd_pw_step){.op = KD_PW_COPY, .arg = {1}};
  swap.step[1] = (kd_pw_step){.op = KD_PW_COPY, .arg = {0}};
  kd_sym out[KD_MAX_OUTPUTS];
  kd_append(f->g, KD_OP_POINTWISE, &swap, 2, (kd_sym[]){x, y}, out);
  bind(f, x, a);
  bind(f, y, b);
  bind(f, out[0], a);
  bind(f, out[1], b);
  compile_and_run(f);
  assert_memory_equal(a, old_b, sizeof a);
  assert_memory_equal(b, old_a, sizeof b);
  end(f);
}

static void test_swap_is_refused(void **unused) {
  (void)unused;
  fixture *f = begin();
  float a[4] = {0}, b[4] = {0};
  kd_sym x = kd_input(f->g, KD_F32, vector4, 0, "first"), y = kd_input(f->g, KD_F32, vector4, 1, "second");
  bind(f, x, a);
  bind(f, y, b);
  bind(f, kd_reshape(f->g, x, KD_SHAPE(2, 2)), b);
  bind(f, kd_reshape(f->g, y, KD_SHAPE(2, 2)), a);
  assert_fails(kd_plan_compile(&f->spec, &f->plan), KD_ERR_INTERNAL,
               "'second' after its memory is overwritten");
  end(f);
}

static void test_wrong_bindings(void **unused) {
  (void)unused;
  fixture *f = begin();
  float x[4] = {0}, y[8];
  kd_sym in = kd_input(f->g, KD_F32, vector4, 0, "pixels");
  bind(f, kd_unary(f->g, KD_PW_NEG, in), y);
  assert_fails(kd_plan_compile(&f->spec, &f->plan), KD_ERR_INTERNAL, "'pixels' is used but no memory");
  bind(f, in, x);
  bind(f, kd_unary(f->g, KD_PW_EXP, in), y + 2);
  assert_fails(kd_plan_compile(&f->spec, &f->plan), KD_ERR_INTERNAL, "overlapping memory");
  f->spec.n_bindings--;
  bind(f, in, y + 4);
  assert_fails(kd_plan_compile(&f->spec, &f->plan), KD_ERR_INTERNAL, "'pixels' is bound to two addresses");
  f->spec.n_bindings--;
  bind(f, 99, y);
  assert_fails(kd_plan_compile(&f->spec, &f->plan), KD_ERR_INTERNAL, "names no tensor");
  end(f);
}

static void test_bound_value_of_another_type(void **unused) {
  (void)unused;
  fixture *f = begin();
  int32_t x[4] = {16777217, -2, 3, 4}, y[4]; /* 2^24 + 1 is no float32: the copy must not pass through one */
  kd_sym in = kd_input(f->g, KD_I32, vector4, 0, "ids");
  bind(f, in, x);
  bind(f, kd_reshape(f->g, in, KD_SHAPE(2, 2)), y);
  compile_and_run(f);
  assert_memory_equal(x, y, sizeof x);
  end(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_views_share_storage),
      cmocka_unit_test(test_two_addresses_need_a_copy),
      cmocka_unit_test(test_weight_updated_in_its_place),
      cmocka_unit_test(test_weight_read_after_update),
      cmocka_unit_test(test_unsafe_update_is_staged),
      cmocka_unit_test(test_swap_in_one_program),
      cmocka_unit_test(test_swap_is_refused),
      cmocka_unit_test(test_wrong_bindings),
      cmocka_unit_test(test_bound_value_of_another_type),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
