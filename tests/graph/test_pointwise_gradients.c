/* Gradients of pointwise steps and programs against 4-point differences; at kinks and ties against JAX. */
#include "support/check.h"
#include "support/gradient.h"

/* A step with operands in ranges where it is smooth (or has kinks only between grid points). */
typedef struct step_case {
  kd_pw op;
  double low_a, high_a, low_b, high_b;
} step_case;

static const step_case smooth[] = {
    {.op = KD_PW_COPY, -2, 2, 0, 0},     {.op = KD_PW_NEG, -2, 2, 0, 0},
    {.op = KD_PW_ABS, -2, 2, 0, 0},      {.op = KD_PW_SQUARE, -2, 2, 0, 0},
    {.op = KD_PW_SQRT, 0.5, 2, 0, 0},    {.op = KD_PW_RSQRT, 0.5, 2, 0, 0},
    {.op = KD_PW_RECIP, 0.5, 2, 0, 0},   {.op = KD_PW_EXP, -2, 2, 0, 0},
    {.op = KD_PW_EXPM1, -2, 2, 0, 0},    {.op = KD_PW_LOG, 0.5, 2, 0, 0},
    {.op = KD_PW_LOG1P, -0.5, 2, 0, 0},  {.op = KD_PW_TANH, -2, 2, 0, 0},
    {.op = KD_PW_SIGMOID, -4, 4, 0, 0},  {.op = KD_PW_SOFTPLUS, -4, 4, 0, 0},
    {.op = KD_PW_ERF, -2, 2, 0, 0},      {.op = KD_PW_SIN, -2, 2, 0, 0},
    {.op = KD_PW_COS, -2, 2, 0, 0},      {.op = KD_PW_RELU, -2, 2, 0, 0},
    {.op = KD_PW_ADD, -2, 2, -2, 2},     {.op = KD_PW_SUB, -2, 2, -2, 2},
    {.op = KD_PW_MUL, -2, 2, -2, 2},     {.op = KD_PW_DIV, -2, 2, 0.5, 2},
    {.op = KD_PW_MAX, -2, 2, -2.1, 1.9}, {.op = KD_PW_MIN, -2, 2, -2.1, 1.9},
    {.op = KD_PW_POW, 0.5, 2, -2, 2},    {.op = KD_PW_MOD, 5.1, 5.9, 2.1, 2.4},
};

/* Steps that are constant almost everywhere. */
static const kd_pw flat[] = {KD_PW_SIGN, KD_PW_FLOOR, KD_PW_ROUND, KD_PW_NOT, KD_PW_FINITE,
                             KD_PW_LT,   KD_PW_LE,    KD_PW_EQ,    KD_PW_AND, KD_PW_OR};

enum { N_SMOOTH = sizeof smooth / sizeof *smooth, N_FLAT = sizeof flat / sizeof *flat };

static void check_step(const step_case *c, kd_shape a, kd_shape b) {
  trial t;
  trial_open(&t);
  kd_sym x = trial_input(&t, a, c->low_a, c->high_a), y;
  if (kd_pw_operands(c->op) == 1)
    y = kd_unary(t.g, c->op, x);
  else
    y = kd_binary(t.g, c->op, x, trial_input(&t, b, c->low_b, c->high_b));
  trial_check(&t, y, kd_pw_name(c->op));
  trial_close(&t);
}

static void test_steps(void **state) {
  (void)state;
  for (int i = 0; i < N_SMOOTH; i++) {
    check_step(&smooth[i], KD_SHAPE(2, 5), KD_SHAPE(2, 5));
    if (kd_pw_operands(smooth[i].op) < 2) continue;
    check_step(&smooth[i], KD_SHAPE(3, 1, 2), KD_SHAPE(4, 1));
    check_step(&smooth[i], KD_SCALAR, KD_SHAPE(2, 3));
    check_step(&smooth[i], KD_SHAPE(2, 3), KD_SHAPE(1));
  }
}

/* Constants inside the program take another way than inputs. */
static void test_steps_with_constants(void **state) {
  (void)state;
  for (int i = 0; i < N_SMOOTH; i++) {
    const step_case *c = &smooth[i];
    if (kd_pw_operands(c->op) != 2) continue;
    for (int side = 0; side < 2; side++) {
      trial t;
      trial_open(&t);
      kd_sym number =
          kd_const(t.g, side ? 0.4 * c->low_b + 0.6 * c->high_b : 0.4 * c->low_a + 0.6 * c->high_a);
      kd_sym x = trial_input(&t, KD_SHAPE(2, 3), side ? c->low_a : c->low_b, side ? c->high_a : c->high_b);
      trial_check(&t, side ? kd_binary(t.g, c->op, x, number) : kd_binary(t.g, c->op, number, x),
                  kd_pw_name(c->op));
      trial_close(&t);
    }
  }
}

static void test_power_with_constant(void **state) {
  (void)state;
  static const double exponents[] = {-1, 0.5, 1.5, 2, 3};
  for (int i = 0; i < 5; i++) {
    trial t;
    trial_open(&t);
    trial_check(&t,
                kd_binary(t.g, KD_PW_POW, trial_input(&t, KD_SHAPE(6), 0.5, 2), kd_const(t.g, exponents[i])),
                "power");
    trial_close(&t);
  }
}

static void test_select(void **state) {
  (void)state;
  trial t;
  trial_open(&t);
  kd_sym condition = kd_binary(t.g, KD_PW_LT, trial_constant(&t, KD_SHAPE(3, 4), -1, 1), kd_const(t.g, 0));
  kd_sym a = trial_input(&t, KD_SHAPE(4), 0, 1), b = trial_input(&t, KD_SHAPE(3, 1), 0, 1);
  trial_check(&t, kd_select(t.g, condition, a, b), "select");
  trial_close(&t);
}

/* No path to the loss is left, and no gradient. */
static void test_flat_steps_have_no_gradient(void **state) {
  (void)state;
  for (int i = 0; i < N_FLAT; i++) {
    kd_graph *g = kd_graph_create();
    kd_sym x = kd_input(g, KD_F32, KD_SHAPE(4), 0, "x"), z = kd_input(g, KD_F32, KD_SHAPE(4), 1, "z"),
           grads[2];
    kd_sym y = kd_pw_operands(flat[i]) == 1 ? kd_unary(g, flat[i], x) : kd_binary(g, flat[i], x, z);
    assert_ok(kd_autodiff(g, kd_reduce_all(g, KD_REDUCE_SUM, y), 2, (kd_sym[]){x, z}, grads));
    assert_int_equal(grads[0], KD_NO_SYM);
    assert_int_equal(grads[1], KD_NO_SYM);
    kd_graph_destroy(g);
  }
}

/* The gradient of rounding is that of the value itself. */
static void test_gradient_passes_rounding(void **state) {
  (void)state;
  static const kd_pw rounding[] = {KD_PW_TO_BF16, KD_PW_TO_F16};
  static const double x[] = {1.001, -2.003, 0.5}, ones[] = {1, 1, 1};
  for (int i = 0; i < 2; i++) {
    trial t;
    trial_open(&t);
    trial_expect(&t, kd_unary(t.g, rounding[i], trial_values(&t, KD_SHAPE(3), x)), 0, ones, "rounding");
    trial_close(&t);
  }
}

/* A program as fusion makes them: two results, a shared intermediate value, a draw, all kinds of operands. */
static kd_sym fused_program(trial *t) {
  kd_sym inputs[] = {trial_input(t, KD_SHAPE(3, 4), -1, 1), trial_input(t, KD_SHAPE(4), 0.5, 1),
                     trial_rng(t)};
  kd_sym results[2];
  kd_pointwise_attr attr = {
      .n_inputs = 3, .n_steps = 7, .n_outputs = 2, .shape = KD_SHAPE(3, 4), .output = {8, 9}};
  attr.step[0] = (kd_pw_step){.op = KD_PW_CONST, .imm.value = 0.75f};          /* 3 */
  attr.step[1] = (kd_pw_step){.op = KD_PW_EXP, .arg = {0}};                    /* 4 */
  attr.step[2] = (kd_pw_step){.op = KD_PW_FMA, .arg = {4, 1, 3}};              /* 5: exp(a) * b + 0.75 */
  attr.step[3] = (kd_pw_step){.op = KD_PW_UNIFORM, .arg = {2}, .imm.node = 3}; /* 6 */
  attr.step[4] = (kd_pw_step){.op = KD_PW_LT, .arg = {6, 3}};                  /* 7 */
  attr.step[5] = (kd_pw_step){.op = KD_PW_SELECT, .arg = {7, 5, 4}};           /* 8 */
  attr.step[6] = (kd_pw_step){.op = KD_PW_MUL, .arg = {8, 5}};                 /* 9 */
  kd_append(t->g, KD_OP_POINTWISE, &attr, 3, inputs, results);
  return kd_add(t->g, results[0], kd_unary(t->g, KD_PW_SQUARE, results[1]));
}

static void test_programs(void **state) {
  (void)state;
  trial t;
  trial_open(&t);
  trial_check(&t, fused_program(&t), "program");
  trial_close(&t);
}

static void test_every_step_was_checked(void **state) {
  (void)state;
  bool seen[KD_N_PW] = {
      [KD_PW_CONST] = true,   [KD_PW_UNIFORM] = true, [KD_PW_NORMAL] = true, [KD_PW_SELECT] = true,
      [KD_PW_TO_BF16] = true, [KD_PW_TO_F16] = true,  [KD_PW_FMA] = true};
  for (int i = 0; i < N_SMOOTH; i++) seen[smooth[i].op] = true;
  for (int i = 0; i < N_FLAT; i++) seen[flat[i]] = true;
  for (kd_pw op = 0; op < KD_N_PW; op++)
    if (!seen[op]) fail_msg("no case for %s", kd_pw_name(op));
}

/* --- points without a derivative: numbers of jax 0.10 (jax.grad of jnp.maximum, jnp.max, jnp.prod,
 * jax.nn.relu, jnp.power); abs at 0 as TensorFlow --- */

typedef struct kink {
  const char *name;
  kd_pw op; /* with two operands: a op b; else op(a) */
  int count, of;
  double a[3], b[3], expected[3]; /* gradients of operand `of` */
} kink;

static const kink kinks[] = {
    {"max tie", KD_PW_MAX, 2, 0, {1, 2}, {1, 1}, {0.5, 1}},
    {"max tie", KD_PW_MAX, 2, 1, {1, 2}, {1, 1}, {0.5, 0}},
    {"min tie", KD_PW_MIN, 2, 0, {1, 2}, {1, 1}, {0.5, 0}},
    {"relu at 0", KD_PW_RELU, 3, 0, {0, 1, -1}, {0}, {0, 1, 0}},
    {"abs at 0", KD_PW_ABS, 3, 0, {0, 1, -1}, {0}, {0, 1, -1}},
    {"base 0", KD_PW_POW, 3, 0, {0, -2, 0}, {2, 3, 1}, {0, 12, 1}},
    {"exponent of base 0", KD_PW_POW, 2, 1, {0, 0}, {2, 1}, {0, 0}},
    {"remainder", KD_PW_MOD, 2, 1, {7.5, -7.5}, {2, 2}, {-3, 4}},
};

static void test_kinks(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof kinks / sizeof *kinks; i++) {
    const kink *k = &kinks[i];
    trial t;
    trial_open(&t);
    kd_sym a = trial_values(&t, KD_SHAPE(k->count), k->a), y;
    y = kd_pw_operands(k->op) == 1 ? kd_unary(t.g, k->op, a)
                                   : kd_binary(t.g, k->op, a, trial_values(&t, KD_SHAPE(k->count), k->b));
    trial_expect(&t, y, k->of, k->expected, k->name);
    trial_close(&t);
  }
}

static void test_kinks_of_reductions(void **state) {
  (void)state;
  static const struct {
    kd_reduce_kind kind;
    double x[3], expected[3];
  } cases[] = {
      {KD_REDUCE_MAX, {1, 1, 0}, {0.5, 0.5, 0}},
      {KD_REDUCE_MIN, {1, 1, 0}, {0, 0, 1}},
      {KD_REDUCE_PROD, {0, 2, 3}, {6, 0, 0}},
      {KD_REDUCE_PROD, {0, 0, 3}, {0, 0, 0}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    trial t;
    trial_open(&t);
    kd_sym x = trial_values(&t, KD_SHAPE(3), cases[i].x);
    trial_expect(&t, kd_reduce_all(t.g, cases[i].kind, x), 0, cases[i].expected, "reduction");
    trial_close(&t);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_steps),
      cmocka_unit_test(test_steps_with_constants),
      cmocka_unit_test(test_power_with_constant),
      cmocka_unit_test(test_select),
      cmocka_unit_test(test_flat_steps_have_no_gradient),
      cmocka_unit_test(test_gradient_passes_rounding),
      cmocka_unit_test(test_programs),
      cmocka_unit_test(test_every_step_was_checked),
      cmocka_unit_test(test_kinks),
      cmocka_unit_test(test_kinks_of_reductions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
