/* The plain interpreter, which other tests take for truth, and the gradient rules against values of JAX
 * (tests/golden/make_ops.py). */
#include <math.h>

#include "support/check.h"
#include "support/gradient.h"
#include "support/interpret.h"

enum { LINE_BYTES = 1 << 16 };

static char line[LINE_BYTES];
static int n_checked;

/* The values of a case as text; fails the test when there is no such case. */
static char *golden_line(const char *name) {
  FILE *file = fopen(KDIST_SOURCE_DIR "/tests/golden/ops.txt", "r");
  if (!file) fail_msg("tests/golden/ops.txt cannot be read");
  size_t length = strlen(name);
  while (fgets(line, LINE_BYTES, file))
    if (strncmp(line, name, length) == 0 && line[length] == ' ') {
      fclose(file);
      n_checked++;
      return line + length;
    }
  fclose(file);
  fail_msg("no golden values of %s", name);
  return NULL;
}

static void assert_golden(const char *name, const double *values, int64_t count) {
  char *text = golden_line(name);
  for (int64_t i = 0; i < count; i++) {
    char *end;
    double expected = strtod(text, &end);
    if (end == text) fail_msg("%s: %lld values, but fewer golden ones", name, (long long)count);
    if (!(fabs(values[i] - expected) <= 1e-12 + 1e-7 * fabs(expected)))
      fail_msg("%s: element %lld is %.12g, JAX has %.12g", name, (long long)i, values[i], expected);
    text = end;
  }
  if (strspn(text, " \n") != strlen(text))
    fail_msg("%s: more golden values than %lld", name, (long long)count);
}

/* Input k of the script. Operands are declared in the order of k. */
static kd_sym input(trial *t, kd_shape shape) {
  int k = t->n_wanted;
  kd_sym sym = trial_input(t, shape, 0, 1);
  for (int64_t i = 0; i < kd_shape_count(&shape); i++) t->values[sym][i] = sin(1.3 * (double)i + k);
  return sym;
}

static void check(trial *t, const char *name, kd_sym y) {
  if (kd_graph_status(t->g) != KD_OK) fail_msg("%s: %s", name, kd_status_text());
  interpret_free(t->g, t->values);
  assert_ok(interpret(t->g, t->values));
  assert_golden(name, t->values[y], kd_shape_count(kd_sym_shape(t->g, y)));
}

/* The gradient of sum(y * sin(1.3 i + 9)) by input k. */
static void check_gradient(trial *t, const char *name, kd_sym y, int k) {
  kd_sym grads[TRIAL_INPUTS], weights = trial_constant(t, *kd_sym_shape(t->g, y), 0, 1);
  for (int64_t i = 0; i < kd_shape_count(kd_sym_shape(t->g, y)); i++)
    t->values[weights][i] = sin(1.3 * (double)i + 9);
  kd_sym loss = kd_reduce_all(t->g, KD_REDUCE_SUM, kd_mul(t->g, y, weights));
  assert_ok(kd_autodiff(t->g, loss, t->n_wanted, t->wanted, grads));
  check(t, name, grads[k]);
}

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

/* Forgets the inputs, so that the next case counts them from 0 again. */
static kd_graph *fresh(trial *t) {
  trial_close(t);
  trial_open(t);
  return t->g;
}

static void test_matmul(void **state) {
  trial *t = *state;
  kd_sym a = input(t, KD_SHAPE(2, 3, 4)), b = input(t, KD_SHAPE(4, 5));
  check(t, "matmul", kd_matmul(t->g, a, b, false, false));
  fresh(t);
  a = input(t, KD_SHAPE(2, 1, 4, 3)), b = input(t, KD_SHAPE(3, 5, 4));
  check(t, "matmul_transposed", kd_matmul(t->g, a, b, true, true));
}

static const kd_conv_attr line_conv = {
    .spatial = 1, .stride = {2}, .dilation = {1}, .pad_before = {1}, .pad_after = {2}, .groups = 1};
static const kd_conv_attr plane_conv = {.spatial = 2,
                                        .stride = {2, 3},
                                        .dilation = {2, 1},
                                        .pad_before = {1, 0},
                                        .pad_after = {2, 1},
                                        .groups = 2};
static const kd_conv_attr volume_conv = {
    .spatial = 3, .stride = {1, 2, 1}, .dilation = {1, 1, 1}, .pad_after = {0, 1, 0}, .groups = 1};

static void test_conv(void **state) {
  trial *t = *state;
  kd_sym a = input(t, KD_SHAPE(2, 6, 3)), b = input(t, KD_SHAPE(3, 3, 2));
  check(t, "conv1d", kd_conv(t->g, a, b, &line_conv));
  fresh(t);
  a = input(t, KD_SHAPE(1, 3, 4, 3, 2)), b = input(t, KD_SHAPE(2, 2, 2, 2, 2));
  check(t, "conv3d", kd_conv(t->g, a, b, &volume_conv));
  fresh(t);
  a = input(t, KD_SHAPE(2, 6, 7, 4)), b = input(t, KD_SHAPE(3, 2, 2, 4));
  kd_sym y = kd_conv(t->g, a, b, &plane_conv);
  check(t, "conv2d", y);
  check_gradient(t, "conv2d_dx", y, 0);
  check_gradient(t, "conv2d_dkernel", y, 1);
}

static void test_pool(void **state) {
  trial *t = *state;
  kd_pool_attr attr = {
      .spatial = 2, .window = {3, 2}, .stride = {1, 2}, .pad_before = {1, 0}, .pad_after = {1, 1}};
  kd_sym x = input(t, KD_SHAPE(2, 4, 5, 2));
  kd_sym y = kd_pool_op(t->g, x, &attr);
  check(t, "max_pool", y);
  check_gradient(t, "max_pool_dx", y, 0);
  attr.average = true;
  y = kd_pool_op(t->g, x, &attr);
  check(t, "mean_pool", y);
  check_gradient(t, "mean_pool_dx", y, 0);
}

static void test_norm(void **state) {
  trial *t = *state;
  kd_sym x = input(t, KD_SHAPE(3, 2, 4)), gamma = input(t, KD_SHAPE(4)), beta = input(t, KD_SHAPE(4)), mean,
         var;
  kd_sym y = kd_batch_norm(t->g, x, gamma, beta, 0.125, &mean, &var);
  check(t, "batch_norm", y);
  check_gradient(t, "batch_norm_dx", y, 0);
  check_gradient(t, "batch_norm_dgamma", y, 1);
  y = kd_layer_norm(t->g, x, gamma, beta, 0.125);
  check(t, "layer_norm", y);
  check_gradient(t, "layer_norm_dx", y, 0);
  check_gradient(t, "layer_norm_dgamma", y, 1);
}

static kd_sym labels(trial *t, int divisor) {
  static const double numbers[] = {2, 0, 1, 3};
  kd_sym sym = trial_integers(t, KD_SHAPE(4), 0, 1);
  for (int i = 0; i < 4; i++) t->values[sym][i] = floor(numbers[i] / divisor);
  return sym;
}

static void test_softmax(void **state) {
  trial *t = *state;
  kd_sym x = input(t, KD_SHAPE(3, 5));
  for (int log = 0; log < 2; log++) {
    kd_sym y = kd_softmax(t->g, x, log);
    check(t, log ? "log_softmax" : "softmax", y);
    check_gradient(t, log ? "log_softmax_dx" : "softmax_dx", y, 0);
  }
  fresh(t);
  kd_sym loss = kd_sparse_xent(t->g, input(t, KD_SHAPE(4, 5)), labels(t, 1), INT32_MIN);
  check(t, "xent", loss);
  check_gradient(t, "xent_dx", loss, 0);
}

static void test_reductions_and_lookup(void **state) {
  trial *t = *state;
  kd_sym x = input(t, KD_SHAPE(3, 4, 2));
  check(t, "reduce_mean", kd_reduce(t->g, KD_REDUCE_MEAN, x, 2, (int[]){0, 2}, false));
  check(t, "reduce_prod", kd_reduce(t->g, KD_REDUCE_PROD, x, 1, (int[]){1}, false));
  check(t, "reduce_max", kd_reduce(t->g, KD_REDUCE_MAX, x, 2, (int[]){1, 2}, true));
  check(t, "argmax", kd_argmax(t->g, x, 1));
  fresh(t);
  x = input(t, KD_SHAPE(5, 3));
  check(t, "gather", kd_gather(t->g, x, labels(t, 1)));
  check_gradient(t, "gather_dtable", kd_gather(t->g, x, labels(t, 2)), 0);
}

static void test_moves(void **state) {
  trial *t = *state;
  check(t, "transpose", kd_transpose(t->g, input(t, KD_SHAPE(2, 3, 4)), (int[]){2, 0, 1}));
  fresh(t);
  kd_sym y = kd_slice(t->g, input(t, KD_SHAPE(7, 6)), &(kd_slice_attr){{1, 2}, {3, 3}, {2, 1}});
  check(t, "slice", y);
  check_gradient(t, "slice_dx", y, 0);
  fresh(t);
  kd_sym a = input(t, KD_SHAPE(2, 3)), b = input(t, KD_SHAPE(2, 2));
  check(t, "pad", kd_pad(t->g, a, &(kd_pad_attr){{0, 2}, {1, 3}, 5}));
  check(t, "concat", kd_concat(t->g, 2, (kd_sym[]){a, b}, 1));
}

static void test_pointwise(void **state) {
  static const kd_pw units[] = {KD_PW_NEG,      KD_PW_ABS,   KD_PW_SIGN,  KD_PW_SQUARE,
                                KD_PW_EXP,      KD_PW_EXPM1, KD_PW_TANH,  KD_PW_SIGMOID,
                                KD_PW_SOFTPLUS, KD_PW_ERF,   KD_PW_SIN,   KD_PW_COS,
                                KD_PW_FLOOR,    KD_PW_RELU,  KD_PW_LOG1P, KD_PW_ROUND};
  static const kd_pw pairs[] = {KD_PW_ADD, KD_PW_SUB, KD_PW_MUL, KD_PW_DIV, KD_PW_MAX,
                                KD_PW_MIN, KD_PW_MOD, KD_PW_LT,  KD_PW_LE,  KD_PW_EQ};
  trial *t = *state;
  char name[32];
  kd_sym a = input(t, KD_SHAPE(12)), wide = kd_reshape(t->g, a, KD_SHAPE(3, 4)), b = input(t, KD_SHAPE(4));
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    snprintf(name, sizeof name, "pw_%s", kd_pw_name(units[i]));
    check(t, name, kd_unary(t->g, units[i], a));
  }
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    snprintf(name, sizeof name, "pw_%s", kd_pw_name(pairs[i]));
    check(t, name, kd_binary(t->g, pairs[i], wide, b));
  }
}

/* Runs last: no golden line was left out. */
static void test_all_values_were_used(void **state) {
  (void)state;
  FILE *file = fopen(KDIST_SOURCE_DIR "/tests/golden/ops.txt", "r");
  assert_non_null(file);
  int lines = 0;
  while (fgets(line, LINE_BYTES, file)) lines++;
  fclose(file);
  assert_int_equal(n_checked, lines);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      CASE(test_matmul), CASE(test_conv),      CASE(test_pool),
      CASE(test_norm),   CASE(test_softmax),   CASE(test_reductions_and_lookup),
      CASE(test_moves),  CASE(test_pointwise), cmocka_unit_test(test_all_values_were_used),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
