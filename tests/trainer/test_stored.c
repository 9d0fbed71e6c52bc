/* Weights that are stored in half types: every optimizer keeps weights and slots in their type, a step is
 * that of plain loops, a step that is too small for the type is lost, and memory is half as much. */
#include <math.h>

#include "device/base/rng.h"
#include "support/interpret.h"
#include "support/tiny.h"

enum { BATCH = 8, IN = 6, OUT = 4 };

static const char *const dense[] = {"Dense(4)", NULL};
static const char *const norm[] = {"Dense(5)", "BatchNormalization()",
                                   "Dense(4, kernel_regularizer=L2(0.01))", NULL};
static const char *const optimizers[] = {
    "SGD(0.1, momentum=0.9, nesterov=true)",
    "Adam(0.01, amsgrad=true)",
    "AdamW(0.01, clipnorm=1.0)",
    "Adamax(0.01)",
    "Nadam(0.01)",
    "RMSprop(0.01, momentum=0.9, centered=true)",
    "Adagrad(0.1)",
    "Adadelta(1.0)",
    "Ftrl(0.1)",
    "Lion(0.01)",
    "Lamb(0.01)",
    "Adafactor(0.01)",
    "Muon(0.01)",
    "ScheduleFreeAdamW(0.01)",
    "SGD(0.1, use_ema=true, ema_overwrite_frequency=2)",
    "SGD(0.1, clipvalue=0.1)",
};
static const kd_dtype types[] = {KD_BF16, KD_F16};

static void create(tiny *t, kd_comm *self, const char *const *layers, const char *optimizer, kd_dtype type) {
  tiny_spec spec = {.input = KD_SHAPE(IN),
                    .layers = layers,
                    .loss = "MeanSquaredError()",
                    .optimizer = optimizer,
                    .label_dtype = KD_F32,
                    .label = KD_SHAPE(OUT),
                    .batch = BATCH,
                    .determinism = KD_DETERMINISM_RUN,
                    .policy = {type, type},
                    .comm = self};
  tiny_create(t, &spec);
}

/* Values of 7 bits, which all types hold. */
static float draw(int64_t i, uint64_t step, uint64_t what) {
  return (float)(kd_philox_block((uint64_t)i, step, what).v[0] % 127) / 64 - 1;
}

static void step(tiny *t, int number, float *x, float *y) {
  for (int i = 0; i < BATCH * IN; i++) x[i] = draw(i, (uint64_t)number, 1);
  for (int i = 0; i < BATCH * OUT; i++) y[i] = draw(i, (uint64_t)number, 2);
  void *field[] = {x, y};
  kd_step_data data = {.rows = BATCH, .global_rows = BATCH, .field = field};
  tiny_step(t, &data, number, t->optimizer.rate.constant);
}

static float *read(tiny *t, int part, int w) {
  float *values = kd_pool_alloc(t->pool, (size_t)t->model->weights[w].count, sizeof *values);
  assert_ok(kd_replica_get(t->replica, part, w, values));
  return values;
}

static void check_type(tiny *t, kd_dtype type, const char *optimizer, int part, int w) {
  const float *values = read(t, part, w);
  kd_tensor stored;
  assert_ok(kd_replica_save(t->replica, t->pool, part, w, &stored));
  assert_int_equal(stored.dtype, type);
  for (int64_t i = 0; i < t->model->weights[w].count; i++)
    if (!isfinite(values[i]) || (double)values[i] != round_to(type, (double)values[i]))
      fail_msg("%s: part %d of %s is %.9g", optimizer, part, t->model->weights[w].path, (double)values[i]);
}

static void optimizers_keep_the_type(void **state) {
  (void)state;
  kd_comm *self = tiny_alone();
  float x[BATCH * IN], y[BATCH * OUT];
  for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
    for (size_t o = 0; o < sizeof optimizers / sizeof *optimizers; o++) {
      tiny t;
      create(&t, self, norm, optimizers[o], types[k]);
      float *before = read(&t, KD_PART_WEIGHT, 0);
      for (int number = 0; number < 3; number++) step(&t, number, x, y);
      float *after = read(&t, KD_PART_WEIGHT, 0);
      assert_memory_not_equal(before, after, sizeof(float) * IN * 5);
      for (int w = 0; w < t.model->n_weights; w++) {
        int parts = t.model->weights[w].trainable ? t.optimizer.n_slots : 0;
        for (int part = KD_PART_WEIGHT; part < parts; part++)
          check_type(&t, types[k], optimizers[o], part, w);
      }
      tiny_destroy(&t);
    }
  }
  kd_comm_close(self);
}

/* The gradient of a linear layer by plain loops. The numbers have so few bits that sums in float32 are exact.
 */
static void slopes(kd_dtype type, const float *x, const float *y, const float *kernel, double *gradient) {
  for (int i = 0; i < IN * OUT; i++) gradient[i] = 0;
  for (int row = 0; row < BATCH; row++) {
    for (int o = 0; o < OUT; o++) {
      double sum = 0;
      for (int i = 0; i < IN; i++) sum += (double)x[row * IN + i] * (double)kernel[i * OUT + o];
      double slope = 2 * (round_to(type, sum) - (double)y[row * OUT + o]) / (BATCH * OUT);
      for (int i = 0; i < IN; i++) gradient[i * OUT + o] += (double)x[row * IN + i] * round_to(type, slope);
    }
  }
}

/* One step of gradient descent: the gradient is rounded once, then the new weight. Weights that were zero
 * show both roundings. */
static void a_step_is_that_of_plain_loops(void **state) {
  (void)state;
  kd_comm *self = tiny_alone();
  const float rate = 0.3f;
  for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
    float x[BATCH * IN], y[BATCH * OUT], kernel[IN * OUT];
    double gradient[IN * OUT];
    tiny t;
    create(&t, self, dense, "SGD(0.3)", types[k]);
    for (int i = 0; i < IN * OUT; i++) kernel[i] = i % 2 ? 0 : draw(i, 7, 3);
    assert_ok(kd_replica_put(t.replica, KD_PART_WEIGHT, 0, kernel));
    step(&t, 0, x, y);
    slopes(types[k], x, y, kernel, gradient);
    float *after = read(&t, KD_PART_WEIGHT, 0);
    for (int i = 0; i < IN * OUT; i++) {
      float moved = rate * (float)round_to(types[k], gradient[i]);
      double want = round_to(types[k], (double)(kernel[i] - moved));
      if ((double)after[i] != want)
        fail_msg("%s: weight %d is %.9g, not %.9g", kd_dtype_name(types[k]), i, (double)after[i], want);
    }
    tiny_destroy(&t);
  }
  kd_comm_close(self);
}

static void small_steps_are_lost(void **state) {
  (void)state;
  kd_comm *self = tiny_alone();
  float x[BATCH * IN], y[BATCH * OUT], ones[IN * OUT];
  for (int i = 0; i < IN * OUT; i++) ones[i] = 1;
  for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
    tiny half, mixed;
    create(&half, self, dense, "SGD(1e-5)", types[k]);
    create(&mixed, self, dense, "SGD(1e-5)", KD_F32);
    assert_ok(kd_replica_put(half.replica, KD_PART_WEIGHT, 0, ones));
    assert_ok(kd_replica_put(mixed.replica, KD_PART_WEIGHT, 0, ones));
    step(&half, 0, x, y);
    step(&mixed, 0, x, y);
    assert_memory_equal(read(&half, KD_PART_WEIGHT, 0), ones, sizeof ones);
    assert_memory_not_equal(read(&mixed, KD_PART_WEIGHT, 0), ones, sizeof ones);
    kd_replica_stats a = kd_replica_get_stats(half.replica), b = kd_replica_get_stats(mixed.replica);
    assert_int_equal(2 * a.weight_bytes, b.weight_bytes + 64); /* the bias takes a cache line in both */
    tiny_destroy(&half);
    tiny_destroy(&mixed);
  }
  kd_comm_close(self);
}

/* A checkpoint of another type does not fit. */
static void other_types_are_refused(void **state) {
  (void)state;
  kd_comm *self = tiny_alone();
  tiny half, plain;
  kd_tensor tensor;
  create(&half, self, dense, "SGD(0.1)", KD_BF16);
  create(&plain, self, dense, "SGD(0.1)", KD_F32);
  assert_ok(kd_replica_save(half.replica, half.pool, KD_PART_WEIGHT, 0, &tensor));
  assert_ok(kd_replica_load(half.replica, KD_PART_WEIGHT, 0, &tensor));
  assert_fails(kd_replica_load(plain.replica, KD_PART_WEIGHT, 0, &tensor), KD_ERR_USAGE,
               "is bfloat16 of shape (6, 4), but the model stores float32 of shape (6, 4)");
  tiny_destroy(&half);
  tiny_destroy(&plain);
  kd_comm_close(self);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(optimizers_keep_the_type),
      cmocka_unit_test(a_step_is_that_of_plain_loops),
      cmocka_unit_test(small_steps_are_lost),
      cmocka_unit_test(other_types_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
