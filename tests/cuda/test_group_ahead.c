// ctest: cuda=emulated ranks=1,2,3 timeout=200
/* Training steps whose sums are made by NCCL, on the emulated device with a double of NCCL: weights and
 * results are the same bits however far the host runs ahead, recorded or not, and when a single rank refuses
 * to record; a step runs nothing and waits for nothing. */
#ifdef KDIST_NCCL_DOUBLE
#include <dlfcn.h>

#include "cuda/emulated_counts.h"
#include "device/base/rng.h"
#include "device/cuda/cuda.h"
#include "support/tiny.h"

enum { BATCH = 6, FEATURES = 36, STEPS = 14, WARM = 16, TAIL = 16 };

static kd_comm *all_ranks;

static const char *const layers[] = {"Dense(40, activation=relu, kernel_regularizer=L2(0.01))",
                                     "Dropout(0.2)",
                                     "BatchNormalization()",
                                     "Dense(40, activation=tanh)",
                                     "Dense(4)",
                                     NULL};

typedef enum order { IN_RUN, ONE_SHARD, SHARDS } order; /* micro-shards: one a rank; more than ranks */

static const struct {
  const char *optimizer;
  kd_policy policy;
  order order;
  int64_t micro_batch;
  bool counts; /* the loss is divided by a number that ranks sum before the pass */
} cases[] = {
    {"Adam(0.01, global_clipnorm=0.5, use_ema=true, ema_overwrite_frequency=3)", {0}, IN_RUN, 0, false},
    {"LossScaleOptimizer(Adam(0.01, clipnorm=0.5), initial_scale=4e5, dynamic_growth_steps=3)",
     {KD_F16, KD_F32},
     IN_RUN,
     0,
     false},
    {"SGD(0.05, momentum=0.9, gradient_accumulation_steps=2)", {0}, ONE_SHARD, 0, false},
    {"Adam(0.01)", {0}, IN_RUN, 0, true},
    {"Adam(0.01, global_clipnorm=0.5)", {0}, SHARDS, 0, true},
    {"Adam(0.01)", {0}, IN_RUN, 1, false},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static void on_group(tiny *t) {
  kd_device_close(&t->device);
  t->device = (kd_device){.threads = 1, .reproducible = true};
  assert_ok(kd_cuda_backend.open(&t->device, t->comm->rank));
  t->device.backend = &kd_cuda_backend;
  assert_ok(kd_device_group_open(t->comm, &t->device, KD_GROUP_ALWAYS, &t->spec.group));
}

static void start(tiny *t, int number) {
  bool world = cases[number].order != IN_RUN;
  tiny_spec spec = {.input = KD_SHAPE(FEATURES),
                    .layers = layers,
                    .loss = cases[number].counts ? "SparseCategoricalCrossentropy(from_logits=true, "
                                                   "reduction=mean_with_sample_weight)"
                                                 : "SparseCategoricalCrossentropy(from_logits=true)",
                    .sample_weight = cases[number].counts,
                    .metrics = "accuracy",
                    .optimizer = cases[number].optimizer,
                    .policy = cases[number].policy,
                    .label_dtype = KD_U8,
                    .batch = BATCH,
                    .micro_batch = cases[number].micro_batch,
                    .bucket_bytes = 4096,
                    .determinism = world ? KD_DETERMINISM_WORLD : KD_DETERMINISM_RUN,
                    .micro_shards = cases[number].order == ONE_SHARD ? all_ranks->size : 4,
                    .device = on_group,
                    .comm = all_ranks};
  tiny_create(t, &spec);
  assert_true(kd_replica_get_stats(t->replica).n_buckets > 1);
  assert_true(kd_objective_counts(&t->objective) == cases[number].counts);
}

static kd_status put(tiny *t, int step) {
  float x[BATCH * FEATURES];
  float weight[BATCH];
  uint8_t y[BATCH];
  int64_t rows = step % 5 == 4 ? 2 : BATCH, begin, end; /* 2: one of three ranks has none */
  for (int i = 0; i < BATCH * FEATURES; i++)
    x[i] = kd_uniform_f32(kd_philox_block((uint64_t)i, (uint64_t)step, 1).v[0]) - 0.5f;
  for (int i = 0; i < BATCH; i++) y[i] = (uint8_t)((i + step) % 4), weight[i] = (float)(1 + (i + step) % 3);
  kd_replica_share(t->replica, rows, &begin, &end);
  void *field[] = {x + begin * FEATURES, y + begin, weight + begin};
  kd_step_data data = {.rows = end - begin, .first = begin, .global_rows = rows, .field = field};
  double rate = 0.01;
  kd_comm_set_step(t->comm, step);
  return kd_replica_step(t->replica, &data, step, tiny_rate, &rate);
}

static void read_one(tiny *t, float *tail) {
  kd_step_result result;
  assert_ok(kd_replica_result(t->replica, &result));
  memcpy(tail, result.tail, (size_t)t->objective.n_tail * sizeof *tail);
}

typedef struct outcome {
  uint64_t hash;
  float tail[STEPS][TAIL];
  kd_loss_scale scale;
} outcome;

static void train(int number, int ahead, long *replays, outcome *o) {
  tiny t;
  *o = (outcome){0};
  start(&t, number);
  assert_true(t.objective.n_tail <= TAIL);
  int read = 0;
  *replays = emulate_counts().replays;
  assert_int_equal(kd_replica_ahead(t.replica), KD_STEPS_AHEAD);
  for (int step = 0; step < STEPS; step++) {
    assert_ok(put(&t, step));
    while (kd_replica_pending(t.replica) > ahead) read_one(&t, o->tail[read++]);
  }
  while (kd_replica_pending(t.replica) > 0) read_one(&t, o->tail[read++]);
  *replays = emulate_counts().replays - *replays;
  o->scale = kd_replica_loss_scale(t.replica);
  o->hash = kd_replica_hash(t.replica);
  tiny_destroy(&t);
}

static void same(const outcome *a, const outcome *b) {
  assert_true(a->hash == b->hash);
  assert_memory_equal(a->tail, b->tail, sizeof a->tail);
  assert_true(a->scale.scale == b->scale.scale);
  assert_int_equal(a->scale.skipped, b->scale.skipped);
}

/* A rank that has several passes records them by itself. */
static bool one_pass(int number) {
  return cases[number].order != SHARDS && cases[number].micro_batch == 0;
}

static void same_bits(void **state) {
  (void)state;
  static outcome recorded, other;
  long replays, others;
  for (int i = 0; i < N_CASES; i++) {
    train(i, KD_STEPS_AHEAD, &replays, &recorded);
    assert_true(replays > 0);
    uint64_t first = recorded.hash;
    assert_ok(kd_comm_broadcast(all_ranks, &first, sizeof first));
    assert_true(recorded.hash == first);
    if (cases[i].policy.compute == KD_F16) assert_true(recorded.scale.skipped > 0);
    train(i, 0, &others, &other);
    assert_int_equal(others, replays);
    same(&recorded, &other);
    static const char *const refusals[] = {"refuse", "late"};
    for (int k = 0; k < 2; k++) { /* the last rank alone */
      bool refuses = all_ranks->rank == all_ranks->size - 1;
      if (refuses) setenv("KD_EMULATE_RECORD", refusals[k], 1);
      train(i, KD_STEPS_AHEAD, &others, &other);
      unsetenv("KD_EMULATE_RECORD");
      if (refuses || one_pass(i)) assert_int_equal(others, 0);
      same(&recorded, &other);
    }
  }
}

/* From the results of one step to those of the next ones nothing runs, and no call waits. With several passes
 * a rank waits for the places of batches alone, some passes behind. */
static void nothing_waits(void **state) {
  (void)state;
  for (int i = 0; i < N_CASES; i++) {
    tiny t;
    if (!one_pass(i)) continue;
    float tail[TAIL];
    start(&t, i);
    int step = 0;
    for (; step < WARM; step++) {
      assert_ok(put(&t, step));
      read_one(&t, tail);
    }
    emulated_counts before = emulate_counts();
    for (int k = 0; k <= KD_STEPS_AHEAD; k++) assert_ok(put(&t, step++));
    emulated_counts after = emulate_counts();
    assert_int_equal(after.waits, before.waits);
    assert_int_equal(after.done, before.done);
    assert_int_equal(after.replays - before.replays, KD_STEPS_AHEAD + 1);
    assert_int_equal(put(&t, step), KD_ERR_INTERNAL); /* never further ahead */
    while (kd_replica_pending(t.replica) > 0) read_one(&t, tail);
    tiny_destroy(&t);
  }
}

int main(void) {
  if (!dlopen(KDIST_NCCL_DOUBLE, RTLD_NOW | RTLD_GLOBAL)) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  setenv("KD_NCCL_FOLDER", test_folder(), 1);
  const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits), cmocka_unit_test(nothing_waits)};
  return tiny_run_ranks(&all_ranks, tests, sizeof tests / sizeof *tests);
}
#else
#include <stdio.h>

int main(void) {
  puts("skipped: this build has no nccl.h");
  return 77;
}
#endif
