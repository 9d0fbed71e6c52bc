// ctest: timeout=120
/* Fused plans compute what unfused ones compute, on random graphs, with dead memory poisoned: pointwise
 * fusion bit for bit, in training and with random draws. */
#include "layers/plan/plan.h"
#include "support/check.h"
#include "support/fake_backend.h"

enum { ROWS = 4, COLUMNS = 4, FED = 6, NODES = 40, MOST_RESULTS = 12, CELLS = ROWS * COLUMNS };

static uint64_t state = 99;

static int pick(int below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (int)((state >> 33) % (uint64_t)below);
}

typedef struct random_graph {
  kd_graph *g;
  bool half; /* some tensors are bfloat16 */
  kd_sym fed[FED], rng;
  float fed_values[FED][CELLS];
  uint32_t rng_values[4];
  int n_results;
  kd_sym result[MOST_RESULTS];
  int n_syms;
  kd_sym syms[2 * NODES + FED];
} random_graph;

static kd_shape random_shape(void) {
  switch (pick(5)) {
  case 0:
    return KD_SHAPE(COLUMNS);
  case 1:
    return KD_SHAPE(ROWS, 1);
  case 2:
    return KD_SCALAR;
  default:
    return KD_SHAPE(ROWS, COLUMNS);
  }
}

static kd_sym any(random_graph *r) {
  /* Recent tensors are likelier: long chains. */
  return r->syms[pick(2) ? r->n_syms - 1 - pick(r->n_syms < 5 ? r->n_syms : 5) : pick(r->n_syms)];
}

static kd_sym any_matrix(random_graph *r) {
  kd_shape full = KD_SHAPE(ROWS, COLUMNS);
  for (int attempt = 0; attempt < 20; attempt++) {
    kd_sym s = any(r);
    if (kd_shape_equal(kd_sym_shape(r->g, s), &full)) return s;
  }
  return r->syms[0];
}

/* The fake backend multiplies float32. */
static kd_sym any_factor(random_graph *r) {
  return kd_cast(r->g, any_matrix(r), KD_F32);
}

static kd_sym any_node(random_graph *r) {
  static const kd_pw unary[] = {KD_PW_NEG, KD_PW_TANH, KD_PW_SIGMOID, KD_PW_RELU, KD_PW_SQUARE};
  static const kd_pw binary[] = {KD_PW_ADD, KD_PW_SUB, KD_PW_MUL, KD_PW_MAX, KD_PW_LT};
  kd_graph *g = r->g;
  switch (pick(12)) {
  case 0:
    return kd_matmul(g, any_factor(r), any_factor(r), pick(2), pick(2));
  case 1:
    return kd_reduce_all(g, KD_REDUCE_SUM, any_matrix(r));
  case 2:
    return kd_reshape(g, any_matrix(r), KD_SHAPE(COLUMNS, ROWS));
  case 3:
    return kd_select(g, any(r), any(r), any(r));
  case 4:
    return r->half ? kd_cast(g, any(r), KD_BF16) : kd_cast(g, kd_cast(g, any(r), KD_I32), KD_F32);
  case 5:
    return kd_binary(g, KD_PW_LT, kd_uniform(g, r->rng, KD_SHAPE(ROWS, COLUMNS)), kd_const(g, 0.5));
  case 6:
  case 7:
  case 8:
    return kd_unary(g, unary[pick(5)], any(r));
  default:
    return kd_binary(g, binary[pick(5)], any(r), pick(5) ? any(r) : kd_const(g, 0.25 * pick(8)));
  }
}

static random_graph *make(bool training, bool half) {
  random_graph *r = kd_calloc(1, sizeof *r);
  r->half = half;
  r->g = kd_graph_create();
  r->rng = kd_value_sym(r->g, KD_U32, KD_SHAPE(4), 0, "rng");
  for (int i = 0; i < 4; i++) r->rng_values[i] = (uint32_t)pick(1000);
  for (int i = 0; i < FED; i++) {
    kd_shape shape = i ? random_shape() : KD_SHAPE(ROWS, COLUMNS);
    r->syms[r->n_syms++] = r->fed[i] = kd_input(r->g, KD_F32, shape, i, "x");
    for (int c = 0; c < CELLS; c++) r->fed_values[i][c] = (float)(pick(2000) - 1000) / 1000;
  }
  for (int i = 0; i < NODES; i++) {
    kd_sym made = any_node(r);
    r->syms[r->n_syms++] = made;
  }
  for (int i = 0; i < 4; i++) r->result[r->n_results++] = r->syms[FED + pick(NODES)];
  if (training) {
    kd_sym grads[FED], loss = kd_reduce_all(r->g, KD_REDUCE_SUM, r->syms[r->n_syms - 1]);
    assert_ok(kd_autodiff(r->g, loss, FED, r->fed, grads));
    for (int i = 0; i < FED; i++)
      if (grads[i] != KD_NO_SYM) r->result[r->n_results++] = grads[i];
  }
  assert_ok(kd_graph_status(r->g));
  return r;
}

typedef struct results {
  float value[MOST_RESULTS][CELLS];
  int launches;
} results;

static void compute(random_graph *r, bool fusion, results *out) {
  kd_device device = fake_device();
  kd_binding bindings[MOST_RESULTS + FED + 1];
  int n = 0;
  memset(out, 0, sizeof *out);
  for (int i = 0; i < FED; i++) bindings[n++] = (kd_binding){r->fed[i], r->fed_values[i]};
  bindings[n++] = (kd_binding){r->rng, r->rng_values};
  for (int i = 0; i < r->n_results; i++)
    if (kd_sym_get(r->g, r->result[i])->role == KD_ROLE_NODE)
      bindings[n++] = (kd_binding){r->result[i], out->value[i]};
  kd_plan_spec spec = {
      .graph = r->g, .device = &device, .n_bindings = n, .bindings = bindings, .poison = true};
  spec.no_fusion = !fusion;
  kd_plan *plan;
  assert_ok(kd_plan_compile(&spec, &plan));
  assert_ok(kd_plan_run(plan, 1));
  assert_ok(kd_plan_run(plan, 1));
  out->launches = kd_plan_get_stats(plan).n_launches;
  kd_plan_destroy(plan);
}

static void compare(bool training, bool half, int rounds) {
  int plain_launches = 0, fused_launches = 0;
  for (int round = 0; round < rounds; round++) {
    static results plain, fused;
    random_graph *r = make(training, half);
    compute(r, false, &plain);
    compute(r, true, &fused);
    for (int i = 0; i < r->n_results; i++)
      if (memcmp(plain.value[i], fused.value[i], sizeof plain.value[i]) != 0)
        fail_msg("round %d: result %d differs: %g, not %g", round, i, (double)fused.value[i][0],
                 (double)plain.value[i][0]);
    plain_launches += plain.launches;
    fused_launches += fused.launches;
    kd_graph_destroy(r->g);
    kd_free(r);
  }
  /* The comparison is worth nothing when nothing was fused. */
  assert_true(fused_launches < plain_launches * 3 / 4);
}

static void test_inference(void **unused) {
  (void)unused;
  compare(false, false, 400);
}

static void test_training(void **unused) {
  (void)unused;
  compare(true, false, 400);
}

/* Values that are bfloat16 between nodes are rounded inside of a program too. */
static void test_half_types(void **unused) {
  (void)unused;
  compare(false, true, 400);
  compare(true, true, 400);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_inference), cmocka_unit_test(test_training),
                                     cmocka_unit_test(test_half_types)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
