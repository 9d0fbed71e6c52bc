// ctest: ranks=1,2 timeout=120
/* Training through the C API: whichever way the same steps are asked for, the weights have the same bits. */
#include <math.h>

#include "api/api_unit.h"

enum { ROWS = 40, FEATURES = 5, CLASSES = 3 };

static float points[ROWS][FEATURES];
static double points64[ROWS][FEATURES];
static int32_t labels[ROWS];
static int64_t labels64[ROWS];

static void make_data(void) {
  for (int r = 0; r < ROWS; r++) {
    float sum = 0;
    for (int f = 0; f < FEATURES; f++) {
      points[r][f] = (float)((r * 7 + f * 13) % 17) / 8 - 1;
      points64[r][f] = (double)points[r][f];
      sum += points[r][f];
    }
    labels64[r] = labels[r] = sum > 1 ? 2 : sum > -1 ? 1 : 0;
  }
}

static kd_data arrays(void) {
  return (kd_data){.count = ROWS, .x = {{.data = points}}, .y = {{.data = labels, .dtype = KD_I32}}};
}

/* Everything with a state: dropout, moving statistics, slots. */
static kd_net *classifier(const char *name) {
  kd_net *net;
  assert_ok(kd_net_create(name, &net));
  kd_out x = kd_net_input(net, "point", KD_F32, 1, (int64_t[]){FEATURES});
  x = kd_dense(x, 8, .activation = "relu");
  x = kd_batch_normalization(x, .momentum = 0.8);
  x = kd_dropout(x, 0.2);
  kd_dense(x, CLASSES, .name = "class");
  assert_ok(kd_compile(net, .optimizer = "Adam(0.01)",
                       .loss = "SparseCategoricalCrossentropy(from_logits=true)", .metrics = "accuracy",
                       .seed = 5, .determinism = "world"));
  return net;
}

static kd_net *trained(int64_t epochs) {
  kd_net *net = classifier("whole");
  kd_data data = arrays();
  assert_ok(kd_fit(net, &data, .epochs = epochs, .batch_size = 16));
  return net;
}

static void fit_goes_on(void **state) {
  (void)state;
  kd_net *whole = trained(4), *parts = classifier("parts");
  kd_data data = arrays();
  assert_ok(kd_fit(parts, &data, .epochs = 1, .batch_size = 16));
  assert_ok(kd_fit(parts, &data, .initial_epoch = 1, .epochs = 4, .batch_size = 16));
  api_same(whole, parts);
  assert_int_equal(kd_history_length(parts), 3);
  double last;
  assert_ok(kd_history_metric(parts, 2, "loss", &last));
  assert_true(last == api_metric(whole, "loss"));
  kd_net_destroy(whole);
  kd_net_destroy(parts);
}

/* Other types and batches between two calls make a new replica; nothing is lost on the way. */
static void calls_between(void **state) {
  (void)state;
  kd_net *whole = trained(4), *parts = classifier("parts");
  kd_data data = arrays(), other = {.count = ROWS,
                                    .x = {{.data = points64, .dtype = KD_F64}},
                                    .y = {{.data = labels64, .dtype = KD_I64}}};
  float result[ROWS * CLASSES];
  assert_ok(kd_predict(parts, &other, 7, (float *[]){result}));
  assert_ok(kd_fit(parts, &data, .epochs = 2, .batch_size = 16));
  assert_ok(kd_evaluate(parts, &other, ROWS));
  double loss = api_metric(parts, "loss");
  assert_ok(kd_evaluate(parts, &data, 5));
  assert_true(fabs(api_metric(parts, "loss") - loss) < 1e-6);
  assert_ok(kd_predict(parts, &other, 7, (float *[]){result}));
  assert_ok(kd_fit(parts, &data, .initial_epoch = 2, .epochs = 4, .batch_size = 16));
  api_same(whole, parts);
  kd_net_destroy(whole);
  kd_net_destroy(parts);
}

static void steps_are_an_epoch(void **state) {
  (void)state;
  kd_net *fit = classifier("fit"), *steps = classifier("steps");
  kd_data data = arrays();
  assert_ok(kd_fit(fit, &data, .epochs = 2, .batch_size = 16, .no_shuffle = true));
  for (int epoch = 0; epoch < 2; epoch++)
    for (int r = 0; r < ROWS; r += 16) {
      kd_data batch = {.count = ROWS - r < 16 ? ROWS - r : 16,
                       .x = {{.data = points[r]}},
                       .y = {{.data = labels + r, .dtype = KD_I32}}};
      assert_ok(kd_train_step(steps, &batch));
    }
  api_same(fit, steps);
  kd_net_destroy(fit);
  kd_net_destroy(steps);
}

static kd_status read_rows(void *context, int field, int64_t n, const int64_t *rows, void *out) {
  ++*(int *)context;
  for (int64_t i = 0; i < n; i++) {
    if (field == 0)
      memcpy((float *)out + i * FEATURES, points[rows[i]], sizeof points[0]);
    else if (field == KD_LABEL(0))
      ((int32_t *)out)[i] = labels[rows[i]];
    else
      return kd_error_set(KD_ERR_INTERNAL, "no such field");
  }
  return KD_OK;
}

static void functions_are_arrays(void **state) {
  (void)state;
  int calls = 0;
  kd_net *whole = trained(2), *read = classifier("read"), *mixed = classifier("mixed");
  kd_data data = {.count = ROWS, .y = {{.dtype = KD_I32}}, .read = read_rows, .context = &calls};
  assert_ok(kd_fit(read, &data, .epochs = 2, .batch_size = 16));
  api_same(whole, read);
  assert_true(calls > 0);
  data.y[0].data = labels;
  assert_ok(kd_fit(mixed, &data, .epochs = 2, .batch_size = 16));
  api_same(whole, mixed);
  kd_data batch = arrays();
  assert_ok(kd_train_step(whole, &batch));
  data.y[0].data = NULL;
  assert_ok(kd_train_step(read, &data));
  api_same(whole, read);
  kd_net_destroy(whole);
  kd_net_destroy(read);
  kd_net_destroy(mixed);
}

/* Several nets in one process, step by step beside each other. */
static void nets_beside_each_other(void **state) {
  (void)state;
  kd_net *alone = trained(1), *a = classifier("a"), *b;
  assert_ok(kd_net_from_ini(
      "[input point]\nshape = 5\n[layers]\nhidden = Dense(4, activation=tanh)\nout = Dense(3)\n"
      "[train]\noptimizer = SGD(0.1)\nloss = SparseCategoricalCrossentropy(from_logits=true)",
      &b));
  kd_data data = arrays();
  assert_ok(kd_fit(b, &data, .batch_size = 10));
  assert_ok(kd_fit(a, &data, .batch_size = 16));
  assert_ok(kd_fit(b, &data, .batch_size = 10));
  api_same(alone, a);
  assert_fails(kd_finalize(), KD_ERR_USAGE, "3 nets");
  kd_net_destroy(alone);
  assert_ok(kd_fit(b, &data, .batch_size = 10));
  kd_net_destroy(a);
  assert_ok(kd_evaluate(b, &data, 0));
  kd_net_destroy(b);
}

static void compiled_again(void **state) {
  (void)state;
  static float before[API_MOST], after[API_MOST];
  kd_net *net = trained(1);
  int64_t n = api_weights(net, before);
  assert_ok(
      kd_compile(net, .optimizer = "SGD(0.5)", .loss = "SparseCategoricalCrossentropy(from_logits=true)"));
  assert_int_equal(api_weights(net, after), n);
  assert_memory_equal(before, after, (size_t)n * sizeof *before);
  double rate;
  assert_ok(kd_learning_rate(net, &rate));
  assert_true(rate == 0.5);
  assert_fails(kd_compile(net, .optimizer = "Adamm"), KD_ERR_USAGE, "did you mean");
  assert_ok(kd_learning_rate(net, &rate));
  assert_true(rate == 0.5);
  kd_net_destroy(net);
}

/* Weights of samples: a row of weight 2 counts as two rows would. */
static void weights_of_samples(void **state) {
  (void)state;
  static float twice[2 * ROWS][FEATURES], weights[ROWS];
  int32_t of_twice[2 * ROWS];
  int n = 0;
  for (int r = 0; r < ROWS; r++) {
    weights[r] = (float)(r % 3);
    for (int k = 0; k < r % 3; k++, n++) {
      memcpy(twice[n], points[r], sizeof points[r]);
      of_twice[n] = labels[r];
    }
  }
  kd_net *net = classifier("weighted");
  kd_data data = arrays(),
          doubled = {.count = n, .x = {{.data = twice}}, .y = {{.data = of_twice, .dtype = KD_I32}}};
  assert_ok(kd_evaluate(net, &doubled, n));
  double sum = api_metric(net, "loss") * n;
  data.n_w = 1;
  data.w[0] = (kd_array){.data = weights};
  assert_ok(kd_evaluate(net, &data, ROWS));
  assert_true(fabs(api_metric(net, "loss") * ROWS - sum) < 1e-4);
  assert_ok(kd_fit(net, &data, .batch_size = 8));
  assert_ok(kd_train_step(net, &data));
  assert_ok(kd_evaluate(net, &doubled, 0));
  kd_net_destroy(net);
}

static int setup(void **state) {
  (void)state;
  make_data();
  return 0;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(fit_goes_on, setup), cmocka_unit_test(calls_between),
    cmocka_unit_test(steps_are_an_epoch),       cmocka_unit_test(functions_are_arrays),
    cmocka_unit_test(nets_beside_each_other),   cmocka_unit_test(compiled_again),
    cmocka_unit_test(weights_of_samples),
};

KD_API_MAIN(tests)
