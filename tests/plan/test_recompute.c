/* What is computed again in the backward pass, and what is kept. */
#include "plan/fuse_fixture.h"

static kd_shape wide = {.rank = 2, .dim = {64, 64}};

static kd_sym product(fused *f, kd_sym x) {
  return kd_matmul(f->g, x, kd_weight_sym(f->g, KD_F32, wide, f->g->n_syms, "w"), false, false);
}

/* One node of the backward pass that reads x and gives a result that must stay. */
static kd_sym read_back(fused *f, kd_sym x) {
  f->g->backward = true;
  kd_sym y = kd_reduce_all(f->g, KD_REDUCE_SUM, x);
  f->keep[y] = true;
  f->g->backward = false;
  return y;
}

static void test_cheap_results_again(void **unused) {
  (void)unused;
  fused *f = begin();
  f->recompute = KD_RECOMPUTE_ACTIVATIONS;
  kd_sym x = product(f, input(f, wide)), y = kd_softmax(f->g, x, false), z = product(f, y);
  read_back(f, z);
  read_back(f, y);
  read_back(f, x);
  fuse(f);
  assert_int_equal(count(f, KD_OP_SOFTMAX), 2); /* from x, which is there */
  assert_int_equal(count(f, KD_OP_MATMUL), 2);
  end(f);
}

static void test_products_are_kept(void **unused) {
  (void)unused;
  fused *f = begin();
  f->recompute = KD_RECOMPUTE_ACTIVATIONS;
  kd_sym x = product(f, input(f, wide)), y = kd_softmax(f->g, x, false);
  read_back(f, y); /* x is not there: it would be a product again */
  fuse(f);
  assert_int_equal(count(f, KD_OP_SOFTMAX), 1);
  assert_int_equal(count(f, KD_OP_MATMUL), 1);
  end(f);
}

/* A long chain is cut: nothing is more than four passes over memory away from what is kept. */
static void test_chains_are_cut(void **unused) {
  (void)unused;
  fused *f = begin();
  f->recompute = KD_RECOMPUTE_ACTIVATIONS;
  enum { LINKS = 12 };
  kd_sym chain[LINKS + 1] = {product(f, input(f, wide))};
  for (int i = 0; i < LINKS; i++) chain[i + 1] = kd_softmax(f->g, chain[i], false);
  read_back(f, product(f, chain[LINKS]));
  read_back(f, chain[LINKS]);
  read_back(f, chain[0]);
  fuse(f);
  assert_int_equal(count(f, KD_OP_SOFTMAX), LINKS);
  end(f);
}

static void test_bound_and_small_results_are_kept(void **unused) {
  (void)unused;
  fused *f = begin();
  f->recompute = KD_RECOMPUTE_ACTIVATIONS;
  kd_sym x = input(f, wide), bound = kd_softmax(f->g, x, false);
  kd_sym small = kd_unary(f->g, KD_PW_EXP, kd_reduce_all(f->g, KD_REDUCE_MAX, x));
  f->keep[bound] = true;
  read_back(f, bound);
  read_back(f, kd_binary(f->g, KD_PW_MUL, small, x));
  fuse(f);
  assert_int_equal(count(f, KD_OP_SOFTMAX), 1);
  assert_int_equal(count(f, KD_OP_REDUCE), 3);
  end(f);
}

/* A deep chain of products: the last piece and what passes between pieces are kept, the rest is computed
 * again once. */
static void test_pieces(void **unused) {
  (void)unused;
  fused *f = begin();
  f->recompute = KD_RECOMPUTE_ALL;
  enum { LINKS = 16 };
  kd_sym chain[LINKS + 1] = {input(f, wide)};
  for (int i = 0; i < LINKS; i++) chain[i + 1] = product(f, chain[i]);
  for (int i = LINKS; i > 0; i--) read_back(f, chain[i]);
  fuse(f);
  int products = count(f, KD_OP_MATMUL);
  assert_in_range(products, LINKS + LINKS / 2, 2 * LINKS - 3);
  end(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cheap_results_again), cmocka_unit_test(test_products_are_kept),
      cmocka_unit_test(test_chains_are_cut), cmocka_unit_test(test_bound_and_small_results_are_kept),
      cmocka_unit_test(test_pieces)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
