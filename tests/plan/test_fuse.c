/* What pointwise fusion makes of graphs. */
#include "plan/fuse_fixture.h"

static void test_chain_is_one_program(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_sym x = input(f, KD_SHAPE(8, 4)), b = input(f, KD_SHAPE(4));
  kd_sym y = kd_unary(f->g, KD_PW_TANH, kd_scale(f->g, kd_add(f->g, x, b), 2));
  f->keep[y] = true;
  fuse(f);
  assert_int_equal(f->result->n_nodes, 1);
  assert_int_equal(program_of(f, y)->n_inputs, 2);
  assert_int_equal(program_of(f, y)->n_steps, 4); /* add, const, mul, tanh */
  end(f);
}

static void test_equal_steps_are_done_once(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_sym x = input(f, KD_SHAPE(8, 4));
  kd_sym a = kd_unary(f->g, KD_PW_EXP, x), b = kd_unary(f->g, KD_PW_EXP, x);
  kd_sym y = kd_add(f->g, kd_scale(f->g, a, 3), kd_scale(f->g, b, 3));
  f->keep[y] = true;
  fuse(f);
  assert_int_equal(f->result->n_nodes, 1);
  assert_int_equal(program_of(f, y)->n_steps, 4); /* exp, const, mul, add */
  end(f);
}

/* Both outputs of a diamond that others read come from one program. */
static void test_several_outputs(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_sym g = input(f, KD_SHAPE(64)), m = input(f, KD_SHAPE(64)), w = input(f, KD_SHAPE(64));
  kd_sym moment = kd_add(f->g, kd_scale(f->g, m, 0.9), g);
  kd_sym weight = kd_sub(f->g, w, kd_scale(f->g, moment, 0.1));
  f->keep[moment] = f->keep[weight] = true;
  fuse(f);
  assert_int_equal(f->result->n_nodes, 1);
  assert_int_equal(program_of(f, weight)->n_outputs, 2);
  assert_ptr_equal(node_of(f, weight), node_of(f, moment));
  end(f);
}

/* exp(x) is read by a reduction whose result the sum needs: the two cannot be one program. */
static void test_no_cycle_through_a_reduction(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_sym x = input(f, KD_SHAPE(8, 4));
  kd_sym e = kd_unary(f->g, KD_PW_EXP, x);
  kd_sym y = kd_div(f->g, e, kd_reduce_last(f->g, KD_REDUCE_SUM, e, true));
  f->keep[y] = true;
  fuse(f);
  assert_int_equal(count(f, KD_OP_POINTWISE), 2);
  assert_int_equal(count(f, KD_OP_REDUCE), 1);
  end(f);
}

/* A result read through a view by a later kernel does not stop fusion; one read before does. */
static void test_views_between(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_sym x = input(f, KD_SHAPE(8, 4)), w = input(f, KD_SHAPE(32, 2));
  kd_sym a = kd_unary(f->g, KD_PW_EXP, x);
  kd_sym flat = kd_reshape(f->g, a, KD_SHAPE(1, 32));
  kd_sym b = kd_unary(f->g, KD_PW_NEG, a);
  kd_sym product = kd_matmul(f->g, flat, w, false, false);
  f->keep[b] = f->keep[product] = true;
  fuse(f);
  assert_int_equal(count(f, KD_OP_POINTWISE), 1);
  end(f);
}

/* A rounding to another type between two programs stays; reading pixels as floats costs nothing. */
static void test_types(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_sym pixels = kd_input(f->g, KD_U8, KD_SHAPE(8, 4), 0, "pixels");
  kd_sym scaled = kd_scale(f->g, kd_cast(f->g, pixels, KD_F32), 1.0 / 255);
  kd_sym whole = kd_cast(f->g, kd_scale(f->g, scaled, 7), KD_I32);
  kd_sym y = kd_mul(f->g, whole, scaled);
  f->keep[y] = true;
  fuse(f);
  assert_int_equal(count(f, KD_OP_POINTWISE), 2);
  const kd_node *first = node_of(f, scaled);
  assert_int_equal(f->result->syms[first->input[0]].dtype, KD_U8);
  for (int s = 0; s < ((const kd_pointwise_attr *)first->attr)->n_steps; s++)
    assert_int_not_equal(((const kd_pointwise_attr *)first->attr)->step[s].op, KD_PW_COPY);
  end(f);
}

/* Two readers of a cast that cannot be merged each read the pixels; the cast itself is gone. */
static void test_cast_is_folded_into_all_readers(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_sym pixels = kd_input(f->g, KD_U8, KD_SHAPE(4), 0, "pixels"), wide = input(f, KD_SHAPE(8, 4));
  kd_sym x = kd_cast(f->g, pixels, KD_F32);
  kd_sym a = kd_add(f->g, x, wide), b = kd_unary(f->g, KD_PW_EXP, x);
  f->keep[a] = f->keep[b] = true;
  fuse(f);
  assert_int_equal(f->result->n_nodes, 2);
  end(f);
}

static void test_limits(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_sym s = input(f, KD_SHAPE(16));
  for (int i = 0; i < 120; i++) s = kd_unary(f->g, KD_PW_EXP, s);
  f->keep[s] = true;
  fuse(f);
  assert_int_equal(f->result->n_nodes, 2);
  end(f);
  f = begin();
  s = input(f, KD_SHAPE(16));
  for (int i = 0; i < 40; i++) s = kd_add(f->g, s, input(f, KD_SHAPE(16)));
  f->keep[s] = true;
  fuse(f);
  assert_int_equal(f->result->n_nodes, 2);
  end(f);
}

/* A gradient that somebody waits for does not move behind a product. */
static void test_kept_results_are_not_delayed(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_sym x = input(f, KD_SHAPE(4, 4));
  kd_sym grad = kd_scale(f->g, x, 0.5);
  kd_sym product = kd_matmul(f->g, x, x, false, false);
  kd_sym y = kd_add(f->g, grad, product);
  f->keep[grad] = f->keep[y] = true;
  fuse(f);
  assert_int_equal(count(f, KD_OP_POINTWISE), 2);
  assert_int_equal(f->result->nodes[0].op, KD_OP_POINTWISE);
  end(f);
}

/* The mask is drawn in forward and again in backward; nothing keeps it. */
static void test_dropout_mask_is_drawn_again(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_shape shape = KD_SHAPE(8, 4);
  kd_sym x = input(f, shape), w = input(f, KD_SHAPE(4, 4));
  kd_sym rng = kd_value_sym(f->g, KD_U32, KD_SHAPE(4), 0, "rng"), grad;
  kd_sym kept = kd_binary(f->g, KD_PW_LT, kd_uniform(f->g, rng, shape), kd_const(f->g, 0.8));
  kd_sym y = kd_select(f->g, kept, kd_scale(f->g, x, 1.25), kd_const(f->g, 0));
  kd_sym product = kd_matmul(f->g, y, w, false, false);
  kd_sym loss = kd_reduce_all(f->g, KD_REDUCE_SUM, kd_unary(f->g, KD_PW_SQUARE, product));
  assert_ok(kd_autodiff(f->g, loss, 1, &x, &grad));
  f->keep[grad] = f->keep[loss] = true;
  fuse(f);
  assert_int_equal(f->map[kept], KD_NO_SYM);
  assert_int_equal(program_of(f, y)->n_outputs, 1);
  const kd_pointwise_attr *backward = program_of(f, grad);
  int draws = 0;
  for (int s = 0; s < backward->n_steps; s++) draws += backward->step[s].op == KD_PW_UNIFORM;
  assert_int_equal(draws, 1);
  end(f);
}

/* gelu keeps its operand and 1 + erf(operand / sqrt(2)) for backward, but not the quotient. */
static void test_scaled_tensor_is_scaled_again(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_sym a = input(f, KD_SHAPE(8, 4)), w = input(f, KD_SHAPE(4, 4)), grad;
  kd_sym x = kd_matmul(f->g, a, w, false, false), scaled = kd_scale(f->g, x, 0.7);
  kd_sym y = kd_mul(f->g, x, kd_shift(f->g, kd_unary(f->g, KD_PW_ERF, scaled), 1));
  kd_sym product = kd_matmul(f->g, y, w, false, false);
  kd_sym loss = kd_reduce_all(f->g, KD_REDUCE_SUM, kd_unary(f->g, KD_PW_SQUARE, product));
  assert_ok(kd_autodiff(f->g, loss, 1, &a, &grad));
  f->keep[grad] = f->keep[loss] = true;
  fuse(f);
  assert_int_equal(f->map[scaled], KD_NO_SYM);
  assert_int_equal(program_of(f, y)->n_inputs, 1);
  assert_int_equal(program_of(f, y)->n_outputs, 2);
  end(f);
}

/* A matrix product reads it as well: it must be stored, and nobody computes it twice. */
static void test_scaled_tensor_of_a_kernel_is_kept(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_sym a = input(f, KD_SHAPE(4, 4)), w = input(f, KD_SHAPE(4, 4));
  kd_sym scaled = kd_scale(f->g, kd_matmul(f->g, a, w, false, false), 0.7);
  kd_sym product = kd_matmul(f->g, scaled, w, false, false);
  kd_sym y = kd_add(f->g, product, kd_unary(f->g, KD_PW_TANH, scaled));
  f->keep[y] = true;
  fuse(f);
  assert_int_not_equal(f->map[scaled], KD_NO_SYM);
  assert_int_equal(program_of(f, y)->n_inputs, 2);
  end(f);
}

static void test_dead_graph(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_sym x = input(f, KD_SHAPE(8, 4));
  kd_sym dead = kd_unary(f->g, KD_PW_EXP, x);
  f->keep[x] = true;
  fuse(f);
  assert_int_equal(f->result->n_nodes, 0);
  assert_int_equal(f->map[dead], KD_NO_SYM);
  assert_int_not_equal(f->map[x], KD_NO_SYM);
  end(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_chain_is_one_program),
      cmocka_unit_test(test_equal_steps_are_done_once),
      cmocka_unit_test(test_several_outputs),
      cmocka_unit_test(test_no_cycle_through_a_reduction),
      cmocka_unit_test(test_views_between),
      cmocka_unit_test(test_types),
      cmocka_unit_test(test_cast_is_folded_into_all_readers),
      cmocka_unit_test(test_limits),
      cmocka_unit_test(test_kept_results_are_not_delayed),
      cmocka_unit_test(test_dropout_mask_is_drawn_again),
      cmocka_unit_test(test_scaled_tensor_is_scaled_again),
      cmocka_unit_test(test_scaled_tensor_of_a_kernel_is_kept),
      cmocka_unit_test(test_dead_graph),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
