// ctest: timeout=120
/* Every layer class and activation against Keras: outputs in inference and training, gradients of weights and
 * inputs, moving statistics, penalties. */
#include <math.h>

#include "support/check.h"
#include "support/compute.h"
#include "support/layer_cases.h"
#include "support/one_layer.h"
#include "support/parity.h"

enum { COTANGENT = 1000 }; /* number of the first fed cotangent */
#define LOOSE 0.05         /* of a half type, in parts of the norm */

/* One built pass and the tensors that a case compares. */
typedef struct pass {
  kd_model *model;
  kd_graph *graph;
  kd_built built;
  const float **fed;
  int count;
  float *prepared[GOLDEN_ARRAYS]; /* by weight: its value in a training step; NULL: as given */
  kd_sym wanted[GOLDEN_ARRAYS];
  const golden_array *expected[GOLDEN_ARRAYS];
} pass;

static void want(pass *p, kd_sym sym, const golden_array *expected) {
  if (kd_dtype_is_half(kd_sym_get(p->graph, sym)->dtype)) sym = kd_cast(p->graph, sym, KD_F32);
  p->wanted[p->count] = sym;
  p->expected[p->count++] = expected;
}

static void assert_shape(const golden_case *c, const char *what, const kd_shape *shape,
                         const kd_shape *expected) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  if (!kd_shape_equal(shape, expected))
    fail_msg("%s: %s has shape %s, expected %s", c->text, what, kd_shape_text(shape, a),
             kd_shape_text(expected, b));
}

static void check_weights(const kd_model *model, const golden_case *c) {
  for (int i = 0; i < model->n_weights; i++) {
    const golden_array *a = golden_at(c, "weight", i);
    char path[128];
    if (!a) fail_msg("%s: weight %s is not Keras's", c->text, model->weights[i].path);
    snprintf(path, sizeof path, "under_test/%s", a->name);
    assert_string_equal(model->weights[i].path, path);
    assert_shape(c, a->name, &model->weights[i].shape, &a->shape);
    bool trainable = golden_find(c, "grad_weight", a->name) != NULL;
    if (golden_find(c, "train", NULL)) assert_int_equal(model->weights[i].trainable, trainable);
  }
  assert_null(golden_at(c, "weight", model->n_weights));
}

/* Feeds are by tensor number; gradients and the like append tensors later. */
static void feed(pass *p, const golden_case *c) {
  static const float rng[4] = {1, 2, 0, 0};
  p->fed = kd_calloc((size_t)p->graph->n_syms, sizeof *p->fed);
  for (kd_sym s = 0; s < p->graph->n_syms; s++) {
    const kd_sym_info *info = kd_sym_get(p->graph, s);
    if (info->role == KD_ROLE_INPUT && info->index >= COTANGENT)
      p->fed[s] = golden_at(c, "cotangent", info->index - COTANGENT)->values;
    else if (info->role == KD_ROLE_INPUT)
      p->fed[s] = golden_at(c, "input", info->index)->values;
    else if (info->role == KD_ROLE_WEIGHT)
      p->fed[s] =
          p->prepared[info->index] ? p->prepared[info->index] : golden_at(c, "weight", info->index)->values;
    else if (info->role == KD_ROLE_VALUE)
      p->fed[s] = rng;
  }
}

/* The sum of all outputs' products with their cotangents, which are fed. */
static kd_sym weighted_outputs(pass *p) {
  kd_graph *g = p->graph;
  kd_sym loss = kd_const(g, 0);
  for (int i = 0; i < p->model->n_outputs; i++) {
    kd_sym y = p->built.output[i];
    kd_sym cotangent = kd_input(g, KD_F32, *kd_sym_shape(g, y), COTANGENT + i, "cotangent");
    loss = kd_add(g, loss, kd_reduce_all(g, KD_REDUCE_SUM, kd_mul(g, y, cotangent)));
  }
  return loss;
}

static void want_gradients(pass *p, const golden_case *c) {
  kd_graph *g = p->graph;
  kd_sym wrt[GOLDEN_ARRAYS], grads[GOLDEN_ARRAYS];
  const golden_array *expected[GOLDEN_ARRAYS];
  int n = 0;
  kd_sym loss = weighted_outputs(p);
  for (int i = 0; i < p->model->n_weights; i++) {
    if (!p->model->weights[i].trainable) continue;
    expected[n] = golden_find(c, "grad_weight", p->model->weights[i].name);
    assert_non_null(expected[n]);
    wrt[n++] = p->built.weight[i];
  }
  for (const golden_array *a; (a = golden_find(c, "grad_input", NULL)) && n < GOLDEN_ARRAYS;) {
    for (int i = 0; (a = golden_at(c, "grad_input", i)); i++) {
      expected[n] = a;
      wrt[n++] = p->built.input[i];
    }
    break;
  }
  if (n == 0) return;
  assert_ok(kd_autodiff(g, loss, n, wrt, grads));
  for (int i = 0; i < n; i++)
    if (grads[i] != KD_NO_SYM && kd_sym_get(g, wrt[i])->role == KD_ROLE_WEIGHT)
      assert_int_equal(kd_sym_get(g, grads[i])->dtype, KD_F32);
  for (int i = 0; i < n; i++)
    want(p, grads[i] == KD_NO_SYM ? kd_full(g, expected[i]->shape, 0) : grads[i], expected[i]);
}

/* What no moving statistic changes is what it was in Keras too. */
static void check_unmoved(const pass *p, const golden_case *c) {
  const golden_array *after;
  for (int w = 0; w < p->model->n_weights; w++) {
    bool moves = false;
    for (int i = 0; i < p->built.n_moving; i++) moves |= p->built.moving[i].weight == w;
    if (moves || !(after = golden_find(c, "moved", p->model->weights[w].name))) continue;
    assert_memory_equal(after->values, golden_at(c, "weight", w)->values, after->count * sizeof(float));
  }
}

/* New moving statistics: momentum * old + (1 - momentum) * of the batch. */
static void want_moving(pass *p, const golden_case *c) {
  kd_graph *g = p->graph;
  check_unmoved(p, c);
  for (int i = 0; i < p->built.n_moving; i++) {
    const kd_moving *m = &p->built.moving[i];
    kd_sym kept = kd_scale(g, p->built.weight[m->weight], m->momentum);
    const golden_array *expected = golden_find(c, "moved", p->model->weights[m->weight].name);
    assert_non_null(expected);
    want(p, kd_add(g, kept, kd_scale(g, m->value, 1 - m->momentum)), expected);
  }
}

static void want_penalties(pass *p, const golden_case *c) {
  kd_graph *g = p->graph;
  kd_sym penalty = kd_const(g, 0);
  for (int i = 0; i < p->model->n_weights; i++) {
    const kd_weight *w = &p->model->weights[i];
    if (w->regularizer.kind) penalty = kd_add(g, penalty, kd_penalty(g, &w->regularizer, p->built.weight[i]));
  }
  const golden_array *expected = golden_find(c, "penalty", NULL),
                     *activity = golden_find(c, "activity", NULL);
  if (expected) want(p, penalty, expected);
  if ((p->built.n_losses > 0) != (activity != NULL))
    fail_msg("%s: %d terms of the loss", c->text, p->built.n_losses);
  kd_sym losses = kd_const(g, 0);
  for (int i = 0; i < p->built.n_losses; i++) losses = kd_add(g, losses, p->built.losses[i]);
  if (activity) want(p, losses, activity);
}

/* For docs/parity.md: what kernels compute. */
static void note(const golden_case *c, const golden_array *expected, const float *result) {
  double difference = parity_difference(result, expected->values, expected->count);
  parity_note("layers", c->text, difference);
  if (strncmp(c->text, "Activation(", 11) == 0)
    parity_note_words("activations", &kd_activation_family, c->text, difference);
  if (strncmp(c->text, "RNN(", 4) == 0) parity_note_words("cells", &kd_cell_family, c->text, difference);
  if (strcmp(expected->key, "penalty") == 0 || strcmp(expected->key, "activity") == 0)
    parity_note_words("regularizers", &kd_regularizer_family, c->text, difference);
}

/* Under a half type a rounding may turn a decision (a maximum, a side of a kink), which changes single
 * elements wholly: few may be far. */
static void compare_loosely(const golden_case *c, const golden_array *expected, const float *result) {
  float largest = 1; /* some gradients are nothing but rounding */
  size_t far = 0;
  for (size_t i = 0; i < expected->count; i++)
    if (isfinite(expected->values[i])) largest = fmaxf(largest, fabsf(expected->values[i]));
  for (size_t i = 0; i < expected->count; i++) {
    double truth = (double)expected->values[i], value = (double)result[i];
    bool same = truth == value || fabs(value - truth) <= LOOSE * (double)largest;
    far += !same;
  }
  if (far > 2 + expected->count / 10)
    fail_msg("%s in a half type: %zu of the %zu elements of %s %s are not near Keras's in float32", c->text,
             far, expected->count, expected->key, expected->name);
}

static void compare(const golden_case *c, compute_engine engine, kd_policy policy,
                    const golden_array *expected, const float *result) {
  char what[512];
  if (policy.compute != KD_F32) {
    compare_loosely(c, expected, result);
    return;
  }
  float largest = 0;
  for (size_t i = 0; i < expected->count; i++) largest = fmaxf(largest, fabsf(expected->values[i]));
  snprintf(what, sizeof what, "%s (%s): %s %s", c->text, engine == COMPUTE_PLAN ? "plan" : "reference",
           expected->key, expected->name);
  /* Sums that cancel to zero leave the rounding of their terms. */
  double floor = largest > 0 ? 4e-6 * (double)largest + 2e-6 : 2e-5;
  assert_close(result, expected->values, expected->count, 2e-5, floor, what);
  if (engine == COMPUTE_PLAN) note(c, expected, result);
}

/* What a layer does with the masks of its inputs. */
static void want_mask(pass *p, const golden_case *c) {
  if (!c->masked) return;
  const golden_array *mask = golden_find(c, "mask", NULL);
  kd_sym built = p->built.output_mask[0];
  if ((mask == NULL) != (built == KD_NO_SYM))
    fail_msg("%s: the output %s a mask, Keras's %s", c->text, built == KD_NO_SYM ? "lacks" : "has",
             mask ? "has one" : "has none");
  if (mask) want(p, built, mask);
}

/* Weights that a training step changes before all else: compared, and fed from here on. */
static void prepare(pass *p, const golden_case *c, compute_engine engine, kd_policy policy) {
  kd_sym wanted[GOLDEN_ARRAYS];
  float *results[GOLDEN_ARRAYS];
  int n = p->built.n_prepared;
  for (int i = 0; i < n; i++) wanted[i] = kd_cast(p->graph, p->built.prepared[i].value, KD_F32);
  feed(p, c);
  compute(p->graph, engine, p->fed, n, wanted, results);
  kd_free(p->fed);
  for (int i = 0; i < n; i++) {
    int weight = p->built.prepared[i].weight;
    const golden_array *expected = golden_find(c, "prepared", p->model->weights[weight].name);
    assert_non_null(expected);
    compare(c, engine, policy, expected, results[i]);
    p->prepared[weight] = results[i];
  }
  assert_null(golden_at(c, "prepared", n));
}

static void run_pass(const golden_case *c, bool training, compute_engine engine, kd_policy policy) {
  pass p = {.model = layer_model_golden(c, policy), .graph = kd_graph_create()};
  check_weights(p.model, c);
  const golden_array *first = golden_at(c, "input", 0);
  kd_build_spec spec = {.batch = first->shape.dim[0], .training = training};
  assert_ok(kd_model_build(p.model, p.graph, &spec, &p.built));
  for (int i = 0; i < p.model->n_outputs; i++) {
    const golden_array *output = golden_at(c, training ? "train" : "infer", i);
    assert_non_null(output);
    assert_shape(c, "output", kd_sym_shape(p.graph, p.built.output[i]), &output->shape);
    want(&p, p.built.output[i], output);
  }
  assert_null(golden_at(c, "infer", p.model->n_outputs));
  want_mask(&p, c);
  if (training) {
    want_gradients(&p, c);
    want_moving(&p, c);
    want_penalties(&p, c);
    prepare(&p, c, engine, policy);
  } else {
    assert_int_equal(p.built.n_moving, 0);
  }
  feed(&p, c);
  float *results[GOLDEN_ARRAYS];
  compute(p.graph, engine, p.fed, p.count, p.wanted, results);
  for (int i = 0; i < p.count; i++) {
    compare(c, engine, policy, p.expected[i], results[i]);
    kd_free(results[i]);
  }
  for (int w = 0; w < p.model->n_weights; w++) kd_free(p.prepared[w]);
  kd_free(p.fed);
  kd_graph_destroy(p.graph);
  kd_model_destroy(p.model);
}

static void run_all(compute_engine engine, kd_policy policy) {
  for (int i = 0; i < n_layer_cases; i++) {
    run_pass(layer_cases[i], false, engine, policy);
    if (golden_find(layer_cases[i], "train", NULL)) run_pass(layer_cases[i], true, engine, policy);
  }
}

static void test_reference(void **state) {
  (void)state;
  run_all(COMPUTE_REFERENCE, (kd_policy){0});
}

static void test_plan(void **state) {
  (void)state;
  run_all(COMPUTE_PLAN, (kd_policy){0});
}

/* Every class computes under every policy, and gradients of weights are float32 under all. */
static void test_half_types(void **state) {
  (void)state;
  for (kd_dtype type = KD_BF16; type <= KD_F16; type++) {
    run_all(COMPUTE_PLAN, (kd_policy){type, KD_F32});
    run_all(COMPUTE_PLAN, (kd_policy){type, type});
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_reference),
      cmocka_unit_test(test_plan),
      cmocka_unit_test(test_half_types),
  };
  return cmocka_run_group_tests(tests, layer_cases_open, layer_cases_close);
}
