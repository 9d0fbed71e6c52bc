/* Losses of masked and weighted outputs against Keras: three training steps, and valid steps in metrics. */
#include "support/tiny.h"

enum {
  ROWS = 5,
  STEPS = 6,
  FEATURES = 3,
  CLASSES = 4,
  N_X = ROWS * STEPS * FEATURES,
  N_Y = ROWS * STEPS,
  N_RESULT = 7
};

/* The numbers behind a name in masks.txt. */
static void read_line(const char *name, float *values, int count) {
  kd_pool *pool = kd_pool_create();
  const char *path = kd_pool_printf(pool, "%s/tests/golden/masks.txt", KDIST_SOURCE_DIR);
  FILE *file = fopen(path, "r");
  if (!file) fail_msg("%s is missing", path);
  char word[64];
  bool found = false;
  while (!found && fscanf(file, "%63s", word) == 1) found = strcmp(word, name) == 0;
  for (int i = 0; found && i < count; i++) found = fscanf(file, "%f", &values[i]) == 1;
  fclose(file);
  kd_pool_destroy(pool);
  if (!found) fail_msg("masks.txt has no %d values for %s", count, name);
}

static const char *const masked[] = {"Masking()", "Dense(4)", NULL}, *const plain[] = {"Dense(4)", NULL};

static const struct {
  const char *name;
  bool mask, weighted;
  const char *reduction;
} cases[] = {
    {"masked", true, false, "sum_over_batch_size"},
    {"masked_weighted", true, true, "sum_over_batch_size"},
    {"masked_mean_weighted", true, true, "mean_with_sample_weight"},
    {"masked_sum", true, true, "sum"},
    {"weighted", false, true, "sum_over_batch_size"},
    {"mean_weighted", false, true, "mean_with_sample_weight"},
};

typedef struct data {
  float x[N_X], y[N_Y], weight[N_Y];
  int32_t labels[N_Y];
} data;

static void load(data *d) {
  read_line("x", d->x, N_X);
  read_line("y", d->y, N_Y);
  read_line("weight", d->weight, N_Y);
  for (int i = 0; i < N_Y; i++) d->labels[i] = (int32_t)d->y[i];
}

static void start(tiny *t, kd_comm *comm, int number, kd_determinism determinism) {
  char loss[128];
  snprintf(loss, sizeof loss, "SparseCategoricalCrossentropy(from_logits=true, reduction=%s)",
           cases[number].reduction);
  tiny_spec spec = {.input = KD_SHAPE(STEPS, FEATURES),
                    .layers = cases[number].mask ? masked : plain,
                    .loss = loss,
                    .metrics = "accuracy",
                    .weighted_metrics = "SparseCategoricalAccuracy()",
                    .optimizer = "SGD(0.5)",
                    .label_dtype = KD_I32,
                    .label = KD_SHAPE(STEPS),
                    .sample_weight = cases[number].weighted,
                    .batch = ROWS,
                    .determinism = determinism,
                    .micro_shards = 4,
                    .comm = comm};
  tiny_create(t, &spec);
  float kernel[FEATURES * CLASSES], bias[CLASSES] = {0.1f, -0.2f, 0.3f, 0};
  for (int i = 0; i < FEATURES * CLASSES; i++) kernel[i] = 0.1f * (float)i - 0.5f;
  assert_ok(kd_replica_put(t->replica, KD_PART_WEIGHT, 0, kernel));
  assert_ok(kd_replica_put(t->replica, KD_PART_WEIGHT, 1, bias));
}

static void run_case(kd_comm *comm, const data *d, int number, kd_determinism determinism) {
  tiny t;
  float expected[N_RESULT], got[N_RESULT];
  read_line(cases[number].name, expected, N_RESULT);
  start(&t, comm, number, determinism);
  void *field[] = {(void *)d->x, (void *)d->labels, (void *)d->weight};
  kd_step_data step = {.rows = ROWS, .global_rows = ROWS, .field = field};
  for (int i = 0; i < 3; i++) {
    kd_totals totals;
    kd_totals_create(t.pool, &t.objective, &totals);
    got[i] = (float)kd_totals_add(&totals, tiny_step(&t, &step, i, 0.5).tail, ROWS, 0);
  }
  assert_ok(kd_replica_get(t.replica, KD_PART_WEIGHT, 1, got + 3));
  assert_close(got, expected, N_RESULT, 2e-5, 1e-6, cases[number].name);
  tiny_destroy(&t);
}

static void all_cases(void **state) {
  (void)state;
  data d;
  kd_comm *comm;
  load(&d);
  assert_ok(kd_comm_open(&comm));
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    run_case(comm, &d, (int)i, KD_DETERMINISM_RUN);
    run_case(comm, &d, (int)i, KD_DETERMINISM_WORLD); /* counts join the micro-shards too */
  }
  kd_comm_close(comm);
}

/* Metrics count valid steps only; weighted ones weigh them. */
static void metrics(void **state) {
  (void)state;
  data d;
  kd_comm *comm;
  tiny t;
  load(&d);
  assert_ok(kd_comm_open(&comm));
  start(&t, comm, 1, KD_DETERMINISM_RUN);
  void *field[] = {d.x, d.labels, d.weight};
  kd_step_data step = {.rows = ROWS, .global_rows = ROWS, .field = field};
  const float *output[1], *tail;
  assert_ok(kd_replica_predict(t.replica, &step, output));
  double hits = 0, valid = 0, weighted_hits = 0, weights = 0;
  for (int i = 0; i < N_Y; i++) {
    int best = 0;
    for (int c = 1; c < CLASSES; c++)
      if (output[0][i * CLASSES + c] > output[0][i * CLASSES + best]) best = c;
    bool there = d.x[i * FEATURES] != 0 || d.x[i * FEATURES + 1] != 0 || d.x[i * FEATURES + 2] != 0;
    if (!there) continue;
    valid++;
    weights += (double)d.weight[i];
    hits += best == d.labels[i];
    weighted_hits += best == d.labels[i] ? (double)d.weight[i] : 0;
  }
  kd_totals totals;
  kd_totals_create(t.pool, &t.objective, &totals);
  assert_ok(kd_replica_evaluate(t.replica, &step, &tail));
  kd_totals_add(&totals, tail, ROWS, 0);
  kd_log_entry entries[3];
  assert_int_equal(kd_totals_count(&t.objective), 3);
  kd_totals_logs(&totals, entries);
  float got[] = {(float)entries[0].value, (float)entries[2].value};
  float expected[] = {(float)(hits / valid), (float)(weighted_hits / weights)};
  assert_string_equal(entries[0].name, "accuracy");
  assert_string_equal(entries[2].name, "sparse_categorical_accuracy");
  assert_close(got, expected, 2, 1e-5, 0, "accuracy");
  tiny_destroy(&t);
  kd_comm_close(comm);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(all_cases), cmocka_unit_test(metrics)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
