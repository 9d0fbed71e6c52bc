// ctest: ranks=1,2,3 timeout=60
/* BatchNormalization(synchronized=true): any number of ranks trains as one rank does, also when the last
 * batch has fewer rows than there are ranks. */
#include "device/base/rng.h"
#include "support/tiny.h"

enum { BATCH = 13, STEPS = 5, FEATURES = 8 };

static const char *const layers[] = {
    "Dense(6)",         "BatchNormalization(momentum=0.5, synchronized=true)",
    "Activation(tanh)", "BatchNormalization(synchronized=true)",
    "Dense(3)",         NULL};

static void fill(float *x, uint8_t *y, int64_t rows, uint64_t step) {
  for (int64_t i = 0; i < rows; i++) {
    for (int j = 0; j < FEATURES; j++)
      x[i * FEATURES + j] =
          kd_uniform_f32(kd_philox_block((uint64_t)(i * FEATURES + j), step, 1).v[0]) * 4 - 1;
    y[i] = (uint8_t)(kd_philox_block((uint64_t)i, step, 2).v[0] % 3);
  }
}

/* Trains and copies all weights behind one another; returns how many numbers. */
static int64_t train(kd_comm *comm, float *weights) {
  tiny t;
  tiny_spec spec = {.input = KD_SHAPE(FEATURES),
                    .layers = layers,
                    .loss = "SparseCategoricalCrossentropy(from_logits=true)",
                    .optimizer = "SGD(0.1)",
                    .label_dtype = KD_U8,
                    .batch = BATCH,
                    .determinism = KD_DETERMINISM_RUN,
                    .comm = comm};
  tiny_create(&t, &spec);
  float x[BATCH * FEATURES];
  uint8_t y[BATCH];
  for (int step = 0; step < STEPS; step++) {
    int64_t rows = step == STEPS - 1 ? 2 : BATCH, begin, end;
    fill(x, y, rows, (uint64_t)step);
    kd_replica_share(t.replica, rows, &begin, &end);
    void *field[] = {x + begin * FEATURES, y + begin};
    kd_step_data data = {.rows = end - begin, .first = begin, .global_rows = rows, .field = field};
    tiny_step(&t, &data, step, 0.1);
  }
  int64_t used = 0;
  for (int w = 0; w < t.model->n_weights; w++) {
    assert_ok(kd_replica_get(t.replica, KD_PART_WEIGHT, w, weights + used));
    used += t.model->weights[w].count;
  }
  tiny_destroy(&t);
  return used;
}

static kd_comm *all_ranks;

static void as_alone(void **state) {
  (void)state;
  float together[1000], alone[1000];
  int64_t count = train(all_ranks, together);
  kd_comm *self = tiny_alone();
  assert_int_equal(train(self, alone), count);
  kd_comm_close(self);
  assert_close(together, alone, (size_t)count, 1e-4, 1e-5, "weights");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(as_alone)};
  return tiny_run_ranks(&all_ranks, tests, 1);
}
