/* Normalisation, relu and pooling become one primitive where nothing else needs the normalised images; relu's
 * mask goes before the gradient of pooling, and sums over pixels with it. */
#include "plan/fuse_fixture.h"

typedef struct chain {
  kd_sym gamma, beta, y, pooled;
} chain;

static const kd_pool_attr two_by_two = {.spatial = 2, .window = {2, 2}, .stride = {2, 2}};

static chain make(fused *f, int64_t channels, const kd_pool_attr *window) {
  kd_sym mean, variance, x = input(f, KD_SHAPE(2, 6, 7, channels));
  chain c = {.gamma = kd_weight_sym(f->g, KD_F32, KD_SHAPE(channels), 0, "gamma"),
             .beta = kd_weight_sym(f->g, KD_F32, KD_SHAPE(channels), 1, "beta")};
  c.y = kd_unary(f->g, KD_PW_RELU, kd_batch_norm(f->g, x, c.gamma, c.beta, 1e-3, &mean, &variance));
  c.pooled = kd_pool_op(f->g, c.y, window);
  f->keep[mean] = f->keep[variance] = true;
  return c;
}

static void differentiate(fused *f, const chain *c, kd_sym out) {
  kd_sym grads[2], loss = kd_reduce_all(f->g, KD_REDUCE_SUM, kd_unary(f->g, KD_PW_SQUARE, out));
  assert_ok(kd_autodiff(f->g, loss, 2, (kd_sym[]){c->gamma, c->beta}, grads));
  f->keep[grads[0]] = f->keep[grads[1]] = true;
}

static void expect(fused *f, int both, int gradients) {
  fuse(f);
  assert_int_equal(count(f, KD_OP_NORM_POOL), both);
  assert_int_equal(count(f, KD_OP_NORM_POOL_GRAD), gradients);
  assert_int_equal(count(f, KD_OP_POOL), 1 - both);
  assert_int_equal(count(f, KD_OP_BATCH_NORM), 1 - both);
  end(f);
}

static void test_training(void **unused) {
  (void)unused;
  fused *f = begin();
  chain c = make(f, 16, &two_by_two);
  differentiate(f, &c, c.pooled);
  f->keep[c.pooled] = true; /* the result may be wanted: it is still there */
  expect(f, 1, 1);
}

static void test_forward_alone(void **unused) {
  (void)unused;
  fused *f = begin();
  chain c = make(f, 32, &two_by_two);
  f->keep[c.pooled] = true;
  expect(f, 1, 0);
}

static void test_other_windows_are_left_alone(void **unused) {
  (void)unused;
  const kd_pool_attr others[] = {
      {.spatial = 2, .window = {3, 3}, .stride = {2, 2}},
      {.spatial = 2, .window = {2, 2}, .stride = {2, 2}, .pad_after = {0, 1}},
      {.spatial = 2, .window = {2, 2}, .stride = {2, 2}, .average = true},
      {.spatial = 2, .window = {1, 1}, .stride = {2, 2}},
  };
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    fused *f = begin();
    chain c = make(f, 16, &others[i]);
    differentiate(f, &c, c.pooled);
    expect(f, 0, 0);
  }
}

static void test_few_channels(void **unused) {
  (void)unused;
  fused *f = begin();
  chain c = make(f, 8, &two_by_two);
  differentiate(f, &c, c.pooled);
  expect(f, 0, 0);
}

static void test_another_reader(void **unused) {
  (void)unused;
  fused *f = begin();
  chain c = make(f, 16, &two_by_two);
  kd_sym rest = kd_reduce_all(f->g, KD_REDUCE_SUM, c.y);
  differentiate(f, &c, kd_add(f->g, c.pooled, rest));
  expect(f, 0, 0);
}

static void test_images_that_are_wanted(void **unused) {
  (void)unused;
  fused *f = begin();
  chain c = make(f, 16, &two_by_two);
  differentiate(f, &c, c.pooled);
  f->keep[c.y] = true;
  expect(f, 0, 0);
}

/* convolution, bias, relu, pooling */
static void test_mask_of_results(void **unused) {
  (void)unused;
  fused *f = begin();
  kd_conv_attr conv = {.spatial = 2, .stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
  kd_sym kernel = kd_weight_sym(f->g, KD_F32, KD_SHAPE(3, 3, 2, 4), 0, "kernel");
  kd_sym bias = kd_weight_sym(f->g, KD_F32, KD_SHAPE(4), 1, "bias"), grads[2];
  kd_sym y = kd_unary(f->g, KD_PW_RELU,
                      kd_add(f->g, kd_conv(f->g, input(f, KD_SHAPE(2, 9, 9, 2)), kernel, &conv), bias));
  kd_pool_attr overlapping = {.spatial = 2, .window = {3, 3}, .stride = {2, 2}};
  kd_sym pooled = kd_pool_op(f->g, y, &overlapping);
  kd_sym loss = kd_reduce_all(f->g, KD_REDUCE_SUM, kd_unary(f->g, KD_PW_SQUARE, pooled));
  assert_ok(kd_autodiff(f->g, loss, 2, (kd_sym[]){kernel, bias}, grads));
  f->keep[grads[0]] = f->keep[grads[1]] = true;
  fuse(f);
  const kd_shape small = *kd_sym_shape(f->g, pooled);
  for (int n = 0; n < f->result->n_nodes; n++) {
    const kd_node *node = &f->result->nodes[n];
    if (node->op == KD_OP_POINTWISE)
      assert_true(kd_shape_equal(&((const kd_pointwise_attr *)node->attr)->shape, &small));
  }
  const kd_node *sum = node_of(f, grads[1]);
  assert_int_equal(sum->op, KD_OP_REDUCE);
  assert_true(kd_shape_equal(kd_sym_shape(f->result, sum->input[0]), &small));
  assert_int_equal(node_of(f, grads[0])->op, KD_OP_CONV_GRAD_KERNEL);
  assert_int_equal(kd_producer(f->result, node_of(f, grads[0])->input[1], false)->op, KD_OP_POOL_GRAD);
  end(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_training),
      cmocka_unit_test(test_forward_alone),
      cmocka_unit_test(test_other_windows_are_left_alone),
      cmocka_unit_test(test_few_channels),
      cmocka_unit_test(test_another_reader),
      cmocka_unit_test(test_images_that_are_wanted),
      cmocka_unit_test(test_mask_of_results),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
