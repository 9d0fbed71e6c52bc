// ctest: ranks=1,2 timeout=120
/* Training that stops and goes on in another net: the same bits as training that never stopped. Only rank 0's
 * folder is used: each rank has its own. */
#include <sys/stat.h>

#include "api/api_unit.h"

enum { ROWS = 48, STEPS = 6, UNITS = 4, BATCH = 16, CLASSES = 3 };

static float waves[ROWS][STEPS][2];
static int32_t labels[ROWS];

static int setup(void **state) {
  (void)state;
  for (int r = 0; r < ROWS; r++) {
    for (int t = 0; t < STEPS; t++)
      for (int f = 0; f < 2; f++) waves[r][t][f] = (float)((r * 7 + t * 5 + f * 3 + r * t) % 19) / 8 - 1;
    labels[r] = (waves[r][0][0] > waves[r][1][1]) + (waves[r][2][0] > 0);
  }
  return 0;
}

static const char *folder_of(const char *name) {
  static char path[400];
  snprintf(path, sizeof path, "%s/%s", test_folder(), name);
  return path;
}

static kd_data rows(int first, int count) {
  return (kd_data){
      .count = count, .x = {{.data = waves[first]}}, .y = {{.data = labels + first, .dtype = KD_I32}}};
}

static kd_net *from(const char *lstm, const char *train) {
  char ini[2048];
  kd_net *net;
  snprintf(ini, sizeof ini,
           "[run]\nseed = 7\n[input wave]\nshape = 6, 2\nbatch_size = 16\n[layers]\nlstm = LSTM(4%s)\n"
           "norm = BatchNormalization(momentum=0.8)\ndrop = Dropout(0.2)\nclass = Dense(3)\n"
           "[distributed]\ndeterminism = world\n[train]\n"
           "loss = SparseCategoricalCrossentropy(from_logits=true)\nmetrics = accuracy\n%s\n",
           lstm, train);
  assert_ok(kd_net_from_ini(ini, &net));
  return net;
}

static void steps(kd_net *net, int first, int last) {
  for (int step = first; step < last; step++) {
    kd_data batch = rows(step % 3 * BATCH, BATCH);
    assert_ok(kd_train_step(net, &batch));
  }
}

static void assert_progress(kd_net *net, int64_t step, int64_t epoch) {
  int64_t steps_done, epochs_done;
  assert_ok(kd_progress(net, &steps_done, &epochs_done));
  assert_int_equal(steps_done, step);
  assert_int_equal(epochs_done, epoch);
}

/* Everything that a step depends on, one kind of state a row. */
static const struct {
  const char *lstm, *train;
} kinds[] = {
    {"", "optimizer = Adam(0.01)"},
    {"", "optimizer = SGD(0.05)"},
    {"", "optimizer = SGD(0.05, momentum=0.9, nesterov=true)"},
    {"", "optimizer = Nadam(0.01)"},
    {"", "optimizer = RMSprop(0.01, centered=true, momentum=0.5)"},
    {"", "optimizer = Adagrad(0.05)"},
    {"", "optimizer = Adam(ExponentialDecay(0.01, 3, 0.5))"},
    {"", "optimizer = Adam(0.01, gradient_accumulation_steps=3)"},
    {"", "optimizer = Adam(0.01, use_ema=true, ema_overwrite_frequency=4)"},
    {"", "dtype_policy = mixed_float16\n"
         "optimizer = LossScaleOptimizer(Adam(0.01), initial_scale=16777216, dynamic_growth_steps=2)"},
    {", stateful=true", "optimizer = Adam(0.01)"},
};

static void kinds_go_on(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    char name[32];
    snprintf(name, sizeof name, "kind%zu", i);
    kd_net *whole = from(kinds[i].lstm, kinds[i].train), *first = from(kinds[i].lstm, kinds[i].train),
           *second = from(kinds[i].lstm, kinds[i].train);
    steps(whole, 0, 11);
    steps(first, 0, 5);
    assert_ok(kd_save_state(first, folder_of(name)));
    kd_net_destroy(first);
    assert_ok(kd_load_state(second, folder_of(name)));
    assert_progress(second, 5, 0);
    steps(second, 5, 11);
    assert_progress(second, 11, 0);
    api_same(whole, second);
    kd_net_destroy(whole);
    kd_net_destroy(second);
  }
}

/* Nets that predict have no slots: those of the file wait. Saved again they are still there. */
static void slots_wait(void **state) {
  (void)state;
  static float result[ROWS * CLASSES];
  kd_net *whole = from("", kinds[0].train), *first = from("", kinds[0].train),
         *second = from("", kinds[0].train), *third = from("", kinds[0].train);
  kd_data all = rows(0, ROWS);
  steps(whole, 0, 8);
  steps(first, 0, 4);
  assert_ok(kd_save_state(first, folder_of("first")));
  steps(second, 0, 1);
  assert_ok(kd_load_state(second, folder_of("first")));
  api_same(first, second);
  assert_ok(kd_predict(second, &all, 16, (float *[]){result}));
  assert_ok(kd_save_state(second, folder_of("second")));
  assert_ok(kd_load_state(third, folder_of("second")));
  assert_ok(kd_predict(third, &all, 16, (float *[]){result}));
  assert_ok(kd_predict(third, &all, 8, (float *[]){result}));
  assert_ok(kd_save_state(third, folder_of("third")));
  assert_ok(kd_load_state(second, folder_of("third")));
  steps(second, 4, 8);
  steps(third, 4, 8);
  api_same(whole, second);
  api_same(whole, third);
  kd_net_destroy(whole);
  kd_net_destroy(first);
  kd_net_destroy(second);
  kd_net_destroy(third);
}

/* A net that has not trained yet, and one whose replica is made anew in between. */
static void scale_and_start(void **state) {
  (void)state;
  const char *train = kinds[9].train;
  static double doubles[ROWS][STEPS][2];
  for (int r = 0; r < ROWS; r++)
    for (int t = 0; t < STEPS; t++)
      for (int f = 0; f < 2; f++) doubles[r][t][f] = (double)waves[r][t][f];
  kd_net *whole = from("", train), *fresh = from("", train);
  kd_data other = rows(0, BATCH);
  other.x[0] = (kd_array){.data = doubles, .dtype = KD_F64};
  assert_ok(kd_save_state(whole, folder_of("fresh")));
  steps(whole, 0, 14);
  assert_ok(kd_load_state(fresh, folder_of("fresh")));
  steps(fresh, 0, 7);
  assert_ok(kd_evaluate(fresh, &other, 16));
  assert_progress(fresh, 7, 0);
  steps(fresh, 7, 14);
  assert_ok(kd_save_state(whole, folder_of("a")));
  api_same(whole, fresh);
  steps(whole, 14, 18);
  assert_ok(kd_load_state(fresh, folder_of("a")));
  steps(fresh, 14, 18);
  api_same(whole, fresh);
  kd_net_destroy(whole);
  kd_net_destroy(fresh);
}

static kd_status save_epoch(void *context, kd_net *net, int64_t epoch) {
  int64_t step, done;
  assert_ok(kd_progress(net, &step, &done));
  assert_int_equal(done, epoch + 1);
  assert_int_equal(step, 3 * done);
  return kd_save_state(net, context);
}

static kd_status save_batch(void *context, kd_net *net, int64_t batch) {
  kd_status status = kd_save_state(net, context);
  if (batch < 3) assert_fails(status, KD_ERR_USAGE, "in the middle of an epoch");
  return batch < 3 ? KD_OK : status;
}

/* kd_fit between two kd_fit, at a rate of the program's own; and the folder as its hooks leave it. */
static void epochs_go_on(void **state) {
  (void)state;
  char folder[400];
  strcpy(folder, folder_of("epochs"));
  kd_net *whole = from("", kinds[0].train), *again = from("", kinds[0].train);
  kd_data data = rows(0, ROWS);
  kd_hooks epoch = {.context = folder, .epoch_end = save_epoch},
           batch = {.context = folder, .batch_end = save_batch};
  assert_ok(kd_compile(whole, .optimizer = "Adam(0.5)"));
  assert_ok(kd_set_learning_rate(whole, 0.003));
  assert_ok(kd_fit(whole, &data, .epochs = 2, .batch_size = 16, .hooks = &epoch, .n_hooks = 1));
  assert_progress(whole, 6, 2);
  assert_ok(kd_load_state(again, folder));
  assert_progress(again, 6, 2);
  double rate;
  assert_ok(kd_learning_rate(again, &rate));
  assert_true(rate == 0.003);
  assert_ok(
      kd_fit(whole, &data, .initial_epoch = 2, .epochs = 4, .batch_size = 16, .hooks = &batch, .n_hooks = 1));
  assert_ok(kd_fit(again, &data, .initial_epoch = 2, .epochs = 4, .batch_size = 16));
  api_same(whole, again);
  struct stat info;
  if (kd_world_rank() == 0) { /* the newest two */
    assert_int_equal(stat(folder_of("epochs/step-0000000012.h5"), &info), 0);
    assert_int_equal(stat(folder_of("epochs/step-0000000009.h5"), &info), 0);
    assert_int_not_equal(stat(folder_of("epochs/step-0000000006.h5"), &info), 0);
  }
  assert_ok(kd_load_state(again, folder));
  assert_progress(again, 12, 4);
  api_same(whole, again);
  assert_ok(kd_compile(again, .optimizer = "Adam(0.5)"));
  assert_progress(again, 0, 0);
  kd_net_destroy(whole);
  kd_net_destroy(again);
}

static kd_status load_in_hook(void *context, kd_net *net) {
  return kd_load_state(net, context);
}

static void errors(void **state) {
  (void)state;
  char folder[400];
  strcpy(folder, folder_of("errors"));
  kd_net *net = from("", kinds[0].train), *other = from("", kinds[2].train),
         *wide = from(", return_sequences=true", "");
  kd_data data = rows(0, ROWS);
  steps(net, 0, 2);
  steps(other, 0, 2);
  assert_fails(kd_save_state(net, NULL), KD_ERR_USAGE, "there is no folder");
  assert_fails(kd_load_state(net, ""), KD_ERR_USAGE, "there is no folder");
  assert_fails(kd_load_state(NULL, folder), KD_ERR_USAGE, "no net");
  assert_fails(kd_load_state(net, folder), KD_ERR_USAGE, "holds no checkpoint");
  assert_fails(kd_save_state(net, "/dev/null/x"), KD_ERR_RUN, "/dev/null");
  int64_t step;
  assert_fails(kd_progress(net, &step, NULL), KD_ERR_USAGE, "NULL");
  assert_ok(kd_save_state(net, folder));
  assert_fails(kd_load_state(other, folder), KD_ERR_USAGE, "the optimizer Adam, but net model has SGD");
  assert_progress(other, 2, 0);
  assert_ok(kd_compile(other, .optimizer = "Adam(amsgrad=true)"));
  assert_fails(kd_load_state(other, folder), KD_ERR_USAGE, "it has no slots/");
  assert_fails(kd_load_state(wide, folder), KD_ERR_USAGE, "optimizer Adam, but net model has RMSprop");
  kd_net_destroy(wide);
  assert_ok(
      kd_net_from_ini("[input wave]\nshape = 6, 2\n[layers]\nlstm = LSTM(5)\nnorm = BatchNormalization()\n"
                      "class = Dense(3)\n[train]\nloss = mse\noptimizer = adam\n",
                      &wide));
  assert_fails(kd_load_state(wide, folder), KD_ERR_USAGE,
               "lstm/cell/kernel has shape (2, 16) there, but net model wants");
  kd_hooks hooks = {.context = folder, .train_begin = load_in_hook};
  assert_fails(kd_fit(net, &data, .hooks = &hooks, .n_hooks = 1, .batch_size = 16), KD_ERR_USAGE,
               "may not call this");
  assert_ok(kd_load_state(net, folder));
  kd_net_destroy(net);
  kd_net_destroy(other);
  kd_net_destroy(wide);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(kinds_go_on, setup),
    cmocka_unit_test(slots_wait),
    cmocka_unit_test(scale_and_start),
    cmocka_unit_test(epochs_go_on),
    cmocka_unit_test(errors),
};

KD_API_MAIN(tests)
