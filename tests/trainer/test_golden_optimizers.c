// ctest: timeout=120
/* Optimizers against Keras: ten updates by given gradients of several weights, with regularizers, clipping,
 * decay, accumulation and schedules (tests/golden/make_optimizers.py). Every class and option has a case. */
#include <math.h>

#include "support/golden.h"
#include "support/parity.h"
#include "support/tiny.h"
#include "trainer/replica_state.h"

enum { STEPS = 10, LAYERS = 2, LIMIT = 64 };

static golden_file *golden;
static kd_comm *comm;

static int open_golden(void **state) {
  (void)state;
  golden = golden_open("optimizers");
  return kd_comm_open(&comm) == KD_OK ? 0 : 1;
}

static int close_golden(void **state) {
  (void)state;
  golden_close(golden);
  kd_comm_close(comm);
  return 0;
}

/* A case is "LAYER; LAYER; OPTIMIZER". */
static void open_case(const golden_case *c, tiny *t) {
  char *text = kd_strdup(c->text), *rest = text;
  const char *layers[LAYERS + 1] = {NULL};
  for (int i = 0; i < LAYERS; i++) layers[i] = strsep(&rest, ";");
  tiny_spec spec = {.input = KD_SHAPE(4),
                    .layers = layers,
                    .loss = "mse",
                    .optimizer = rest + 1,
                    .label_dtype = KD_F32,
                    .label = KD_SHAPE(2),
                    .batch = 1,
                    .comm = comm};
  tiny_create(t, &spec);
  kd_free(text);
}

static void assert_part(const golden_case *c, tiny *t, int part, int weight, const golden_array *truth) {
  float values[LIMIT];
  char what[256];
  assert_ok(kd_replica_get(t->replica, part, weight, values));
  assert_in_range(truth->count, 1, t->model->weights[weight].count);
  snprintf(what, sizeof what, "%.160s: %s of %s", c->text, truth->name, t->model->weights[weight].path);
  double largest = 0;
  for (size_t i = 0; i < truth->count; i++)
    largest = fabs((double)truth->values[i]) > largest ? fabs((double)truth->values[i]) : largest;
  assert_close(values, truth->values, truth->count, 1e-5, 1e-6 * largest + 1e-12, what);
  double difference = parity_difference(values, truth->values, truth->count);
  parity_note("optimizers", strrchr(c->text, ';') + 2, difference);
  static const char mark[] = "_constraint=";
  for (const char *at = c->text; (at = strstr(at, mark));)
    parity_note("constraints", at += strlen(mark), difference);
}

static const char *slot_name(const tiny *t, int slot) {
  return slot < t->optimizer.n_slots ? t->optimizer.slot_name[slot] : "accumulated";
}

/* Keras: the factor, finite steps since it changed, updates. */
static void check_scale(const golden_case *c, kd_loss_scale scale, int64_t accumulation) {
  const golden_array *state = golden_at(c, "state", 0);
  if (!state) return;
  assert_true(scale.scale == (double)state->values[0]);
  assert_int_equal(scale.good_steps, (int64_t)state->values[1]);
  assert_int_equal((STEPS - scale.skipped) / accumulation, (int64_t)state->values[2]);
}

static double rate_after(void *t, int64_t updates) {
  return kd_rate_at(&((tiny *)t)->optimizer.rate, updates);
}

static void check_case(const golden_case *c) {
  tiny t;
  open_case(c, &t);
  kd_replica *r = t.replica;
  int n = t.model->n_weights;
  for (int w = 0; w < n; w++)
    assert_ok(kd_replica_put(r, KD_PART_WEIGHT, w, golden_at(c, "weight", w)->values));
  for (int step = 0; step < STEPS; step++) {
    for (int w = 0; w < n; w++) {
      size_t count = (size_t)t.model->weights[w].count;
      memcpy(kd_replica_gradient(r, r->reduce, w), golden_at(c, "grad", w)->values + (size_t)step * count,
             count * sizeof(float));
    }
    kd_step_result result;
    assert_ok(kd_step_update(r, step, 1, rate_after, &t));
    assert_ok(kd_replica_result(r, &result));
  }
  check_scale(c, kd_replica_loss_scale(r), t.optimizer.accumulation);
  int slots = t.optimizer.n_slots + (t.optimizer.accumulation > 1), compared = 0, expected = 0;
  for (int w = 0; w < n; w++) {
    char key[16];
    snprintf(key, sizeof key, "slot%d", w);
    assert_part(c, &t, KD_PART_WEIGHT, w, golden_at(c, "final", w));
    for (int slot = 0; slot < slots; slot++) {
      const golden_array *truth = golden_find(c, key, slot_name(&t, slot));
      kd_shape shape = t.model->weights[w].shape;
      bool own = slot == t.optimizer.n_slots ||
                 kd_optimizer_slot_shape(&t.optimizer, slot, &t.model->weights[w], &shape);
      expected += own;
      if (!own) continue;
      if (truth && !kd_shape_equal(&shape, &truth->shape)) fail_msg("%s: shape of %s", c->text, truth->name);
      if (!truth) fail_msg("%s: Keras has no slot %s", c->text, slot_name(&t, slot));
      assert_part(c, &t, slot, w, truth);
      compared++;
    }
    assert_null(golden_at(c, key, slots));
  }
  assert_int_equal(compared, expected);
  tiny_destroy(&t);
}

static void updates(void **state) {
  (void)state;
  for (int i = 0; i < golden->count; i++) check_case(&golden->cases[i]);
}

/* before: what stands in front of the class. */
static bool has_case(const char *before, const char *class, const char *option) {
  char call[64], key[64];
  snprintf(call, sizeof call, "%s%s(", before, class);
  snprintf(key, sizeof key, "%s=", option);
  for (int i = 0; i < golden->count; i++) {
    const char *at = strstr(golden->cases[i].text, call);
    if (at && strstr(at, key)) return true;
  }
  return false;
}

/* Options that show in whole runs only (test_golden_training). */
static bool of_runs(const char *option) {
  static const char *const options[] = {"name", "loss_scale_factor", "use_ema", "ema_momentum",
                                        "ema_overwrite_frequency"};
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    if (strcmp(option, options[i]) == 0) return true;
  return false;
}

static void all_are_covered(void **state) {
  (void)state;
  for (size_t k = 0; k < kd_optimizer_family.count; k++) {
    const kd_kind *kind = kd_optimizer_family.kinds[k];
    assert_non_null(((const kd_optimizer_kind *)kind)->keras_name);
    for (const kd_option *option = kind->options; option->name; option++) {
      if (!of_runs(option->name) && !has_case("; ", kind->name, option->name))
        fail_msg("%s: no golden case with %s", kind->name, option->name);
    }
  }
}

static void constraints_are_covered(void **state) {
  (void)state;
  for (size_t k = 0; k < kd_constraint_family.count; k++) {
    const kd_kind *kind = kd_constraint_family.kinds[k];
    if (!has_case("_constraint=", kind->name, "constraint")) fail_msg("no golden case of %s", kind->name);
    for (const kd_option *option = kind->options; option->name; option++)
      if (!has_case("_constraint=", kind->name, option->name))
        fail_msg("%s: no golden case with %s", kind->name, option->name);
  }
}

static void refused(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"SGD(clipnorm=1.0, clipvalue=1.0)", "at most one"},
      {"SGD(learning_rate=-0.1)", "learning_rate"},
      {"SGD(gradient_accumulation_steps=1)", "gradient_accumulation_steps"},
      {"SGD(momentum=1.5)", "momentum"},
      {"Adam(beta_1=1.0)", "beta_1"},
      {"Adafactor(beta_2_decay=0.5)", "beta_2_decay"},
      {"ScheduleFreeAdamW(beta_1=0)", "beta_1"},
      {"ScheduleFreeAdamW(warmup_steps=-1)", "warmup_steps"},
      {"Muon(ns_steps=-1)", "ns_steps"},
      {"Muon(exclude_layers=[a, 3])", "item 2"},
      {"Muon(exclude_layers=\"a[\")", "'a[' is no regular expression"},
      {"Adam(betta_1=0.5)", "beta_1"},
      {"Adagrd()", "optimizer"},
      {"LossScaleOptimizer()", "inner_optimizer"},
      {"LossScaleOptimizer(Adm())", "did you mean 'Adam'"},
      {"LossScaleOptimizer(LossScaleOptimizer(Adam()))", "cannot be inside another one"},
      {"LossScaleOptimizer(Adam(), dynamic_growth_steps=0)", "dynamic_growth_steps = 0 is out of range"},
      {"Adam(learning_rate=ExponentialDecay(0.1))", "decay_steps"},
      {"Adam(learning_rate=PiecewiseConstantDecay([1, 2], [0.1, 0.2]))", "values"},
      {"Adam(learning_rate=PiecewiseConstantDecay([2, 1], [0.1, 0.2, 0.3]))", "increase"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    kd_pool *pool = kd_pool_create();
    kd_diag *diag = kd_diag_create();
    kd_optimizer optimizer;
    kd_value *value = kd_value_parse(pool, diag, (kd_origin){"case", 1}, cases[i][0], false);
    if (kd_optimizer_make(pool, diag, value, &optimizer)) fail_msg("%s is accepted", cases[i][0]);
    assert_fails(kd_diag_status(diag), KD_ERR_USAGE, cases[i][1]);
    kd_diag_destroy(diag);
    kd_pool_destroy(pool);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(updates), cmocka_unit_test(all_are_covered),
                                     cmocka_unit_test(constraints_are_covered), cmocka_unit_test(refused)};
  return cmocka_run_group_tests(tests, open_golden, close_golden);
}
