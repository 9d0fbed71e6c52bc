/* Epilogues: bias, activation, normalisation with relu. */
#include "plan/fuse_fixture.h"

static kd_sym dense(fused *f, kd_sym x, int units, kd_pw activation) {
  kd_shape shape = *kd_sym_shape(f->g, x);
  kd_sym kernel = kd_weight_sym(f->g, KD_F32, KD_SHAPE(shape.dim[shape.rank - 1], units), 0, "kernel");
  kd_sym bias = kd_weight_sym(f->g, KD_F32, KD_SHAPE(units), 1, "bias");
  kd_sym y = kd_add(f->g, kd_matmul(f->g, x, kernel, false, false), bias);
  return activation == KD_PW_COPY ? y : kd_unary(f->g, activation, y);
}

static void test_dense_is_one_product(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_sym a = dense(f, input(f, KD_SHAPE(8, 4)), 16, KD_PW_RELU), b = dense(f, a, 3, KD_PW_COPY);
  f->keep[b] = true;
  fuse(f);
  assert_int_equal(f->result->n_nodes, 2);
  assert_int_equal(((const kd_matmul_attr *)node_of(f, a)->attr)->epilogue, KD_EPI_RELU);
  assert_int_equal(node_of(f, b)->n_inputs, 3);
  assert_int_equal(((const kd_matmul_attr *)node_of(f, b)->attr)->epilogue, KD_EPI_NONE);
  end(f);
}

/* Training reads the activation's result only, so the epilogue stays; a second reader of its operand ends it.
 */
static void test_epilogue_in_training(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_sym x = input(f, KD_SHAPE(8, 4));
  kd_sym y = dense(f, x, 16, KD_PW_TANH), grad;
  kd_sym loss = kd_reduce_all(f->g, KD_REDUCE_SUM, kd_unary(f->g, KD_PW_SQUARE, y));
  assert_ok(kd_autodiff(f->g, loss, 1, &x, &grad));
  f->keep[grad] = true;
  fuse(f);
  assert_int_equal(((const kd_matmul_attr *)node_of(f, y)->attr)->epilogue, KD_EPI_TANH);
  end(f);
  f = begin();
  kd_sym z = dense(f, input(f, KD_SHAPE(8, 4)), 16, KD_PW_COPY);
  y = kd_unary(f->g, KD_PW_SIGMOID, z);
  f->keep[y] = f->keep[z] = true;
  fuse(f);
  assert_int_equal(node_of(f, z)->op, KD_OP_MATMUL);
  assert_int_equal(node_of(f, z)->n_inputs, 3);
  assert_int_equal(node_of(f, y)->op, KD_OP_POINTWISE);
  end(f);
}

/* In a half type the sum with the bias is cast back before the activation; the float32 kernel stays what it
 * is, and so does its gradient. */
static void test_dense_in_bfloat16(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_graph *g = f->g;
  kd_sym x = kd_cast(g, input(f, KD_SHAPE(8, 4)), KD_BF16), grads[2];
  kd_sym weights[] = {kd_weight_sym(g, KD_F32, KD_SHAPE(4, 16), 0, "kernel"),
                      kd_weight_sym(g, KD_F32, KD_SHAPE(16), 1, "bias")};
  kd_sym product = kd_matmul(g, x, weights[0], false, false);
  kd_sym y = kd_unary(g, KD_PW_RELU, kd_cast(g, kd_add(g, product, weights[1]), KD_BF16));
  assert_ok(kd_autodiff(g, kd_reduce_all(g, KD_REDUCE_SUM, y), 2, weights, grads));
  f->keep[grads[0]] = f->keep[grads[1]] = true;
  fuse(f);
  const kd_node *dense = node_of(f, y), *gradient = node_of(f, grads[0]);
  assert_int_equal(dense->op, KD_OP_MATMUL);
  assert_int_equal(dense->n_inputs, 3);
  assert_int_equal(((const kd_matmul_attr *)dense->attr)->epilogue, KD_EPI_RELU);
  assert_int_equal(kd_sym_get(f->result, dense->output[0])->dtype, KD_BF16);
  assert_int_equal(gradient->op, KD_OP_MATMUL);
  assert_int_equal(((const kd_matmul_attr *)gradient->attr)->types.factors, KD_BF16);
  assert_int_equal(kd_sym_get(f->result, gradient->output[0])->dtype, KD_F32);
  end(f);
}

/* A residual of the same shape is no bias. */
static void test_residual_is_no_bias(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_sym x = input(f, KD_SHAPE(1, 4)), w = input(f, KD_SHAPE(4, 4));
  kd_sym y = kd_add(f->g, kd_matmul(f->g, x, w, false, false), x);
  f->keep[y] = true;
  fuse(f);
  assert_int_equal(f->result->n_nodes, 2);
  end(f);
}

/* A bias that is computed after the product cannot be an input of it. */
static void test_late_bias(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_sym x = input(f, KD_SHAPE(8, 4)), w = input(f, KD_SHAPE(4, 4)), b = input(f, KD_SHAPE(4));
  kd_sym product = kd_matmul(f->g, x, w, false, false);
  kd_sym y = kd_add(f->g, product, kd_unary(f->g, KD_PW_EXP, b));
  f->keep[y] = true;
  fuse(f);
  assert_int_equal(node_of(f, y)->op, KD_OP_POINTWISE);
  end(f);
}

typedef struct block {
  kd_sym x, kernel, gamma, beta, y, loss;
} block;

static const kd_conv_attr conv_3x3 = {.spatial = 2,
                                      .stride = {1, 1},
                                      .dilation = {1, 1},
                                      .pad_before = {1, 1},
                                      .pad_after = {1, 1},
                                      .groups = 1};

/* convolution, normalisation, relu, twice, with a residual of the first */
static block residual_block(fused *f) {
  block b = {.x = input(f, KD_SHAPE(2, 6, 6, 4))};
  b.kernel = kd_weight_sym(f->g, KD_F32, KD_SHAPE(3, 3, 4, 4), 0, "kernel");
  b.gamma = kd_weight_sym(f->g, KD_F32, KD_SHAPE(4), 1, "gamma");
  b.beta = kd_weight_sym(f->g, KD_F32, KD_SHAPE(4), 2, "beta");
  kd_sym mean, variance;
  kd_sym conv = kd_conv(f->g, b.x, b.kernel, &conv_3x3);
  b.y = kd_unary(f->g, KD_PW_RELU, kd_batch_norm(f->g, conv, b.gamma, b.beta, 1e-3, &mean, &variance));
  conv = kd_conv(f->g, b.y, b.kernel, &conv_3x3);
  kd_sym second = kd_batch_norm(f->g, conv, b.gamma, b.beta, 1e-3, &mean, &variance);
  kd_sym out = kd_unary(f->g, KD_PW_RELU, kd_add(f->g, second, b.y));
  b.loss = kd_reduce_all(f->g, KD_REDUCE_SUM, kd_unary(f->g, KD_PW_SQUARE, out));
  return b;
}

static void test_norm_and_relu(void **unused) {
  (void)unused;
  fused *f = begin();
  block b = residual_block(f);
  kd_sym grads[3], wanted[3] = {b.kernel, b.gamma, b.beta};
  assert_ok(kd_autodiff(f->g, b.loss, 3, wanted, grads));
  for (int i = 0; i < 3; i++) f->keep[grads[i]] = true;
  fuse(f);
  int relu_norms = 0, relu_grads = 0;
  for (int n = 0; n < f->result->n_nodes; n++) {
    const kd_node *node = &f->result->nodes[n];
    if (node->op == KD_OP_BATCH_NORM) relu_norms += ((const kd_norm_attr *)node->attr)->relu;
    if (node->op == KD_OP_BATCH_NORM_GRAD) relu_grads += ((const kd_norm_attr *)node->attr)->relu;
  }
  assert_int_equal(count(f, KD_OP_BATCH_NORM), 2);
  assert_int_equal(relu_norms, 1); /* the other is followed by the sum */
  assert_int_equal(relu_grads, 1);
  assert_int_equal(node_of(f, b.y)->op, KD_OP_BATCH_NORM);
  end(f);
}

/* Batch 1 must not change which nodes are matched: shapes (1, n) and (n) differ by rank. */
static void test_structure_is_the_same_for_batch_1(void **unused) {
  (void)unused;
  int nodes[2];
  for (int i = 0; i < 2; i++) {
    fused *f = begin();
    kd_sym x = input(f, KD_SHAPE(i ? 8 : 1, 4));
    kd_sym y = dense(f, dense(f, x, 16, KD_PW_RELU), 3, KD_PW_SIGMOID), grad;
    kd_sym loss = kd_reduce_all(f->g, KD_REDUCE_SUM, kd_unary(f->g, KD_PW_LOG, y));
    assert_ok(kd_autodiff(f->g, loss, 1, &x, &grad));
    f->keep[grad] = f->keep[loss] = true;
    fuse(f);
    nodes[i] = f->result->n_nodes;
    end(f);
  }
  assert_int_equal(nodes[0], nodes[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_dense_is_one_product),
      cmocka_unit_test(test_epilogue_in_training),
      cmocka_unit_test(test_dense_in_bfloat16),
      cmocka_unit_test(test_residual_is_no_bias),
      cmocka_unit_test(test_late_bias),
      cmocka_unit_test(test_norm_and_relu),
      cmocka_unit_test(test_structure_is_the_same_for_batch_1),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
