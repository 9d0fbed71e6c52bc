// ctest: ranks=1,3 timeout=120
/* Ten training steps of every layer class against Keras's train_on_batch: the loss of each step, and weights
 * and statistics at the end (tests/golden/make_layer_steps.py says what a model consists of). On several
 * ranks: determinism = world gives the bits of a run alone, and Keras's numbers too. */
#include <math.h>

#include "layers/layer.h"
#include "support/golden.h"
#include "support/one_layer.h"
#include "support/parity.h"
#include "support/tiny.h"

static const char *const file_names[] = {"layer_steps", "layer_steps_tf"};
enum { N_FILES = sizeof file_names / sizeof *file_names, STEPS = 10, OUTPUTS = 16 };
static golden_file *files[N_FILES];
static const golden_case *cases[1024]; /* of all files */
static int n_cases;
static kd_comm *all_ranks;

static void open_golden(void) {
  for (int f = 0; f < N_FILES; f++) {
    files[f] = golden_open(file_names[f]);
    for (int i = 0; i < files[f]->count; i++) cases[n_cases++] = &files[f]->cases[i];
  }
}

static void close_golden(void) {
  for (int f = 0; f < N_FILES; f++) golden_close(files[f]);
}

/* The tap behind a Dense called PREFIX + number, where Keras's model had one. */
static kd_tap dense(tiny *t, const golden_case *c, const char *prefix, int number, kd_tap from) {
  const char *name = kd_pool_printf(t->pool, "%s%d", prefix, number);
  const golden_array *kernel = golden_find(c, "init", kd_pool_printf(t->pool, "%s/kernel", name));
  if (!kernel) return from;
  const char *text = kd_pool_printf(t->pool, "Dense(%d)", (int)kernel->shape.dim[1]);
  return (kd_tap){layer_add_called(t->model, text, c->line, name, true, 1, &from), 0};
}

static kd_tap add_input(tiny *t, const golden_case *c, int number) {
  const golden_array *x = golden_at(c, "input", number);
  const char *name = kd_pool_printf(t->pool, "x%d", number);
  bool fixed = strstr(c->text, "stateful=true") != NULL;
  kd_tap tap =
      kd_model_add_input(t->model, name, x->dtype, kd_shape_make(x->shape.rank - 1, x->shape.dim + 1),
                         fixed ? x->shape.dim[0] : 0, (kd_origin){"case", c->line});
  if (c->masked >> number & 1)
    tap.call = layer_add_called(t->model, "Masking()", c->line, kd_pool_printf(t->pool, "mask%d", number),
                                true, 1, &tap);
  return dense(t, c, "before", number, tap);
}

static void make_model(tiny *t, const golden_case *c) {
  kd_tap taps[16];
  int n = 0;
  for (; golden_at(c, "input", n); n++) taps[n] = add_input(t, c, n);
  int call = layer_add_called(t->model, c->text, c->line, "under_test", !c->frozen, n, taps);
  for (int o = 0; golden_at(c, "target", o); o++) /* all outputs, or those that Keras can train on */
    kd_model_add_output(t->model, NULL, dense(t, c, "after", o, (kd_tap){call, o}));
}

static void start(tiny *t, const golden_case *c, kd_comm *comm, kd_determinism determinism) {
  tiny_open(t, comm);
  make_model(t, c);
  kd_output_goal goals[OUTPUTS] = {0};
  int n = 0;
  for (const golden_array *y; (y = golden_at(c, "target", n)); n++)
    goals[n] = (kd_output_goal){.loss = tiny_value(t, "mse"),
                                .loss_weight = 1,
                                .label_dtype = KD_F32,
                                .label_sample = kd_shape_make(y->shape.rank - 1, y->shape.dim + 1)};
  tiny_spec spec = {.optimizer = "SGD(0.1, momentum=0.9)", /* each step is given its rate */
                    .batch = golden_at(c, "input", 0)->shape.dim[0],
                    .determinism = determinism,
                    .micro_shards = 4};
  tiny_start(t, &spec, goals);
  for (int w = 0; w < t->model->n_weights; w++) {
    const golden_array *a = golden_find(c, "init", t->model->weights[w].path);
    if (!a) fail_msg("%s: Keras has no weight %s", c->text, t->model->weights[w].path);
    assert_int_equal(a->count, t->model->weights[w].count);
    assert_ok(kd_replica_put(t->replica, KD_PART_WEIGHT, w, a->values));
  }
  assert_null(golden_at(c, "init", t->model->n_weights));
}

/* The rows of an array from `first` on, in the type in which they are fed. */
static void *rows_of(tiny *t, const golden_array *a, int64_t first) {
  size_t from = (size_t)(first * kd_shape_count(&a->shape) / a->shape.dim[0]);
  int32_t *integers = kd_pool_alloc(t->pool, a->count, sizeof *integers);
  float *numbers = kd_pool_alloc(t->pool, a->count, sizeof *numbers);
  memcpy(numbers, a->values, a->count * sizeof *numbers);
  for (size_t i = 0; i < a->count; i++) integers[i] = (int32_t)a->values[i];
  return a->dtype == KD_I32 ? (void *)(integers + from) : (void *)(numbers + from);
}

/* Ten steps on one batch. */
static void train(tiny *t, const golden_case *c, double *losses) {
  void *field[GOLDEN_ARRAYS];
  kd_step_data data = {.global_rows = golden_at(c, "input", 0)->shape.dim[0], .field = field};
  int64_t end;
  int n = 0;
  kd_replica_share(t->replica, data.global_rows, &data.first, &end);
  data.rows = end - data.first;
  const golden_array *a;
  for (int i = 0; (a = golden_at(c, "input", i)); i++) field[n++] = rows_of(t, a, data.first);
  for (int o = 0; (a = golden_at(c, "target", o)); o++) field[n++] = rows_of(t, a, data.first);
  kd_totals totals;
  kd_totals_create(t->pool, &t->objective, &totals);
  for (int step = 0; step < STEPS; step++) {
    kd_step_result result = tiny_step(t, &data, step, (double)*golden_find(c, "rate", NULL)->values);
    losses[step] = kd_totals_add(&totals, result.tail, data.global_rows, result.penalty);
  }
}

static void note(const golden_case *c, double difference) {
  parity_note("layer_steps", c->text, difference);
}

/* Losses are sums in float32 of at most a few hundred terms. */
static void check_losses(const golden_case *c, const double *losses) {
  const golden_array *expected = golden_find(c, "loss", NULL);
  for (int step = 0; step < STEPS; step++) {
    double truth = (double)expected->values[step], scale = fmax(fabs(truth), 0.1);
    if (!(fabs(losses[step] - truth) <= 1e-5 * scale))
      fail_msg("%s: loss %d is %.9g, Keras has %.9g", c->text, step, losses[step], truth);
    note(c, fabs(losses[step] - truth) / scale);
  }
}

/* What counts is by how much a weight moved, since most move little: a gradient is right to 2e-5 or so of its
 * largest number (test_golden_layers.c). Ten updates round a weight to 6e-8 each; and where a gradient is
 * zero but for rounding (a bias before BatchNormalization), that is all that moves. */
static void check_weight(tiny *t, const golden_case *c, int w) {
  const char *path = t->model->weights[w].path;
  const golden_array *before = golden_find(c, "init", path), *after = golden_find(c, "final", path);
  float *values = kd_pool_alloc(t->pool, after->count, sizeof *values);
  double moved = 0, largest = 0.1;
  assert_ok(kd_replica_get(t->replica, KD_PART_WEIGHT, w, values));
  for (size_t i = 0; i < after->count; i++) {
    moved = fmax(moved, fabs((double)after->values[i] - (double)before->values[i]));
    largest = fmax(largest, fabs((double)after->values[i]));
  }
  const char *what = kd_pool_printf(t->pool, "%s: %s after ten steps", c->text, path);
  assert_close(values, after->values, after->count, 0, 1e-4 * moved + 2e-6 * largest, what);
  note(c, parity_difference(values, after->values, after->count));
}

/* Layers that look at the whole batch see a micro-shard under determinism = world. */
static bool sees_batch(const tiny *t) {
  for (int w = 0; w < t->model->n_weights; w++)
    if (strstr(t->model->weights[w].path, "moving_mean")) return true;
  return false;
}

static uint64_t run(const golden_case *c, kd_comm *comm, kd_determinism determinism) {
  tiny t;
  double losses[STEPS];
  start(&t, c, comm, determinism);
  train(&t, c, losses);
  if (determinism != KD_DETERMINISM_WORLD || !sees_batch(&t)) {
    check_losses(c, losses);
    for (int w = 0; w < t.model->n_weights; w++) check_weight(&t, c, w);
  }
  uint64_t hash = kd_replica_hash(t.replica);
  tiny_destroy(&t);
  return hash;
}

static void as_keras(void **state) {
  (void)state;
  if (all_ranks->size > 1) skip(); /* they would all do the same */
  for (int i = 0; i < n_cases; i++) run(cases[i], all_ranks, KD_DETERMINISM_OFF);
}

static bool is_of(const golden_case *c, const char *class) {
  size_t length = strlen(class);
  return strncmp(c->text, class, length) == 0 && c->text[length] == '(';
}

/* The first case of each class. */
static void same_bits_on_ranks(void **state) {
  (void)state;
  kd_comm *self = tiny_alone();
  for (size_t k = 0; k < kd_layer_family.count; k++) {
    int i = 0;
    while (i < n_cases && !is_of(cases[i], kd_layer_family.kinds[k]->name)) i++;
    if (i == n_cases) continue;
    uint64_t together = run(cases[i], all_ranks, KD_DETERMINISM_WORLD);
    uint64_t alone = run(cases[i], self, KD_DETERMINISM_WORLD);
    if (together != alone) fail_msg("%s: other bits on %d ranks", cases[i]->text, all_ranks->size);
  }
  kd_comm_close(self);
}

static void every_class_has_a_case(void **state) {
  (void)state;
  for (size_t k = 0; k < kd_layer_family.count; k++) {
    const char *class = kd_layer_family.kinds[k]->name;
    bool found = strcmp(class, "InputLayer") == 0;
    for (int i = 0; i < n_cases; i++) found |= is_of(cases[i], class);
    if (!found) fail_msg("layer %s has no case of ten steps", class);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_class_has_a_case),
      cmocka_unit_test(as_keras),
      cmocka_unit_test(same_bits_on_ranks),
  };
  open_golden();
  int result = tiny_run_ranks(&all_ranks, tests, sizeof tests / sizeof *tests);
  close_golden();
  return result;
}
