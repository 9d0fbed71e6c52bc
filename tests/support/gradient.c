#include "support/gradient.h"

#include <math.h>

#include "device/base/rng.h"
#include "support/check.h"
#include "support/interpret.h"

void trial_open(trial *t) {
  memset(t, 0, sizeof *t);
  t->g = kd_graph_create();
  t->key = 17;
}

void trial_close(trial *t) {
  for (int i = 0; i < TRIAL_SYMS; i++) kd_free(t->values[i]);
  kd_graph_destroy(t->g);
}

static uint64_t draw(trial *t, uint64_t below) {
  return (t->key = kd_mix64(t->key, 1)) % below;
}

static double *fill_grid(trial *t, kd_sym sym, double low, double high) {
  int64_t count = kd_shape_count(kd_sym_shape(t->g, sym));
  double *x = kd_calloc((size_t)count, sizeof *x);
  for (int64_t i = 0; i < count; i++) {
    int64_t j = (int64_t)draw(t, (uint64_t)i + 1);
    x[i] = x[j];
    x[j] = low + ((double)i + 0.5) * (high - low) / (double)count;
  }
  return t->values[sym] = x;
}

kd_sym trial_constant(trial *t, kd_shape shape, double low, double high) {
  kd_sym sym = kd_input(t->g, KD_F32, shape, t->g->n_syms, "constant");
  assert_ok(kd_graph_status(t->g));
  fill_grid(t, sym, low, high);
  return sym;
}

kd_sym trial_input(trial *t, kd_shape shape, double low, double high) {
  return t->wanted[t->n_wanted++] = trial_constant(t, shape, low, high);
}

kd_sym trial_values(trial *t, kd_shape shape, const double *values) {
  kd_sym sym = trial_input(t, shape, 0, 1);
  memcpy(t->values[sym], values, (size_t)kd_shape_count(&shape) * sizeof *values);
  return sym;
}

kd_sym trial_integers(trial *t, kd_shape shape, int low, int high) {
  kd_sym sym = kd_input(t->g, KD_I32, shape, t->g->n_syms, "integers");
  assert_ok(kd_graph_status(t->g));
  double *x = fill_grid(t, sym, 0, 1);
  for (int64_t i = 0; i < kd_shape_count(&shape); i++) x[i] = low + (double)draw(t, (uint64_t)(high - low));
  return sym;
}

kd_sym trial_rng(trial *t) {
  kd_sym sym = kd_value_sym(t->g, KD_U32, KD_SHAPE(KD_RNG_WORDS), 0, "rng");
  double *x = fill_grid(t, sym, 0, 1);
  for (int i = 0; i < KD_RNG_WORDS; i++) x[i] = 5 + i;
  return sym;
}

/* The loss as computed by the first n_nodes nodes of the graph, those that were there before the gradients.
 */
static double loss_value(trial *t, kd_sym loss, int n_nodes) {
  for (int i = 0; i < n_nodes; i++) assert_ok(interpret_node(t->g, &t->g->nodes[i], t->values));
  return t->values[loss][0];
}

static void check_element(trial *t, kd_sym loss, int n_nodes, int which, int64_t i, double gradient,
                          const char *name) {
  double *x = &t->values[t->wanted[which]][i], start = *x, h = 1e-3, f[4];
  static const double at[4] = {-2, -1, 1, 2};
  for (int k = 0; k < 4; k++) {
    *x = start + at[k] * h;
    f[k] = loss_value(t, loss, n_nodes);
  }
  *x = start;
  double expected = (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * h);
  if (!(fabs(gradient - expected) <= 1e-7 + 1e-6 * fabs(expected)))
    fail_msg("%s: gradient of input %d, element %lld is %.10g, differences give %.10g", name, which,
             (long long)i, gradient, expected);
}

/* Appends the gradients and evaluates everything. */
static void differentiate(trial *t, kd_sym loss, kd_sym *grads, const char *name) {
  if (kd_autodiff(t->g, loss, t->n_wanted, t->wanted, grads) != KD_OK)
    fail_msg("%s: %s", name, kd_status_text());
  assert_true(t->g->n_syms <= TRIAL_SYMS);
  assert_ok(interpret(t->g, t->values));
  for (int w = 0; w < t->n_wanted; w++) {
    if (grads[w] == KD_NO_SYM) fail_msg("%s: input %d has no gradient", name, w);
    const kd_shape *a = kd_sym_shape(t->g, grads[w]), *b = kd_sym_shape(t->g, t->wanted[w]);
    char ta[KD_SHAPE_TEXT], tb[KD_SHAPE_TEXT];
    if (!kd_shape_equal(a, b))
      fail_msg("%s: gradient %s of input %s", name, kd_shape_text(a, ta), kd_shape_text(b, tb));
  }
}

void trial_check(trial *t, kd_sym y, const char *name) {
  kd_sym grads[TRIAL_INPUTS];
  if (kd_graph_status(t->g) != KD_OK) fail_msg("%s: %s", name, kd_status_text());
  kd_sym weights = trial_constant(t, *kd_sym_shape(t->g, y), 0.5, 1.5);
  kd_sym loss = kd_reduce_all(t->g, KD_REDUCE_SUM, kd_mul(t->g, y, weights));
  int n_nodes = t->g->n_nodes;
  differentiate(t, loss, grads, name);
  for (int w = 0; w < t->n_wanted; w++)
    for (int64_t i = 0; i < kd_shape_count(kd_sym_shape(t->g, t->wanted[w])); i++)
      check_element(t, loss, n_nodes, w, i, t->values[grads[w]][i], name);
}

void trial_expect(trial *t, kd_sym y, int index, const double *expected, const char *name) {
  kd_sym grads[TRIAL_INPUTS];
  differentiate(t, kd_reduce_all(t->g, KD_REDUCE_SUM, y), grads, name);
  for (int64_t i = 0; i < kd_shape_count(kd_sym_shape(t->g, t->wanted[index])); i++)
    if (!(fabs(t->values[grads[index]][i] - expected[i]) <= 1e-6))
      fail_msg("%s: gradient %lld is %g, expected %g", name, (long long)i, t->values[grads[index]][i],
               expected[i]);
}
