// ctest: cuda=emulated timeout=300
/* Training steps on a device whose work waits until the host waits: a step runs nothing and waits for
 * nothing, plain or recorded; at most two are ahead of the one that is read; weights, losses and the scale of
 * the loss are the same bits however far the host runs ahead, and recorded or not. */
#include "cuda/emulated_counts.h"
#include "cuda/open_device.h"
#include "device/base/rng.h"
#include "support/tiny.h"

enum { BATCH = 6, FEATURES = 5, STEPS = 14, WARM = 8 };

static const char *const layers[] = {"Dense(8, activation=relu, kernel_regularizer=L2(0.01))", "Dropout(0.2)",
                                     "BatchNormalization()", "Dense(3)", NULL};

static const struct {
  const char *optimizer;
  kd_policy policy;
  bool skips; /* the first steps overflow */
} cases[] = {
    {"Adam(0.01, global_clipnorm=0.5, use_ema=true, ema_overwrite_frequency=3)", {0}, false},
    {"SGD(0.05, momentum=0.9, gradient_accumulation_steps=2)", {0}, false},
    {"LossScaleOptimizer(Adam(0.01, clipnorm=0.5, use_ema=true), initial_scale=4e5, dynamic_growth_steps=3)",
     {KD_F16, KD_F32},
     true},
    {"LossScaleOptimizer(Adam(0.01, gradient_accumulation_steps=2), initial_scale=4e5)",
     {KD_F16, KD_F32},
     true},
};

static void on_cuda(tiny *t) {
  kd_device_close(&t->device);
  t->device = open_device();
}

static void start(tiny *t, int number, kd_comm *self) {
  tiny_spec spec = {.input = KD_SHAPE(FEATURES),
                    .layers = layers,
                    .loss = "SparseCategoricalCrossentropy(from_logits=true)",
                    .metrics = "accuracy",
                    .optimizer = cases[number].optimizer,
                    .policy = cases[number].policy,
                    .label_dtype = KD_U8,
                    .batch = BATCH,
                    .determinism = KD_DETERMINISM_RUN,
                    .device = on_cuda,
                    .comm = self};
  tiny_create(t, &spec);
}

static void put(tiny *t, int step) {
  float x[BATCH * FEATURES];
  uint8_t y[BATCH];
  int64_t rows = step % 5 == 4 ? 2 : BATCH; /* two plans, two records */
  for (int i = 0; i < BATCH * FEATURES; i++)
    x[i] = kd_uniform_f32(kd_philox_block((uint64_t)i, (uint64_t)step, 1).v[0]) - 0.5f;
  for (int i = 0; i < BATCH; i++) y[i] = (uint8_t)((i + step) % 3);
  void *field[] = {x, y};
  kd_step_data data = {.rows = rows, .global_rows = rows, .field = field};
  double rate = 0.01;
  assert_ok(kd_replica_step(t->replica, &data, step, tiny_rate, &rate));
  memset(x, 0xFF, sizeof x); /* the data are free */
}

static void read_one(tiny *t, float *tail) {
  kd_step_result result;
  assert_ok(kd_replica_result(t->replica, &result));
  memcpy(tail, result.tail, (size_t)t->objective.n_tail * sizeof *tail);
}

typedef struct outcome {
  uint64_t hash;
  float tail[STEPS][16];
  kd_loss_scale scale;
  long replays;
} outcome;

/* Reads results so many steps later as is allowed, at most `ahead`. */
static outcome train(int number, int ahead) {
  outcome o = {0};
  tiny t;
  kd_comm *self = tiny_alone();
  start(&t, number, self);
  assert_true(t.objective.n_tail <= 16);
  int allowed = kd_replica_ahead(t.replica), read = 0;
  long replays = emulate_counts().replays;
  if (ahead > allowed) ahead = allowed;
  for (int step = 0; step < STEPS; step++) {
    put(&t, step);
    while (kd_replica_pending(t.replica) > ahead) read_one(&t, o.tail[read++]);
  }
  while (kd_replica_pending(t.replica) > 0) read_one(&t, o.tail[read++]);
  assert_int_equal(read, STEPS);
  o.replays = emulate_counts().replays - replays;
  o.scale = kd_replica_loss_scale(t.replica);
  o.hash = kd_replica_hash(t.replica);
  tiny_destroy(&t);
  kd_comm_close(self);
  return o;
}

static void same(const outcome *a, const outcome *b) {
  assert_true(a->hash == b->hash);
  assert_memory_equal(a->tail, b->tail, sizeof a->tail);
  assert_true(a->scale.scale == b->scale.scale);
  assert_int_equal(a->scale.good_steps, b->scale.good_steps);
  assert_int_equal(a->scale.skipped, b->scale.skipped);
}

static void same_bits(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    outcome recorded = train((int)i, KD_STEPS_AHEAD), close_by = train((int)i, 0);
    assert_true(recorded.replays > 0);
    same(&recorded, &close_by);
    int64_t skipped = recorded.scale.skipped;
    if (cases[i].skips ? skipped < 2 || skipped > STEPS / 2 : skipped != 0)
      fail_msg("%s: %lld steps skipped", cases[i].optimizer, (long long)skipped);
    static const char *const refusals[] = {"refuse", "late"};
    for (int k = 0; k < 2; k++) {
      setenv("KD_EMULATE_RECORD", refusals[k], 1);
      outcome plain = train((int)i, KD_STEPS_AHEAD);
      unsetenv("KD_EMULATE_RECORD");
      assert_int_equal(plain.replays, 0);
      same(&recorded, &plain);
    }
  }
}

/* From the results of one step to those of the next ones nothing runs, and no call waits. */
static void nothing_waits(void **state) {
  (void)state;
  for (int plain = 0; plain < 2; plain++) {
    tiny t;
    float tail[16];
    kd_comm *self = tiny_alone();
    if (plain) setenv("KDIST_CUDA_RECORD", "off", 1);
    start(&t, 2, self); /* the scale of the loss, skipped steps */
    assert_int_equal(kd_replica_ahead(t.replica), KD_STEPS_AHEAD);
    int step = 0;
    for (; step < 2 * WARM; step++) {
      put(&t, step);
      read_one(&t, tail);
    }
    emulated_counts before = emulate_counts();
    for (int i = 0; i <= KD_STEPS_AHEAD; i++) put(&t, step++);
    emulated_counts after = emulate_counts();
    assert_int_equal(after.waits, before.waits);
    assert_int_equal(after.done, before.done);
    assert_int_equal(after.replays - before.replays, plain ? 0 : KD_STEPS_AHEAD + 1);
    kd_status status = KD_OK;
    float x[BATCH * FEATURES] = {0};
    uint8_t y[BATCH] = {0};
    void *field[] = {x, y};
    kd_step_data data = {.rows = BATCH, .global_rows = BATCH, .field = field};
    double rate = 0.01;
    status = kd_replica_step(t.replica, &data, step, tiny_rate, &rate);
    assert_int_equal(status, KD_ERR_INTERNAL); /* never further ahead */
    read_one(&t, tail);
    assert_int_equal(emulate_counts().waits, before.waits + 1);
    put(&t, step++);
    assert_int_equal(emulate_counts().waits, before.waits + 1);
    tiny_destroy(&t); /* with steps on their way */
    kd_comm_close(self);
    unsetenv("KDIST_CUDA_RECORD");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits), cmocka_unit_test(nothing_waits)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
