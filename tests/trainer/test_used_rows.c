/* Where the update alone reads the gradient of a table, only the used rows of it are written: the weights and
 * slots are those of the whole gradient, bit for bit. Clipping each weight at a norm that is never reached
 * multiplies by 1 and reads the whole gradient, so it stands for the other way. */
#include "device/base/rng.h"
#include "support/tiny.h"

enum { BATCH = 7, STEPS = 9, WORDS = 6, ROWS = 90 };

static const char *const odd[] = {"Embedding(90, 5)", "Flatten()", "Dense(3)", NULL};
static const char *const wide[] = {"Embedding(90, 300)", "GlobalAveragePooling1D()", "Dense(3)", NULL};

static const struct {
  const char *const *layers;
  const char *optimizer; /* up to its closing bracket */
  kd_policy policy;
} cases[] = {
    {odd, "Adam(0.01", {0}},
    {wide, "Adam(0.01", {0}},
    {odd, "Adam(0.01, amsgrad=true", {0}},
    {odd, "AdamW(0.01", {0}},
    {odd, "SGD(0.1, momentum=0.9", {0}},
    {wide, "RMSprop(0.01", {0}},
    {odd, "SGD(0.1, momentum=0.9", {KD_BF16, KD_BF16}},
    {wide, "Adam(0.01", {KD_F16, KD_F16}},
};

/* Few rows are used, others each step. */
static void fill(float *x, uint8_t *y, int64_t rows, uint64_t step) {
  for (int64_t i = 0; i < rows; i++) {
    for (int j = 0; j < WORDS; j++)
      x[i * WORDS + j] = (float)(kd_philox_block((uint64_t)(i * WORDS + j), step, 1).v[0] % ROWS);
    y[i] = (uint8_t)(kd_philox_block((uint64_t)i, step, 2).v[0] % 3);
  }
}

static uint64_t train(kd_comm *comm, const char *const *layers, const char *optimizer, kd_policy policy) {
  tiny t;
  tiny_spec spec = {.input = KD_SHAPE(WORDS),
                    .layers = layers,
                    .loss = "SparseCategoricalCrossentropy(from_logits=true)",
                    .optimizer = optimizer,
                    .policy = policy,
                    .label_dtype = KD_U8,
                    .batch = BATCH,
                    .determinism = KD_DETERMINISM_RUN,
                    .comm = comm};
  tiny_create(&t, &spec);
  float x[BATCH * WORDS];
  uint8_t y[BATCH];
  for (int step = 0; step < STEPS; step++) {
    int64_t rows = step % 3 == 2 ? 2 : BATCH; /* plans of two sizes write the same gradient */
    fill(x, y, rows, (uint64_t)step);
    void *field[] = {x, y};
    kd_step_data data = {.rows = rows, .global_rows = rows, .field = field};
    tiny_step(&t, &data, step, t.optimizer.rate.constant);
  }
  uint64_t hash = kd_replica_hash(t.replica);
  tiny_destroy(&t);
  return hash;
}

static void same_bits(void **state) {
  (void)state;
  kd_comm *self = tiny_alone();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char used[100], whole[100];
    snprintf(used, sizeof used, "%s)", cases[i].optimizer);
    snprintf(whole, sizeof whole, "%s, clipnorm=1e30)", cases[i].optimizer);
    uint64_t a = train(self, cases[i].layers, used, cases[i].policy);
    uint64_t b = train(self, cases[i].layers, whole, cases[i].policy);
    if (a != b) fail_msg("%s, %s: the used rows give other bits", cases[i].layers[0], used);
  }
  kd_comm_close(self);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
