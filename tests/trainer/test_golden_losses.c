// ctest: timeout=120
/* Losses and metrics against Keras: values, gradients, reductions, ranks of labels, weights, several batches
 * (tests/golden/make_losses.py). Every class and every option must have a case. */
#include <math.h>

#include "support/check.h"
#include "support/compute.h"
#include "support/golden.h"
#include "support/one_layer.h"
#include "support/parity.h"
#include "trainer/objective.h"

enum { STATE = 4096 };

static golden_file *golden;

static int open_golden(void **state) {
  (void)state;
  golden = golden_open("losses");
  return 0;
}

static int close_golden(void **state) {
  (void)state;
  golden_close(golden);
  return 0;
}

/* A case "loss ACTIVATION TEXT" taken apart, with a model that is the activation alone. */
typedef struct trial {
  const golden_case *c;
  kd_pool *pool;
  kd_diag *diag;
  kd_model *model;
  kd_value *value;
} trial;

static bool starts(const golden_case *c, const char *word) {
  return strncmp(c->text, word, strlen(word)) == 0;
}

static void trial_open(trial *t, const golden_case *c) {
  char activation[16], layer[32];
  int at;
  if (sscanf(c->text, "%*s %15s %n", activation, &at) != 1) fail_msg("bad case: %s", c->text);
  snprintf(layer, sizeof layer, "Activation(%s)", activation);
  *t = (trial){.c = c, .pool = kd_pool_create(), .diag = kd_diag_create()};
  t->model = layer_model(layer, c->line, true, 1, &golden_at(c, "x", 0)->shape, NULL);
  t->value = kd_value_parse(t->pool, t->diag, (kd_origin){"case", c->line}, c->text + at, false);
  if (!t->value) fail_msg("%s: not a value", c->text);
}

static void trial_close(trial *t) {
  kd_model_destroy(t->model);
  kd_diag_destroy(t->diag);
  kd_pool_destroy(t->pool);
}

static void assert_values(const golden_case *c, const char *what, const float *values,
                          const golden_array *truth) {
  double largest = 0;
  for (size_t i = 0; i < truth->count; i++) largest = fmax(largest, fabs((double)truth->values[i]));
  for (size_t i = 0; i < truth->count; i++)
    if (!(fabs((double)values[i] - (double)truth->values[i]) <= 3e-6 * fmax(largest, 0.1)))
      fail_msg("%s: %s %zu is %.9g, Keras has %.9g", c->text, what, i, (double)values[i],
               (double)truth->values[i]);
  int at = 0;
  sscanf(c->text, "%*s %*s %n", &at);
  parity_note(starts(c, "loss ") ? "losses" : "metrics", c->text + at,
              parity_difference(values, truth->values, truth->count));
}

static kd_shape sample_of(const kd_shape *shape) {
  return kd_shape_make(shape->rank - 1, shape->dim + 1);
}

/* One pass over some rows of a loss of the whole batch. slope NULL: its state is added to `sums`; else the
 * gradient of its rows goes to `gradient`. */
static void whole_pass(const trial *t, const kd_objective *objective, compute_engine engine, int64_t begin,
                       int64_t end, double *sums, const float *slope, float *gradient) {
  const golden_array *x = golden_at(t->c, "x", 0), *y = golden_at(t->c, "y", 0);
  size_t x_row = x->count / (size_t)x->shape.dim[0], y_row = y->count / (size_t)y->shape.dim[0];
  kd_graph *g = kd_graph_create();
  kd_build_spec spec = {.batch = end - begin, .training = true};
  kd_built built;
  kd_emitted emitted;
  assert_ok(kd_model_build(t->model, g, &spec, &built));
  assert_ok(kd_objective_emit(objective, g, t->model, &built, end - begin, KD_NO_SYM, !slope, &emitted));
  kd_sym wanted = emitted.tail[0];
  if (slope) assert_ok(kd_autodiff(g, emitted.loss, 1, &built.input[0], &wanted));
  const float first = (float)begin, **fed = kd_calloc((size_t)g->n_syms, sizeof *fed);
  fed[built.input[0]] = x->values + (size_t)begin * x_row;
  fed[emitted.label[0]] = y->values + (size_t)begin * y_row;
  fed[emitted.first] = &first;
  if (slope) fed[emitted.slope[0]] = slope;
  float *result;
  compute(g, engine, fed, 1, &wanted, &result);
  if (slope) memcpy(gradient + (size_t)begin * x_row, result, (size_t)(end - begin) * x_row * sizeof(float));
  for (int64_t i = 0; !slope && i < objective->outputs[0].n_state; i++) sums[i] += (double)result[i];
  kd_free(result);
  kd_free(fed);
  kd_graph_destroy(g);
}

/* In two passes of different size: first the state, then the gradient. */
static void check_whole(const trial *t, const kd_objective *objective, compute_engine engine) {
  const golden_case *c = t->c;
  const golden_array *x = golden_at(c, "x", 0);
  const kd_output_loss *output = &objective->outputs[0];
  size_t n = (size_t)output->n_state;
  int64_t rows = x->shape.dim[0], cut = rows / 3;
  double *sums = kd_calloc(n, sizeof *sums), *slopes = kd_calloc(n, sizeof *slopes);
  float *tail = kd_calloc((size_t)objective->n_tail, sizeof *tail), *slope = kd_calloc(n, sizeof *slope),
        *gradient = kd_calloc(x->count, sizeof *gradient);
  if (cut > 0) whole_pass(t, objective, engine, 0, cut, sums, NULL, NULL);
  whole_pass(t, objective, engine, cut, rows, sums, NULL, NULL);
  for (size_t i = 0; i < n; i++) tail[(size_t)output->state_tail + i] = (float)sums[i];
  kd_totals totals;
  kd_totals_create(t->pool, objective, &totals);
  float logged = (float)kd_totals_add(&totals, tail, rows, 0);
  assert_values(c, "logged loss", &logged, golden_at(c, "value", 0));
  const kd_whole_loss *whole = ((const kd_loss_kind *)output->loss.kind)->whole;
  whole->value(output->loss.options, &output->prediction, output->n_state, tail + output->state_tail, slopes);
  for (size_t i = 0; i < n; i++) slope[i] = (float)slopes[i];
  if (cut > 0) whole_pass(t, objective, engine, 0, cut, NULL, slope, gradient);
  whole_pass(t, objective, engine, cut, rows, NULL, slope, gradient);
  assert_values(c, "gradient", gradient, golden_at(c, "gradient", 0));
  kd_free(sums);
  kd_free(slopes);
  kd_free(tail);
  kd_free(slope);
  kd_free(gradient);
}

/* The objective's loss and its gradient by the activation's input. */
static void check_loss(const golden_case *c) {
  trial t;
  trial_open(&t, c);
  const golden_array *x = golden_at(c, "x", 0), *y = golden_at(c, "y", 0);
  kd_output_goal goal = {
      .loss = t.value, .loss_weight = 1, .label_dtype = y->dtype, .label_sample = sample_of(&y->shape)};
  kd_objective objective;
  int64_t rows = x->shape.dim[0];
  if (!kd_objective_make(t.pool, t.diag, t.model, &goal, rows + 2, &objective))
    assert_ok(kd_diag_status(t.diag));
  for (int engine = 0; engine < 2; engine++) {
    if (objective.outputs[0].n_state > 0) {
      check_whole(&t, &objective, engine ? COMPUTE_PLAN : COMPUTE_REFERENCE);
      continue;
    }
    kd_graph *g = kd_graph_create();
    kd_build_spec spec = {.batch = rows, .training = true};
    kd_built built;
    kd_emitted emitted;
    assert_ok(kd_model_build(t.model, g, &spec, &built));
    kd_sym inv_rows = kd_value_sym(g, KD_F32, KD_SCALAR, KD_VALUE_INV_ROWS, "inv_rows");
    assert_ok(kd_objective_emit(&objective, g, t.model, &built, rows, inv_rows, false, &emitted));
    kd_sym wanted[] = {emitted.loss, KD_NO_SYM, emitted.tail[0]};
    assert_ok(kd_autodiff(g, emitted.loss, 1, &built.input[0], &wanted[1]));
    const float inverse = 1.0f / (float)rows, **fed = kd_calloc((size_t)g->n_syms, sizeof *fed);
    fed[built.input[0]] = x->values;
    fed[emitted.label[0]] = y->values;
    fed[inv_rows] = &inverse;
    float *results[3];
    compute(g, engine ? COMPUTE_PLAN : COMPUTE_REFERENCE, fed, 3, wanted, results);
    assert_values(c, "loss", results[0], golden_at(c, "value", 0));
    assert_values(c, "gradient", results[1], golden_at(c, "gradient", 0));
    /* The logs come from the tail. */
    kd_totals totals;
    kd_totals_create(t.pool, &objective, &totals);
    float tail[3] = {results[2][0]}, logged = (float)kd_totals_add(&totals, tail, rows, 0);
    assert_values(c, "logged loss", &logged, golden_at(c, "value", 0));
    for (int i = 0; i < 3; i++) kd_free(results[i]);
    kd_free(fed);
    kd_graph_destroy(g);
  }
  trial_close(&t);
}

/* The states of one batch are added in double. */
static void add_batch(trial *t, const kd_object *metric, int batch, compute_engine engine, double *state) {
  const kd_metric_kind *kind = (const kd_metric_kind *)metric->kind;
  const golden_array *x = golden_at(t->c, "x", batch), *y = golden_at(t->c, "y", batch),
                     *w = golden_at(t->c, "weight", batch);
  kd_graph *g = kd_graph_create();
  kd_build_spec spec = {.batch = x->shape.dim[0]};
  kd_built built;
  assert_ok(kd_model_build(t->model, g, &spec, &built));
  kd_sym label = kd_input(g, y->dtype, y->shape, 1, "y");
  kd_sym weight = w ? kd_input(g, KD_F32, w->shape, 2, "weight") : KD_NO_SYM;
  kd_prediction prediction = kd_find_logits(g, built.output[0]);
  kd_sym update = kind->update(g, metric->options, label, &prediction, weight);
  assert_ok(kd_graph_status(g));
  int n = (int)kind->n_state(metric->options, kd_sym_shape(g, built.output[0]));
  assert_int_equal(kd_shape_count(kd_sym_shape(g, update)), n);
  assert_in_range(n, 1, STATE);
  const float **fed = kd_calloc((size_t)g->n_syms, sizeof *fed);
  fed[built.input[0]] = x->values;
  fed[label] = y->values;
  if (w) fed[weight] = w->values;
  float *result;
  compute(g, engine, fed, 1, &update, &result);
  for (int i = 0; i < n; i++) state[i] += (double)result[i];
  kd_free(result);
  kd_free(fed);
  kd_graph_destroy(g);
}

static void check_metric(const golden_case *c) {
  trial t;
  trial_open(&t, c);
  kd_object metric;
  if (!kd_object_make(t.pool, t.diag, &kd_metric_family, t.value, &metric)) assert_ok(kd_diag_status(t.diag));
  for (int engine = 0; engine < 2; engine++) {
    double *state = kd_calloc(STATE, sizeof *state);
    for (int i = 0; golden_at(c, "x", i); i++)
      add_batch(&t, &metric, i, engine ? COMPUTE_PLAN : COMPUTE_REFERENCE, state);
    const kd_metric_kind *kind = (const kd_metric_kind *)metric.kind;
    const kd_shape *shape = &golden_at(c, "x", 0)->shape;
    const golden_array *truth = golden_at(c, "value", 0);
    int n = (int)kind->n_state(metric.options, shape);
    assert_int_equal(kind->n_results ? kind->n_results(metric.options, shape) : 1, truth->count);
    float *values = kd_calloc(truth->count, sizeof *values);
    for (size_t i = 0; i < truth->count; i++)
      values[i] = (float)kind->result(metric.options, n, state, (int)i);
    assert_values(c, "metric", values, truth);
    kd_free(values);
    kd_free(state);
  }
  trial_close(&t);
}

static void losses(void **state) {
  (void)state;
  for (int i = 0; i < golden->count; i++)
    if (starts(&golden->cases[i], "loss ")) check_loss(&golden->cases[i]);
}

static void metrics(void **state) {
  (void)state;
  for (int i = 0; i < golden->count; i++)
    if (starts(&golden->cases[i], "metric ")) check_metric(&golden->cases[i]);
}

/* Whether some case of the class gives that option (NULL: any) that value (NULL: any). */
static bool has_case(const char *word, const char *class, const char *option, const char *value) {
  char call[64], key[96];
  snprintf(call, sizeof call, " %s(", class);
  snprintf(key, sizeof key, "%s=%s", option ? option : "", value ? value : "");
  for (int i = 0; i < golden->count; i++) {
    const golden_case *c = &golden->cases[i];
    const char *at = starts(c, word) ? strstr(c->text, call) : NULL;
    const char *found = at && option ? strstr(at, key) : at;
    if (found && (!value || strchr(",)", found[strlen(key)]))) return true;
  }
  return false;
}

static void check_choices(const char *word, const kd_kind *kind, const kd_option *option) {
  char *choices = kd_strdup(option->choices), *rest = choices;
  for (char *choice = strsep(&rest, "|"); choice; choice = strsep(&rest, "|"))
    if (!has_case(word, kind->name, option->name, choice))
      fail_msg("%s: no golden case with %s=%s", kind->name, option->name, choice);
  kd_free(choices);
}

static void check_coverage(const kd_family *family, const char *word) {
  for (size_t k = 0; k < family->count; k++) {
    const kd_kind *kind = family->kinds[k];
    if (!has_case(word, kind->name, NULL, NULL)) fail_msg("no golden case of %s", kind->name);
    for (const kd_option *option = kind->options; option->name; option++) {
      if (strcmp(option->name, "name") == 0) continue;
      if (!has_case(word, kind->name, option->name, NULL))
        fail_msg("%s: no golden case with %s", kind->name, option->name);
      if (option->type == KD_OPT_CHOICE) check_choices(word, kind, option);
    }
  }
}

static void all_are_covered(void **state) {
  (void)state;
  check_coverage(&kd_loss_family, "loss ");
  check_coverage(&kd_metric_family, "metric ");
}

/* What Keras takes but cannot be trained or is wrong is refused with a reason. */
static void refused(void **state) {
  (void)state;
  static const struct {
    const kd_family *family;
    const char *text, *part;
  } cases[] = {
      {&kd_loss_family, "MeanSquaredError(reduction=none)", "sum_over_batch_size"},
      {&kd_loss_family, "MeanSquaredError(reduction=average)", "reduction"},
      {&kd_loss_family, "Huber(delta=-1)", "delta"},
      {&kd_loss_family, "CategoricalGeneralizedCrossEntropy(q=1)", "q"},
      {&kd_loss_family, "Tversky(alpha=-0.1)", "alpha"},
      {&kd_loss_family, "Dice(axis=7)", "axis"},
      {&kd_loss_family, "Circle(gamma=0)", "gamma"},
      {&kd_loss_family, "BinaryCrossentropy(label_smoothing=1.5)", "label_smoothing"},
      {&kd_loss_family, "MeanSquaredErorr()", "MeanSquaredError"},
      {&kd_metric_family, "BinaryAccuracy(threshold=1)", "threshold"},
      {&kd_metric_family, "TopKCategoricalAccuracy(k=0)", "k"},
      {&kd_metric_family, "Precision(thresholds=[0.5, 1.5])", "thresholds"},
      {&kd_metric_family, "Recall(top_k=0)", "top_k"},
      {&kd_metric_family, "AUC(num_thresholds=1)", "num_thresholds"},
      {&kd_metric_family, "AUC(num_labels=3)", "multi_label"},
      {&kd_metric_family, "AUC(multi_label=true, num_labels=3, label_weights=[1, 2])",
       "2 label_weights for 3"},
      {&kd_metric_family, "AUC(curve=RCO)", "ROC"},
      {&kd_metric_family, "SensitivityAtSpecificity()", "specificity"},
      {&kd_metric_family, "PrecisionAtRecall(1.1)", "recall"},
      {&kd_metric_family, "IoU(2, [0, 2])", "2 is no class of [0, 2)"},
      {&kd_metric_family, "MeanIoU()", "num_classes"},
      {&kd_metric_family, "FBetaScore(beta=0)", "beta"},
      {&kd_metric_family, "F1Score(average=all)", "average"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    kd_pool *pool = kd_pool_create();
    kd_diag *diag = kd_diag_create();
    kd_object object;
    kd_value *value = kd_value_parse(pool, diag, (kd_origin){"case", 1}, cases[i].text, false);
    if (kd_object_make(pool, diag, cases[i].family, value, &object))
      fail_msg("%s is accepted", cases[i].text);
    assert_fails(kd_diag_status(diag), KD_ERR_USAGE, cases[i].part);
    kd_diag_destroy(diag);
    kd_pool_destroy(pool);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(losses), cmocka_unit_test(metrics),
                                     cmocka_unit_test(all_are_covered), cmocka_unit_test(refused)};
  return cmocka_run_group_tests(tests, open_golden, close_golden);
}
