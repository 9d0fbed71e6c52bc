// ctest: ranks=1,2,3,4 timeout=120
/* Of gradients of tables only the rows that a step used are written, summed and read: weights and slots are
 * those of whole gradients, bit for bit, with one pass or several, on any number of ranks. Three ranks
 * exchange messages, four stand on two pretended hosts, two share memory. */
#include <string.h>

#include "device/base/rng.h"
#include "support/tiny.h"

enum { BATCH = 7, STEPS = 10, WORDS = 6 };

static const char *const odd[] = {"Embedding(90, 5)", "Flatten()", "Dense(3)", NULL};
static const char *const wide[] = {"Embedding(90, 300)", "GlobalAveragePooling1D()", "Dense(3)", NULL};
static const char *const small[] = {"Embedding(43, 4)", "Flatten()", "Dense(3)", NULL};
static const char *const tight[] = {"Embedding(20, 4)", "Flatten()", "Dense(3)", NULL};
static const char *const penalty[] = {"Embedding(90, 4, embeddings_regularizer=L2(0.01))", "Flatten()",
                                      "Dense(3)", NULL};

static const struct {
  const char *const *layers;
  int rows;
  const char *optimizer;
  kd_policy policy;
} cases[] = {
    {odd, 90, "Adam(0.01)", {0}},
    {wide, 90, "Adam(0.01)", {0}},
    {small, 43, "Adam(0.01)", {0}},
    {tight, 20, "Adam(0.01)", {0}},
    {odd, 90, "Adam(0.01, amsgrad=true)", {0}},
    {odd, 90, "AdamW(0.01)", {0}},
    {odd, 90, "SGD(0.1, momentum=0.9)", {0}},
    {wide, 90, "RMSprop(0.01)", {0}},
    {odd, 90, "SGD(0.1, momentum=0.9)", {KD_BF16, KD_BF16}},
    {wide, 90, "Adam(0.01)", {KD_F16, KD_F16}},
    {odd, 90, "LossScaleOptimizer(Adam(0.01), initial_scale=1e6)", {KD_F16, KD_F32}},
    {odd, 90, "Adam(0.01, global_clipnorm=0.1)", {0}},
    {small, 43, "Adam(0.01, clipvalue=0.01)", {0}},
    {odd, 90, "SGD(0.1, momentum=0.9, clipnorm=0.1)", {0}},
    {odd, 90, "Adam(0.01, gradient_accumulation_steps=3)", {0}},
    {tight, 20, "Adam(0.01, global_clipnorm=0.1)", {0}},
    {small, 43, "Lamb(0.01)", {0}},
    {penalty, 90, "Adam(0.01)", {0}},
    {odd, 90, "Adam(0.01, use_ema=true)", {0}},
};

/* How a step is cut into passes. */
static const struct {
  kd_determinism determinism;
  int64_t micro_batch;
  int micro_shards;
} ways[] = {
    {KD_DETERMINISM_RUN, 0, 0},   {KD_DETERMINISM_RUN, 1, 0},
    {KD_DETERMINISM_WORLD, 0, 3},                               /* one of four ranks has no pass */
    {KD_DETERMINISM_WORLD, 0, 4},                               /* one on each of them */
    {KD_DETERMINISM_WORLD, 0, 7}, {KD_DETERMINISM_WORLD, 0, 8}, /* an empty pass */
};
enum { CASES = sizeof cases / sizeof *cases, WAYS = sizeof ways / sizeof *ways };

/* Few rows are used, others each step and others on each rank; every fourth step names as many as it can. */
static void fill(float *x, uint8_t *y, int64_t rows, int table_rows, uint64_t step) {
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < WORDS; j++) {
      uint64_t at = (uint64_t)(i * WORDS + j), drawn = kd_philox_block(at, step, 1).v[0];
      x[at] = (float)((step % 4 == 1 ? at + step : drawn) % (uint64_t)table_rows);
    }
    y[i] = (uint8_t)(kd_philox_block((uint64_t)i, step, 2).v[0] % 3);
  }
}

static uint64_t train(kd_comm *comm, int number, int way, bool whole, size_t *sum_bytes) {
  tiny t;
  tiny_spec spec = {.input = KD_SHAPE(WORDS),
                    .layers = cases[number].layers,
                    .loss = "SparseCategoricalCrossentropy(from_logits=true)",
                    .optimizer = cases[number].optimizer,
                    .policy = cases[number].policy,
                    .label_dtype = KD_U8,
                    .batch = BATCH,
                    .micro_batch = ways[way].micro_batch,
                    .determinism = ways[way].determinism,
                    .micro_shards = ways[way].micro_shards,
                    .whole_tables = whole,
                    .comm = comm};
  tiny_create(&t, &spec);
  float x[BATCH * WORDS];
  uint8_t y[BATCH];
  for (int step = 0; step < STEPS; step++) {
    int64_t rows = step % 3 == 2 ? 2 : BATCH, begin, end; /* plans of several sizes write the same gradient */
    fill(x, y, rows, cases[number].rows, (uint64_t)step);
    kd_replica_share(t.replica, rows, &begin, &end);
    void *field[] = {x + begin * WORDS, y + begin};
    kd_step_data data = {.rows = end - begin, .first = begin, .global_rows = rows, .field = field};
    tiny_step(&t, &data, step, t.optimizer.rate.constant);
  }
  *sum_bytes = kd_replica_get_stats(t.replica).reduce_bytes;
  uint64_t hash = kd_replica_hash(t.replica);
  tiny_destroy(&t);
  return hash;
}

static kd_comm *all_ranks;

/* True on all ranks when it is on each: a rank that fails alone leaves the others waiting. */
static bool on_all(bool mine) {
  int64_t least = mine;
  assert_ok(kd_comm_reduce_i64(all_ranks, KD_COMM_MIN, &least, 1));
  return least;
}

static void same_bits(void **state) {
  (void)state;
  for (int i = 0; i < CASES; i++)
    for (int way = 0; way < WAYS; way++) {
      size_t bytes, whole_bytes;
      uint64_t a = train(all_ranks, i, way, false, &bytes), b = train(all_ranks, i, way, true, &whole_bytes);
      if (!on_all(a == b))
        fail_msg("%s, %s, way %d: the used rows give other bits", cases[i].layers[0], cases[i].optimizer,
                 way);
      bool alone =
          all_ranks->size == 1 && ways[way].determinism == KD_DETERMINISM_RUN && ways[way].micro_batch == 0;
      if (!alone) assert_true(bytes > whole_bytes); /* counts and flags: rows were summed */
    }
}

/* determinism = world: what one rank computes, with whole gradients. */
static void same_as_alone(void **state) {
  (void)state;
  kd_comm *self = tiny_alone();
  for (int i = 0; i < CASES; i++)
    for (int way = 2; way < WAYS; way++) {
      size_t bytes;
      uint64_t ranks = train(all_ranks, i, way, false, &bytes), alone = train(self, i, way, true, &bytes);
      if (!on_all(ranks == alone))
        fail_msg("%s, %s, way %d: %d ranks give other bits", cases[i].layers[0], cases[i].optimizer, way,
                 all_ranks->size);
    }
  kd_comm_close(self);
}

int main(void) {
  const char *size = getenv("OMPI_COMM_WORLD_SIZE");
  if (size && !strcmp(size, "3")) setenv("KDIST_TRANSPORT", "mpi", 1);
  if (size && !strcmp(size, "4")) setenv("KDIST_TRANSPORT", "hosts:2", 1);
  const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits), cmocka_unit_test(same_as_alone)};
  return tiny_run_ranks(&all_ranks, tests, 2);
}
