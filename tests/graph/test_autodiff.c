/* The walk of reverse-mode differentiation: uses that add up, paths that are left out, gradients kept small,
 * scopes, errors, second derivatives. The rules themselves are checked in test_gradients.c. */
#include "support/check.h"
#include "support/gradient.h"

static int setup(void **state) {
  trial *t = kd_calloc(1, sizeof *t);
  trial_open(t);
  *state = t;
  return 0;
}

static int teardown(void **state) {
  trial_close(*state);
  kd_free(*state);
  return 0;
}

static int count_ops(const kd_graph *g, kd_op op, int from) {
  int count = 0;
  for (int i = from; i < g->n_nodes; i++) count += g->nodes[i].op == op;
  return count;
}

static void test_uses_add_up(void **state) {
  trial *t = *state;
  kd_sym x = trial_input(t, KD_SHAPE(2, 3), -1, 1), w = trial_input(t, KD_SHAPE(3, 3), -1, 1);
  /* The same weight in two products, and a skip connection. */
  kd_sym h = kd_unary(t->g, KD_PW_TANH, kd_matmul(t->g, x, w, false, false));
  kd_sym y = kd_add(t->g, kd_matmul(t->g, h, w, false, true), x);
  trial_check(t, kd_mul(t->g, y, h), "shared weight");
}

/* A table that is looked up several times has one sum of rows as its gradient. */
static void test_rows_are_joined(void **state) {
  trial *t = *state;
  kd_graph *g = t->g;
  kd_sym table = trial_input(t, KD_SHAPE(5, 3), -1, 1), grad;
  kd_sym a = kd_gather(g, table, trial_integers(t, KD_SHAPE(2, 4), 0, 5));
  kd_sym b = kd_gather(g, table, trial_integers(t, KD_SHAPE(2), 0, 5));
  kd_sym c = kd_gather(g, table, trial_integers(t, KD_SHAPE(2, 1, 1), 0, 5));
  kd_sym y = kd_mul(g, kd_mul(g, kd_reduce(g, KD_REDUCE_SUM, a, 1, (int[]){1}, false), b),
                    kd_reshape(g, c, KD_SHAPE(2, 3)));
  assert_ok(kd_autodiff(g, kd_reduce_all(g, KD_REDUCE_SUM, y), 1, &table, &grad));
  const kd_node *node = kd_producer(g, grad, false);
  assert_int_equal(node->op, KD_OP_SCATTER_ADD);
  assert_int_equal(kd_shape_count(kd_sym_shape(g, node->input[0])), 12);
  trial_check(t, y, "table looked up three times");
}

static void test_whole_network(void **state) {
  trial *t = *state;
  kd_graph *g = t->g;
  kd_conv_attr conv = {.spatial = 2, .stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
  kd_pool_attr pool = {.spatial = 2, .window = {2, 2}, .stride = {2, 2}};
  kd_sym mean, variance;
  kd_sym x = kd_conv(g, trial_constant(t, KD_SHAPE(2, 6, 6, 2), -1, 1),
                     trial_input(t, KD_SHAPE(3, 3, 2, 2), -1, 1), &conv);
  x = kd_batch_norm(g, x, trial_input(t, KD_SHAPE(2), 1, 2), trial_input(t, KD_SHAPE(2), 0, 1), 1e-3, &mean,
                    &variance);
  x = kd_reshape(g, kd_pool_op(g, kd_unary(g, KD_PW_SOFTPLUS, x), &pool), KD_SHAPE(2, 8));
  x = kd_add(g, kd_matmul(g, x, trial_input(t, KD_SHAPE(8, 3), -1, 1), false, false),
             trial_input(t, KD_SHAPE(3), 0, 1));
  kd_sym loss = kd_sparse_xent(g, x, trial_integers(t, KD_SHAPE(2), 0, 3), INT32_MIN);
  trial_check(t, kd_reduce_all(g, KD_REDUCE_MEAN, loss), "network");
}

/* A tensor that repeats in a gradient that is itself one repeated number: counted, not summed. */
static void test_small_gradients(void **state) {
  trial *t = *state;
  kd_graph *g = t->g;
  kd_sym x = trial_input(t, KD_SHAPE(4, 3), -1, 1), bias = trial_input(t, KD_SHAPE(3), -1, 1);
  kd_sym scale = trial_input(t, KD_SCALAR, 1, 2), grads[3];
  kd_sym y = kd_add(g, kd_add(g, x, bias), scale);
  kd_sym loss = kd_reduce_all(g, KD_REDUCE_MEAN, kd_reshape(g, y, KD_SHAPE(12)));
  int forward = g->n_nodes;
  assert_ok(kd_autodiff(g, loss, 3, t->wanted, grads));
  assert_int_equal(count_ops(g, KD_OP_REDUCE, forward), 0);
  assert_int_equal(count_ops(g, KD_OP_BROADCAST, forward), 0);
  float value;
  assert_true(kd_sym_constant(g, grads[0], &value) && value == 1.0f / 12);
  assert_true(kd_sym_constant(g, grads[1], &value) && value == 4 * (1.0f / 12));
  assert_true(kd_sym_constant(g, grads[2], &value) && value == 12 * (1.0f / 12));
  assert_true(kd_shape_equal(kd_sym_shape(g, grads[1]), kd_sym_shape(g, bias)));
}

static void test_means_of_parts(void **state) {
  trial *t = *state;
  kd_graph *g = t->g;
  kd_sym x = trial_input(t, KD_SHAPE(4, 3, 2), -1, 1), bias = trial_input(t, KD_SHAPE(3, 1), -1, 1);
  kd_sym y = kd_reduce(g, KD_REDUCE_MEAN, kd_add(g, x, bias), 1, (int[]){0}, false);
  kd_sym z = kd_reduce(g, KD_REDUCE_SUM, kd_mul(g, x, bias), 2, (int[]){1, 2}, true);
  trial_check(t, kd_add(g, y, z), "means of parts");
}

static void test_only_needed_work(void **state) {
  trial *t = *state;
  kd_graph *g = t->g;
  kd_sym x = kd_input(g, KD_F32, KD_SHAPE(8, 4), 0, "x"),
         w = kd_weight_sym(g, KD_F32, KD_SHAPE(4, 2), 0, "w");
  kd_sym apart = kd_weight_sym(g, KD_F32, KD_SHAPE(4, 2), 1, "apart"), grads[3];
  kd_matmul(g, x, apart, false, false);
  kd_sym loss = kd_reduce_all(g, KD_REDUCE_SUMSQ, kd_matmul(g, x, w, false, false));
  int forward = g->n_nodes;
  assert_ok(kd_autodiff(g, loss, 3, (kd_sym[]){w, apart, KD_NO_SYM}, grads));
  assert_int_not_equal(grads[0], KD_NO_SYM);
  assert_int_equal(grads[1], KD_NO_SYM);
  assert_int_equal(grads[2], KD_NO_SYM);
  assert_int_equal(count_ops(g, KD_OP_MATMUL, forward), 1); /* none for x */
}

static void test_marks_and_scopes(void **state) {
  trial *t = *state;
  kd_graph *g = t->g;
  kd_graph_scope(g, "dense1");
  kd_sym w = kd_weight_sym(g, KD_F32, KD_SHAPE(4, 2), 0, "w"), grad;
  kd_sym y = kd_matmul(g, kd_input(g, KD_F32, KD_SHAPE(8, 4), 0, "x"), w, false, false);
  kd_graph_scope(g, "loss");
  kd_sym loss = kd_reduce_all(g, KD_REDUCE_SUMSQ, y);
  kd_graph_scope(g, "after");
  int forward = g->n_nodes;
  assert_ok(kd_autodiff(g, loss, 1, &w, &grad));
  for (int i = 0; i < g->n_nodes; i++) assert_int_equal(g->nodes[i].backward, i >= forward);
  assert_string_equal(kd_producer(g, grad, false)->scope, "dense1");
  assert_string_equal(g->scope, "after");
  assert_false(g->backward);
}

static void test_types(void **state) {
  trial *t = *state;
  kd_graph *g = t->g;
  kd_sym w = kd_weight_sym(g, KD_F32, KD_SHAPE(4, 2), 0, "w"), grad;
  kd_sym x = kd_cast(g, kd_input(g, KD_F32, KD_SHAPE(8, 4), 0, "x"), KD_BF16);
  kd_sym y = kd_matmul(g, x, kd_cast(g, w, KD_BF16), false, false);
  assert_int_equal(kd_sym_get(g, y)->dtype, KD_BF16);
  kd_sym loss = kd_reduce_all(g, KD_REDUCE_MEAN, kd_unary(g, KD_PW_SQUARE, y));
  assert_ok(kd_autodiff(g, loss, 1, &w, &grad));
  assert_int_equal(kd_sym_get(g, grad)->dtype, KD_F32);
  /* The product of the gradient works on short floats, as the forward one. */
  const kd_node *last = kd_producer(g, kd_producer(g, grad, false)->input[0], false);
  assert_int_equal(last->op, KD_OP_MATMUL);
  assert_int_equal(kd_sym_get(g, last->output[0])->dtype, KD_BF16);
}

static void test_wanted_inside(void **state) {
  trial *t = *state;
  kd_graph *g = t->g;
  kd_sym x = trial_constant(t, KD_SHAPE(3), 1, 2), y = kd_unary(g, KD_PW_EXP, x), grads[2];
  kd_sym loss = kd_reduce_all(g, KD_REDUCE_SUMSQ, y);
  assert_ok(kd_autodiff(g, loss, 2, (kd_sym[]){y, loss}, grads));
  assert_int_not_equal(grads[0], KD_NO_SYM);
  float value;
  assert_true(kd_sym_constant(g, grads[1], &value) && value == 1);
}

static void test_no_gradient(void **state) {
  trial *t = *state;
  kd_graph *g = t->g;
  kd_graph_scope(g, "pool7");
  kd_pool_attr pool = {.spatial = 1, .window = {2}, .stride = {2}};
  kd_sym w = kd_weight_sym(g, KD_F32, KD_SHAPE(1, 4, 2), 0, "w"), grad;
  kd_sym y = kd_pool_op(g, w, &pool);
  kd_sym dx = kd_append(g, KD_OP_POOL_GRAD, &pool, 3, (kd_sym[]){w, y, y}, NULL);
  kd_sym loss = kd_reduce_all(g, KD_REDUCE_SUM, dx);
  assert_fails(kd_autodiff(g, loss, 1, &w, &grad), KD_ERR_USAGE, "pool7: pool_grad has no gradient");
}

static void test_integers_cut_paths(void **state) {
  trial *t = *state;
  kd_graph *g = t->g;
  kd_sym w = kd_weight_sym(g, KD_F32, KD_SHAPE(5, 3), 0, "w"), grad;
  kd_sym ids = kd_argmax(g, w, -1);
  assert_ok(kd_autodiff(g, kd_reduce_all(g, KD_REDUCE_SUM, kd_cast(g, ids, KD_F32)), 1, &w, &grad));
  assert_int_equal(grad, KD_NO_SYM);
}

static void test_loss_must_be_scalar(void **state) {
  trial *t = *state;
  kd_sym x = trial_input(t, KD_SHAPE(3), 0, 1), grad;
  assert_fails(kd_autodiff(t->g, x, 1, &x, &grad), KD_ERR_INTERNAL, "float32 tensor of shape (3,)");
}

/* The gradient of the gradient, for penalties on gradients: checked by differences like anything else. */
static void test_second_derivative(void **state) {
  trial *t = *state;
  kd_graph *g = t->g;
  kd_sym x = trial_input(t, KD_SHAPE(2, 3), -1, 1), w = trial_input(t, KD_SHAPE(3, 2), -1, 1), grad;
  kd_sym y = kd_unary(g, KD_PW_TANH, kd_matmul(g, x, w, false, false));
  assert_ok(kd_autodiff(g, kd_reduce_all(g, KD_REDUCE_SUMSQ, y), 1, &x, &grad));
  trial_check(t, kd_unary(g, KD_PW_SQUARE, grad), "second derivative");
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      CASE(test_uses_add_up),        CASE(test_rows_are_joined),
      CASE(test_whole_network),      CASE(test_small_gradients),
      CASE(test_means_of_parts),     CASE(test_only_needed_work),
      CASE(test_marks_and_scopes),   CASE(test_types),
      CASE(test_wanted_inside),      CASE(test_no_gradient),
      CASE(test_integers_cut_paths), CASE(test_loss_must_be_scalar),
      CASE(test_second_derivative),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
