// ctest: timeout=120
/* Whole training runs against Keras's fit: logs after each step and each epoch, and the weights at the end
 * (tests/golden/make_training.py, make_sequences.py, make_policies.py, make_stored.py, make_masked_metrics.py
 * and the configurations that they write). */
#include <math.h>

#include "device/base/file.h"
#include "io/array_file.h"
#include "launch/session.h"
#include "support/check.h"
#include "support/golden.h"
#include "support/parity.h"

static golden_file *golden[5];
enum { N_FILES = sizeof golden / sizeof *golden };

static int open_golden(void **state) {
  (void)state;
  golden[0] = golden_open("training");
  golden[1] = golden_open("sequences");
  golden[2] = golden_open("policies");
  golden[3] = golden_open("stored");
  golden[4] = golden_open("masked_metrics");
  return 0;
}

static int close_golden(void **state) {
  (void)state;
  for (int f = 0; f < N_FILES; f++) golden_close(golden[f]);
  return 0;
}

/* PREFIX + FIELD + ".npy" in the test's folder. */
static void write_array(const char *prefix, const golden_array *a) {
  kd_pool *pool = kd_pool_create();
  const char *path = kd_path_join(pool, test_folder(), kd_pool_printf(pool, "%s%s.npy", prefix, a->name));
  kd_array_output output = {
      .name = a->name, .dtype = a->dtype, .sample = kd_shape_make(a->shape.rank - 1, a->shape.dim + 1)};
  kd_array_file *file;
  int32_t *integers = kd_pool_alloc(pool, a->count, sizeof *integers);
  for (size_t i = 0; i < a->count; i++) integers[i] = (int32_t)a->values[i];
  const void *block = a->dtype == KD_I32 ? (const void *)integers : (const void *)a->values;
  assert_ok(kd_array_file_create(path, 1, &output, a->shape.dim[0], &file));
  assert_ok(kd_array_file_append(file, a->shape.dim[0], &block));
  assert_ok(kd_array_file_finish(file));
  kd_array_file_destroy(file);
  kd_pool_destroy(pool);
}

static void write_data(const golden_case *c) {
  for (int i = 0; golden_at(c, "train", i); i++) write_array("", golden_at(c, "train", i));
  for (int i = 0; golden_at(c, "valid", i); i++) write_array("val_", golden_at(c, "valid", i));
}

/* What values may differ by, in parts of the larger ones: roundings of float32, or of the type that tensors
 * between layers have, which add up over the steps. */
static double tolerance(const kd_session *s) {
  switch (s->model->policy.compute) {
  case KD_BF16:
    return 0x1p-7;
  case KD_F16:
    return 0x1p-10;
  default:
    return 2e-5;
  }
}

/* The logs of a run, in the order in which they come. */
typedef struct watch {
  const golden_case *c;
  double tolerance;
  int steps, epochs;
} watch;

static void check_logs(const watch *w, const char *key, int at, const kd_logs *logs) {
  int n = 0;
  for (const golden_array *a; (a = golden_at(w->c, key, n)); n++) {
    if ((size_t)at >= a->count) fail_msg("%s: Keras has only %zu of %s", w->c->text, a->count, key);
    double truth = (double)a->values[at], value = (double)NAN;
    bool found = kd_logs_get(logs, a->name, &value);
    if (found != !isnan(truth)) fail_msg("%s: %s %d: %s is there or is not", w->c->text, key, at, a->name);
    if (found && !(fabs(value - truth) <= w->tolerance * fmax(fabs(truth), 0.1)))
      fail_msg("%s: %s %d: %s is %.9g, Keras has %.9g", w->c->text, key, at, a->name, value, truth);
    if (found) parity_note("runs", w->c->text, fabs(value - truth) / fmax(fabs(truth), 0.1));
  }
  int present = 0;
  for (int i = 0; i < n; i++) present += !isnan(golden_at(w->c, key, i)->values[at]);
  if (logs->count != present) fail_msg("%s: %d logs, Keras has %d", w->c->text, logs->count, present);
}

static void on_step(void *context, int64_t done, const kd_logs *logs) {
  watch *w = context;
  (void)done;
  check_logs(w, "step", w->steps++, logs);
}

static void on_epoch_end(void *context, int64_t epoch, const kd_logs *logs) {
  watch *w = context;
  (void)epoch;
  check_logs(w, "epoch", w->epochs++, logs);
}

static void put_weights(kd_session *s, const golden_case *c) {
  for (int w = 0; w < s->model->n_weights; w++) {
    const golden_array *a = golden_find(c, "init", s->model->weights[w].path);
    if (!a) fail_msg("%s: Keras has no weight %s", c->text, s->model->weights[w].path);
    assert_int_equal(a->count, s->model->weights[w].count);
    assert_ok(kd_replica_put(s->replica, KD_PART_WEIGHT, w, a->values));
  }
  assert_null(golden_at(c, "init", s->model->n_weights));
}

static void check_weights(kd_session *s, const golden_case *c) {
  for (int w = 0; w < s->model->n_weights; w++) {
    const golden_array *a = golden_find(c, "final", s->model->weights[w].path);
    float *values = kd_calloc(a->count, sizeof *values);
    char what[64];
    double largest = 0;
    snprintf(what, sizeof what, "%.20s: %.30s", c->text, a->name);
    for (size_t i = 0; i < a->count; i++) largest = fmax(largest, fabs((double)a->values[i]));
    assert_ok(kd_replica_get(s->replica, KD_PART_WEIGHT, w, values));
    double part = tolerance(s);
    assert_close(values, a->values, a->count, 5 * part, part * largest, what);
    parity_note("runs", c->text, parity_difference(values, a->values, a->count));
    kd_free(values);
  }
}

static void train(kd_session *s, const golden_case *c) {
  const kd_train_options *o = &s->config->run.train;
  kd_fit_spec fit = {.epochs = o->epochs,
                     .initial_epoch = o->initial_epoch,
                     .steps_per_epoch = o->steps_per_epoch,
                     .validation_steps = o->validation_steps,
                     .validation_freq = o->validation_freq,
                     .n_validation_epochs = o->n_validation_epochs,
                     .validation_epochs = o->validation_epochs,
                     .shuffle = o->shuffle};
  watch watched = {.c = c, .tolerance = tolerance(s)};
  kd_reporter reporter = {.context = &watched, .step = on_step, .epoch_end = on_epoch_end};
  kd_trainer trainer = {.comm = s->comm,
                        .replica = s->replica,
                        .setup = &s->setup,
                        .fit = &fit,
                        .reporter = &reporter,
                        .train = s->train.stream,
                        .validation = s->validation.stream};
  assert_ok(kd_trainer_fit(&trainer));
  assert_int_equal(watched.steps, golden_at(c, "step", 0)->count);
  assert_int_equal(watched.epochs, golden_at(c, "epoch", 0)->count);
}

static void run_case(const golden_case *c, const char *const *overrides) {
  kd_pool *pool = kd_pool_create();
  char *arguments[8] = {kd_pool_printf(pool, "%s/tests/golden/training/%s.ini", KDIST_SOURCE_DIR, c->text),
                        kd_pool_printf(pool, "data.dir=%s", test_folder())};
  int n = 2;
  for (; *overrides; overrides++) arguments[n++] = kd_pool_strdup(pool, *overrides);
  kd_cli cli = {0};
  kd_session session = {0};
  write_data(c);
  assert_ok(kd_cli_parse(pool, kd_command_find("fit"), n, arguments, &cli));
  assert_ok(kd_session_open(&session, &cli, KD_FOR_TRAINING));
  assert_ok(kd_session_start(&session));
  put_weights(&session, c);
  train(&session, c);
  check_weights(&session, c);
  kd_session_close(&session, KD_OK);
  kd_pool_destroy(pool);
}

static void as_keras(void **state) {
  (void)state;
  static const char *const none[] = {NULL};
  for (int f = 0; f < N_FILES; f++)
    for (int i = 0; i < golden[f]->count; i++) run_case(&golden[f]->cases[i], none);
}

static bool has_batch_norm(const golden_case *c) {
  for (int i = 0; golden_at(c, "init", i); i++)
    if (strstr(golden_at(c, "init", i)->name, "moving_mean")) return true;
  return false;
}

/* Passes and micro-shards change nothing but roundings, where no layer looks at the whole batch. */
static void in_pieces(void **state) {
  (void)state;
  static const char *const pieces[] = {"train.micro_batch=3", NULL};
  static const char *const world[] = {"distributed.determinism=world", "distributed.micro_shards=4", NULL};
  for (int f = 0; f < N_FILES; f++) {
    for (int i = 0; i < golden[f]->count; i++) {
      if (has_batch_norm(&golden[f]->cases[i])) continue;
      run_case(&golden[f]->cases[i], pieces);
      run_case(&golden[f]->cases[i], world);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(as_keras), cmocka_unit_test(in_pieces)};
  return cmocka_run_group_tests(tests, open_golden, close_golden);
}
