/* Building graphs: shapes, broadcasting, folding, sticky errors, listing and hash. */
#include "layers/graph/graph.h"
#include "support/check.h"

static int setup(void **state) {
  *state = kd_graph_create();
  return 0;
}

static int teardown(void **state) {
  kd_graph_destroy(*state);
  return 0;
}

static void assert_shape(const kd_graph *g, kd_sym sym, kd_shape expected) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  assert_ok(kd_graph_status(g));
  if (!kd_shape_equal(kd_sym_shape(g, sym), &expected))
    fail_msg("shape %s, expected %s", kd_shape_text(kd_sym_shape(g, sym), a), kd_shape_text(&expected, b));
}

static kd_sym input(kd_graph *g, kd_shape shape) {
  return kd_input(g, KD_F32, shape, g->n_syms, "x");
}

static kd_sym ids(kd_graph *g, kd_shape shape) {
  return kd_input(g, KD_I32, shape, g->n_syms, "ids");
}

static const kd_pointwise_attr *program(const kd_graph *g, kd_sym sym) {
  const kd_node *node = kd_producer(g, sym, false);
  assert_non_null(node);
  assert_int_equal(node->op, KD_OP_POINTWISE);
  return node->attr;
}

static void test_fed(void **state) {
  kd_graph *g = *state;
  kd_sym w = kd_weight_sym(g, KD_BF16, KD_SHAPE(3, 4), 7, "dense/kernel");
  const kd_sym_info *info = kd_sym_get(g, w);
  assert_int_equal(info->role, KD_ROLE_WEIGHT);
  assert_int_equal(info->index, 7);
  assert_int_equal(info->dtype, KD_BF16);
  assert_int_equal(info->node, -1);
  assert_string_equal(info->name, "dense/kernel");
  assert_null(kd_producer(g, w, true));
  assert_int_equal(kd_input(g, KD_F32, KD_SHAPE(3, 0), 0, "empty"), KD_NO_SYM);
  assert_fails(kd_graph_status(g), KD_ERR_USAGE, "empty has shape (3, 0)");
}

static void test_broadcast(void **state) {
  kd_graph *g = *state;
  kd_sym a = input(g, KD_SHAPE(5, 1, 4)), b = input(g, KD_SHAPE(3, 1));
  assert_shape(g, kd_add(g, a, b), KD_SHAPE(5, 3, 4));
  assert_shape(g, kd_select(g, a, b, kd_const(g, 0)), KD_SHAPE(5, 3, 4));
  assert_shape(g, kd_mul(g, b, kd_full(g, KD_SHAPE(2, 1, 1), 3)), KD_SHAPE(2, 3, 1));
  assert_int_equal(kd_add(g, a, input(g, KD_SHAPE(2, 3))), KD_NO_SYM);
  assert_fails(kd_graph_status(g), KD_ERR_USAGE, "add of shapes (5, 1, 4) and (2, 3)");
}

static void test_constants_fold(void **state) {
  kd_graph *g = *state;
  float value;
  kd_sym x = input(g, KD_SHAPE(2, 3));
  kd_sym two = kd_const(g, 2), y = kd_mul(g, x, kd_add(g, two, kd_const(g, 1)));
  const kd_pointwise_attr *attr = program(g, y);
  assert_int_equal(attr->n_inputs, 1);
  assert_int_equal(attr->n_steps, 2);
  assert_int_equal(attr->step[0].op, KD_PW_CONST);
  assert_true(attr->step[0].imm.value == 3);
  assert_int_equal(attr->step[1].op, KD_PW_MUL);
  assert_int_equal(attr->step[1].arg[0], 0);
  assert_int_equal(attr->step[1].arg[1], 1);
  assert_int_equal(attr->output[0], 2);
  assert_true(kd_sym_constant(g, kd_unary(g, KD_PW_SQUARE, kd_full(g, KD_SHAPE(4), 3)), &value));
  assert_true(value == 9);
  assert_false(kd_sym_constant(g, y, &value));
  assert_true(kd_sym_constant(g, kd_broadcast(g, two, KD_SHAPE(2, 2)), &value));
  /* The same tensor twice is one input. */
  assert_int_equal(program(g, kd_mul(g, x, x))->n_inputs, 1);
}

static void test_trivial_work_is_not_emitted(void **state) {
  kd_graph *g = *state;
  kd_sym x = input(g, KD_SHAPE(2, 3));
  int nodes = g->n_nodes;
  assert_int_equal(kd_cast(g, x, KD_F32), x);
  assert_int_equal(kd_reshape(g, x, KD_SHAPE(2, 3)), x);
  assert_int_equal(kd_transpose(g, x, (int[]){0, 1}), x);
  assert_int_equal(kd_broadcast(g, x, KD_SHAPE(2, 3)), x);
  assert_int_equal(kd_slice_axis(g, x, 1, 0, 3), x);
  assert_int_equal(kd_pad(g, x, &(kd_pad_attr){0}), x);
  assert_int_equal(kd_concat(g, 1, &x, 0), x);
  assert_int_equal(g->n_nodes, nodes);
  assert_int_equal(kd_scale(g, x, 1), x);
  assert_int_equal(kd_shift(g, x, 0), x);
  assert_int_equal(kd_sub(g, x, kd_const(g, 0)), x);
  assert_int_equal(kd_div(g, x, kd_const(g, 1)), x);
  assert_int_equal(kd_add(g, kd_const(g, 0), x), x);
  assert_int_not_equal(kd_sub(g, kd_const(g, 0), x), x);
  assert_int_not_equal(kd_div(g, kd_const(g, 1), x), x);
  /* A neutral constant that widens the shape is no identity. */
  assert_shape(g, kd_mul(g, x, kd_full(g, KD_SHAPE(4, 1, 1), 1)), KD_SHAPE(4, 2, 3));
  /* A reshape of a reshape looks at the origin. */
  kd_sym twice = kd_reshape(g, kd_reshape(g, x, KD_SHAPE(6)), KD_SHAPE(3, 2));
  assert_int_equal(kd_producer(g, twice, false)->input[0], x);
  assert_int_equal(kd_reshape(g, twice, KD_SHAPE(2, 3)), x);
  assert_int_equal(program(g, kd_binary(g, KD_PW_POW, x, kd_const(g, 2)))->step[0].op, KD_PW_SQUARE);
}

static void test_random(void **state) {
  kd_graph *g = *state;
  kd_sym rng = kd_value_sym(g, KD_U32, KD_SHAPE(4), 0, "rng");
  kd_sym a = kd_uniform(g, rng, KD_SHAPE(3, 5)), b = kd_normal(g, rng, KD_SHAPE(7, 5));
  assert_shape(g, a, KD_SHAPE(3, 5));
  assert_shape(g, b, KD_SHAPE(7, 5));
  assert_int_equal(program(g, a)->step[0].imm.node, 0);
  assert_int_equal(program(g, b)->step[0].imm.node, 1);
  assert_int_equal(g->next_random, 2);
  assert_int_equal(kd_uniform(g, a, KD_SHAPE(3, 5)), KD_NO_SYM);
  assert_fails(kd_graph_status(g), KD_ERR_INTERNAL, "random state must be uint32 of shape (4,)");
}

static void test_shapes(void **state) {
  kd_graph *g = *state;
  kd_sym x = input(g, KD_SHAPE(2, 9, 7, 4));
  assert_shape(g, kd_transpose(g, x, (int[]){0, 3, 1, 2}), KD_SHAPE(2, 4, 9, 7));
  assert_shape(g, kd_reshape(g, x, KD_SHAPE(2, 252)), KD_SHAPE(2, 252));
  assert_shape(g, kd_slice_axis(g, x, -1, 1, 2), KD_SHAPE(2, 9, 7, 2));
  assert_shape(g, kd_slice(g, x, &(kd_slice_attr){{0, 1, 0, 0}, {2, 3, 4, 4}, {1, 3, 2, 1}}),
               KD_SHAPE(2, 3, 4, 4));
  assert_shape(g, kd_pad(g, x, &(kd_pad_attr){{0, 1, 0, 0}, {0, 2, 3, 0}, 0}), KD_SHAPE(2, 12, 10, 4));
  assert_shape(g, kd_concat(g, 2, (kd_sym[]){x, x}, -1), KD_SHAPE(2, 9, 7, 8));
  assert_shape(g, kd_reduce(g, KD_REDUCE_MEAN, x, 2, (int[]){1, -2}, false), KD_SHAPE(2, 4));
  assert_shape(g, kd_reduce_last(g, KD_REDUCE_MAX, x, true), KD_SHAPE(2, 9, 7, 1));
  assert_shape(g, kd_reduce_all(g, KD_REDUCE_SUM, x), KD_SCALAR);
  kd_shape to = KD_SHAPE(9, 1, 4);
  assert_shape(g, kd_reduce_to(g, x, &to), to);
  assert_shape(g, kd_argmax(g, x, -1), KD_SHAPE(2, 9, 7));
  assert_shape(g, kd_gather(g, input(g, KD_SHAPE(10, 6)), ids(g, KD_SHAPE(2, 3))), KD_SHAPE(2, 3, 6));
  assert_shape(g, kd_softmax(g, x, false), KD_SHAPE(2, 9, 7, 4));
  assert_shape(g, kd_sparse_xent(g, x, ids(g, KD_SHAPE(2, 9, 7)), INT32_MIN), KD_SHAPE(2, 9, 7));
  assert_shape(g, kd_layer_norm(g, x, input(g, KD_SHAPE(4)), input(g, KD_SHAPE(4)), 1e-3),
               KD_SHAPE(2, 9, 7, 4));
}

static void test_matmul_shapes(void **state) {
  kd_graph *g = *state;
  kd_sym a = input(g, KD_SHAPE(5, 1, 3, 4)), b = input(g, KD_SHAPE(6, 4, 2));
  assert_shape(g, kd_matmul(g, a, b, false, false), KD_SHAPE(5, 6, 3, 2));
  assert_shape(g, kd_matmul(g, a, input(g, KD_SHAPE(7, 4)), false, true), KD_SHAPE(5, 1, 3, 7));
  assert_shape(g, kd_matmul(g, a, input(g, KD_SHAPE(3, 7)), true, false), KD_SHAPE(5, 1, 4, 7));
  kd_matmul(g, input(g, KD_SHAPE(32, 784)), input(g, KD_SHAPE(512, 10)), false, false);
  assert_fails(kd_graph_status(g), KD_ERR_USAGE,
               "matmul of (32, 784) and (512, 10): inner sizes 784 and 512 differ");
}

static const kd_conv_attr plain_conv = {.spatial = 2, .stride = {1, 1}, .dilation = {1, 1}, .groups = 1};

static void test_conv_shapes(void **state) {
  kd_graph *g = *state;
  kd_sym x = input(g, KD_SHAPE(2, 10, 9, 4)), k = input(g, KD_SHAPE(3, 2, 4, 8));
  assert_shape(g, kd_conv(g, x, k, &plain_conv), KD_SHAPE(2, 8, 8, 8));
  kd_conv_attr attr = {.spatial = 2,
                       .stride = {2, 3},
                       .dilation = {2, 1},
                       .pad_before = {1, 0},
                       .pad_after = {2, 1},
                       .groups = 2};
  /* (10 + 3 - 5) / 2 + 1 and (9 + 1 - 2) / 3 + 1 */
  assert_shape(g, kd_conv(g, x, input(g, KD_SHAPE(3, 2, 2, 8)), &attr), KD_SHAPE(2, 5, 3, 8));
  attr.groups = 1;
  attr.shape = KD_SHAPE(2, 10, 9, 4);
  kd_sym dy = input(g, KD_SHAPE(2, 5, 3, 8));
  assert_shape(g, kd_append(g, KD_OP_CONV_GRAD_DATA, &attr, 2, (kd_sym[]){dy, k}, NULL), attr.shape);
  kd_conv(g, input(g, KD_SHAPE(2, 2, 9, 4)), k, &plain_conv);
  assert_fails(kd_graph_status(g), KD_ERR_USAGE,
               "the window covers 3 along spatial axis 0, but the input has only 2");
}

static void test_conv_channels(void **state) {
  kd_graph *g = *state;
  kd_conv(g, input(g, KD_SHAPE(2, 8, 8, 3)), input(g, KD_SHAPE(3, 3, 4, 8)), &plain_conv);
  assert_fails(kd_graph_status(g), KD_ERR_USAGE,
               "convolution of (2, 8, 8, 3) with kernel (3, 3, 4, 8): the kernel takes 4 channels");
}

static void test_pool_shapes(void **state) {
  kd_graph *g = *state;
  kd_pool_attr attr = {.spatial = 2, .window = {3, 2}, .stride = {2, 2}, .pad_after = {1, 0}};
  assert_shape(g, kd_pool_op(g, input(g, KD_SHAPE(2, 8, 9, 3)), &attr), KD_SHAPE(2, 4, 4, 3));
  kd_pool_op(g, input(g, KD_SHAPE(2, 8, 1, 3)), &attr);
  assert_fails(kd_graph_status(g), KD_ERR_USAGE, "pooling of (2, 8, 1, 3): the window covers 2");
}

static void test_errors_are_sticky(void **state) {
  kd_graph *g = *state;
  kd_sym x = input(g, KD_SHAPE(2, 3));
  kd_sym bad = kd_reshape(g, x, KD_SHAPE(7));
  assert_int_equal(bad, KD_NO_SYM);
  assert_int_equal(kd_add(g, bad, x), KD_NO_SYM);
  assert_int_equal(kd_softmax(g, bad, false), KD_NO_SYM);
  assert_int_equal(kd_add(g, x, x), KD_NO_SYM);
  assert_int_equal(kd_concat(g, 2, (kd_sym[]){bad, x}, -1), KD_NO_SYM);
  assert_fails(kd_graph_status(g), KD_ERR_USAGE, "reshape of (2, 3) to (7,): 6 and 7 elements");
  kd_fail(KD_ERR_RUN, "another");
  assert_fails(kd_graph_status(g), KD_ERR_USAGE, "reshape of (2, 3)");
}

static void test_missing_operand(void **state) {
  kd_graph *g = *state;
  assert_int_equal(kd_add(g, KD_NO_SYM, input(g, KD_SHAPE(2))), KD_NO_SYM);
  assert_int_not_equal(kd_graph_status(g), KD_OK);
}

static void test_concat_of_many(void **state) {
  kd_graph *g = *state;
  kd_sym xs[60];
  for (int i = 0; i < 60; i++) xs[i] = input(g, KD_SHAPE(2, 1 + i % 3));
  assert_shape(g, kd_concat(g, 60, xs, 1), KD_SHAPE(2, 120));
}

/* A little of everything, built twice. */
static void build_sample(kd_graph *g, double slope) {
  kd_graph_scope(g, "conv1");
  kd_sym x = kd_input(g, KD_F32, KD_SHAPE(2, 4, 4, 3), 0, "image");
  kd_sym y = kd_conv(g, x, kd_weight_sym(g, KD_F32, KD_SHAPE(3, 3, 3, 2), 0, "kernel"), &plain_conv);
  y = kd_unary(g, KD_PW_RELU,
               kd_add(g, kd_scale(g, y, slope), kd_weight_sym(g, KD_F32, KD_SHAPE(2), 1, "bias")));
  kd_graph_scope(g, "loss");
  kd_reduce_all(g, KD_REDUCE_MEAN, y);
}

static void test_text_and_hash(void **state) {
  kd_graph *g = *state, *same = kd_graph_create(), *other = kd_graph_create();
  build_sample(g, 0.5);
  build_sample(same, 0.5);
  build_sample(other, 0.25);
  assert_true(kd_graph_hash(g) == kd_graph_hash(same));
  assert_true(kd_graph_hash(g) != kd_graph_hash(other));
  const char *text = kd_graph_text(g, g->pool);
  assert_non_null(strstr(text, "%0 float32(2, 4, 4, 3) = input 0 \"image\""));
  assert_non_null(strstr(
      text, "conv(%0, %1) stride=(1, 1) dilation=(1, 1) before=(0, 0) after=(0, 0) groups=1  [conv1]"));
  assert_non_null(strstr(text, "mul(%2, 0.5)"));
  assert_non_null(strstr(text, "reduce(%7) mean axes=(0, 1, 2, 3)  [loss]"));
  kd_graph_destroy(same);
  kd_graph_destroy(other);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      CASE(test_fed),
      CASE(test_broadcast),
      CASE(test_constants_fold),
      CASE(test_trivial_work_is_not_emitted),
      CASE(test_random),
      CASE(test_shapes),
      CASE(test_matmul_shapes),
      CASE(test_conv_shapes),
      CASE(test_conv_channels),
      CASE(test_pool_shapes),
      CASE(test_errors_are_sticky),
      CASE(test_missing_operand),
      CASE(test_concat_of_many),
      CASE(test_text_and_hash),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
