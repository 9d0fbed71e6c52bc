// ctest: ranks=1,2,3,4 timeout=60
/* Calls with training=true or false in training, evaluation and prediction: determinism = world gives the
 * same bits on any number of ranks, predictions included, and nothing but training changes weights. */
#include "device/base/rng.h"
#include "support/tiny.h"

enum { BATCH = 21, FEATURES = 36, CLASSES = 4, BATCHES = 2, WEIGHTS = 4000 };

static const char *const layers[] = {"Reshape((6, 6))",
                                     "LSTM(5, dropout=0.2, recurrent_dropout=0.2)(training=true)",
                                     "BatchNormalization(momentum=0.5)(training=true)",
                                     "SpectralNormalization(Dense(8, tanh))(training=true)",
                                     "BatchNormalization(momentum=0.5)(training=false)",
                                     "Dropout(0.5)(training=true)",
                                     "Dense(8)",
                                     "Dropout(0.5)(training=false)",
                                     "Dense(4)",
                                     NULL};

/* What one run leaves, of the rows of this rank. */
typedef struct results {
  uint64_t hash;
  int64_t begin, end;
  float predicted[BATCHES][BATCH][CLASSES];
  double loss;
} results;

/* The rows of a batch: all alike, so that what differs between them is drawn. */
static kd_step_data batch_of(tiny *t, float *x, uint8_t *y, void **field) {
  int64_t begin, end;
  for (int i = 0; i < BATCH * FEATURES; i++)
    x[i] = kd_uniform_f32(kd_philox_block((uint64_t)(i % FEATURES), 5, 1).v[0]) - 0.5f;
  for (int i = 0; i < BATCH; i++) y[i] = (uint8_t)(i % CLASSES);
  kd_replica_share(t->replica, BATCH, &begin, &end);
  field[0] = x + begin * FEATURES;
  field[1] = y + begin;
  return (kd_step_data){.rows = end - begin, .first = begin, .global_rows = BATCH, .field = field};
}

static void check_moving(tiny *t) {
  for (int w = 0; w < t->model->n_weights; w++) {
    float values[WEIGHTS];
    const char *path = t->model->weights[w].path;
    if (!strstr(path, "moving_")) continue;
    assert_ok(kd_replica_get(t->replica, KD_PART_WEIGHT, w, values));
    float start = strstr(path, "variance") ? 1 : 0;
    bool moved = false;
    for (int64_t i = 0; i < t->model->weights[w].count; i++) moved |= values[i] != start;
    if (moved != (strstr(path, "layer2/") != NULL)) fail_msg("%s %s", path, moved ? "moved" : "stays");
  }
}

static void predict(tiny *t, const kd_step_data *data, results *out) {
  const float *rows[1] = {NULL};
  for (int b = 0; b < BATCHES; b++) {
    assert_ok(kd_replica_predict(t->replica, data, rows));
    for (int64_t i = 0; i < data->rows; i++)
      memcpy(out->predicted[b][data->first + i], rows[0] + i * CLASSES, CLASSES * sizeof(float));
  }
}

static void run(kd_comm *comm, results *out) {
  tiny t;
  tiny_spec spec = {.input = KD_SHAPE(FEATURES),
                    .layers = layers,
                    .loss = "SparseCategoricalCrossentropy(from_logits=true)",
                    .optimizer = "SGD(0.1)",
                    .label_dtype = KD_U8,
                    .batch = BATCH,
                    .determinism = KD_DETERMINISM_WORLD,
                    .micro_shards = 8,
                    .comm = comm};
  tiny_create(&t, &spec);
  tiny_train(&t, 3, 5);
  check_moving(&t);
  float x[BATCH * FEATURES];
  uint8_t y[BATCH];
  void *field[2];
  const float *tail;
  kd_step_data data = batch_of(&t, x, y, field);
  kd_totals totals;
  kd_totals_create(t.pool, &t.objective, &totals);
  uint64_t before = kd_replica_hash(t.replica);
  assert_ok(kd_replica_evaluate(t.replica, &data, &tail));
  kd_totals_add(&totals, tail, BATCH, 0);
  *out = (results){.begin = data.first, .end = data.first + data.rows, .loss = totals.loss};
  predict(&t, &data, out);
  out->hash = kd_replica_hash(t.replica);
  assert_true(out->hash == before);
  tiny_destroy(&t);
}

static kd_comm *all_ranks;

static void same_bits(void **state) {
  (void)state;
  static results together, alone, again;
  run(all_ranks, &together);
  kd_comm *self = tiny_alone();
  run(self, &alone);
  run(self, &again);
  kd_comm_close(self);
  assert_true(together.hash == alone.hash);
  assert_memory_equal(&together.loss, &alone.loss, sizeof alone.loss);
  size_t row = sizeof alone.predicted[0][0];
  for (int b = 0; b < BATCHES; b++)
    assert_memory_equal(together.predicted[b][together.begin], alone.predicted[b][together.begin],
                        (size_t)(together.end - together.begin) * row);
  assert_memory_equal(alone.predicted, again.predicted, sizeof alone.predicted);
  assert_memory_not_equal(alone.predicted[0], alone.predicted[1], sizeof alone.predicted[0]);
  for (int i = 1; i < BATCH; i++) assert_memory_not_equal(alone.predicted[0][0], alone.predicted[0][i], row);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits)};
  return tiny_run_ranks(&all_ranks, tests, 1);
}
