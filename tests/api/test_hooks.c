// ctest: ranks=1,2 timeout=120
/* Callbacks: the program's own, Keras's by name, and what they write. */
#include <math.h>
#include <sys/stat.h>

#include "api/api_unit.h"

enum { ROWS = 24, FEATURES = 4, BATCH = 8, STEPS = 3 };

static float points[ROWS][FEATURES], targets[ROWS];
static char root[256]; /* one folder for all ranks */

static int setup(void **state) {
  (void)state;
  for (int r = 0; r < ROWS; r++) {
    for (int f = 0; f < FEATURES; f++) points[r][f] = (float)((r * 3 + f * 5) % 7) / 4;
    targets[r] = points[r][0] - points[r][1];
  }
  const char *folder = getenv("TMPDIR");
  snprintf(root, sizeof root, "%s/kdist-hooks-%ld", folder ? folder : "/tmp", (long)getsid(0));
  mkdir(root, 0700);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  char command[300];
  snprintf(command, sizeof command, "rm -rf '%s'", root);
  return kd_world_rank() == 0 ? system(command) : 0;
}

static kd_net *regression(void) {
  kd_net *net;
  assert_ok(kd_net_create("regression", &net));
  kd_out x = kd_net_input(net, "x", KD_F32, 1, (int64_t[]){FEATURES});
  kd_dense(kd_dense(x, 6, .activation = "tanh"), 1);
  assert_ok(kd_compile(net, .optimizer = "Adam(0.02)", .loss = "mse", .determinism = "world"));
  return net;
}

static kd_data rows(void) {
  return (kd_data){.count = ROWS, .x = {{.data = points}}, .y = {{.data = targets}}};
}

typedef struct record {
  char text[256];
  int64_t stop_at, fail_at; /* batches of training; 0: never */
  int64_t batches;
  bool freeze; /* the learning rate is set to 0 */
} record;

static void say(record *r, const char *word, int64_t number) {
  size_t used = strlen(r->text);
  snprintf(r->text + used, sizeof r->text - used, "%s%lld ", word, (long long)number);
}

static kd_status train_begin(void *context, kd_net *net) {
  double value;
  assert_fails(kd_metric(net, "loss", &value), KD_ERR_USAGE, "none yet");
  say(context, "begin", 0);
  return KD_OK;
}

static kd_status epoch_begin(void *context, kd_net *net, int64_t epoch) {
  record *r = context;
  if (r->freeze) assert_ok(kd_set_learning_rate(net, 0));
  say(r, "epoch", epoch);
  return KD_OK;
}

static kd_status batch_end(void *context, kd_net *net, int64_t batch) {
  record *r = context;
  assert_true(api_metric(net, "loss") > 0);
  say(r, "b", batch);
  if (++r->batches == r->stop_at) kd_stop_training(net);
  return r->batches == r->fail_at ? kd_error_set(KD_ERR_RUN, "the plug was pulled") : KD_OK;
}

static kd_status epoch_end(void *context, kd_net *net, int64_t epoch) {
  assert_true(api_metric(net, "val_loss") > 0);
  say(context, "end", epoch);
  return KD_OK;
}

static kd_status train_end(void *context, kd_net *net) {
  kd_data data = rows();
  int64_t count, shape[KD_MAX_RANK];
  int rank;
  float bias, before, other = 5;
  assert_ok(kd_net_params(net, true, &count));
  assert_ok(kd_net_output_shape(net, 0, &rank, shape));
  assert_ok(kd_get_weight(net, "dense_1/bias", &before));
  assert_ok(kd_set_weight(net, "dense_1/bias", &other));
  assert_ok(kd_get_weight(net, "dense_1/bias", &bias));
  assert_true(bias == other);
  assert_ok(kd_set_weight(net, "dense_1/bias", &before));
  assert_fails(kd_fit(net, &data), KD_ERR_USAGE, "callbacks");
  kd_net_destroy(net); /* does nothing here */
  say(context, "done", 0);
  return KD_OK;
}

static kd_hooks hooks(record *r) {
  return (kd_hooks){r, train_begin, epoch_begin, batch_end, epoch_end, train_end};
}

static void order(void **state) {
  (void)state;
  record r = {.stop_at = 5};
  kd_net *net = regression();
  kd_data data = rows();
  kd_hooks both[] = {hooks(&r), {.context = NULL}};
  assert_ok(
      kd_fit(net, &data, .epochs = 9, .batch_size = BATCH, .validation = &data, .hooks = both, .n_hooks = 2));
  assert_string_equal(r.text, "begin0 epoch0 b1 b2 b3 end0 epoch1 b1 b2 end1 done0 ");
  assert_int_equal(kd_history_length(net), 2);
  double first, second;
  assert_ok(kd_history_metric(net, 0, "val_loss", &first));
  assert_ok(kd_history_metric(net, 1, "val_loss", &second));
  assert_true(second != first);
  kd_net_destroy(net);
}

static void rates(void **state) {
  (void)state;
  static float before[API_MOST], after[API_MOST];
  record r = {.freeze = true};
  kd_net *net = regression();
  kd_data data = rows();
  kd_hooks mine = hooks(&r);
  double rate;
  int64_t n = api_weights(net, before);
  assert_ok(kd_fit(net, &data, .batch_size = BATCH, .validation = &data, .hooks = &mine, .n_hooks = 1));
  assert_int_equal(api_weights(net, after), n);
  assert_memory_equal(before, after, (size_t)n * sizeof *before);
  assert_ok(kd_learning_rate(net, &rate));
  assert_true(rate == 0);
  assert_ok(kd_set_learning_rate(net, 0.25));
  assert_ok(kd_learning_rate(net, &rate));
  assert_true(rate == 0.25);
  assert_ok(kd_compile(net, .optimizer = "SGD(ExponentialDecay(0.5, 3, 0.5))", .loss = "mse"));
  assert_fails(kd_set_learning_rate(net, 0.1), KD_ERR_USAGE, "ExponentialDecay");
  assert_ok(kd_fit(net, &data, .batch_size = BATCH));
  assert_ok(kd_learning_rate(net, &rate));
  assert_true(fabs(rate - 0.25) < 1e-6);
  kd_net_destroy(net);
}

/* A run that a hook ends in mid-epoch goes on from the backup, and is the whole run bit for bit. */
static void backup(void **state) {
  (void)state;
  char folder[300], text[400];
  snprintf(folder, sizeof folder, "%s/run", root);
  snprintf(text, sizeof text, "BackupAndRestore(backup, save_freq=1), CSVLogger(\"losses.csv\")");
  record r = {.fail_at = STEPS + 2};
  kd_net *whole = regression(), *broken = regression(), *resumed = regression();
  kd_data data = rows();
  kd_hooks mine = hooks(&r);
  assert_ok(kd_fit(whole, &data, .epochs = 3, .batch_size = BATCH, .validation = &data));
  assert_fails(kd_fit(broken, &data, .epochs = 3, .batch_size = BATCH, .validation = &data, .callbacks = text,
                      .folder = folder, .hooks = &mine, .n_hooks = 1),
               KD_ERR_RUN, "the plug was pulled");
  assert_int_equal(kd_history_length(broken), 1);
  assert_ok(kd_fit(resumed, &data, .epochs = 3, .batch_size = BATCH, .validation = &data, .callbacks = text,
                   .folder = folder));
  api_same(whole, resumed);
  assert_int_equal(kd_history_length(resumed), 3);
  /* Done: the next call starts anew, from the present weights. */
  assert_ok(kd_fit(whole, &data, .epochs = 1, .batch_size = BATCH));
  assert_ok(kd_fit(resumed, &data, .epochs = 1, .batch_size = BATCH, .callbacks = text, .folder = folder));
  api_same(whole, resumed);
  struct stat info;
  snprintf(text, sizeof text, "%s/losses.csv", folder);
  assert_int_equal(stat(text, &info), 0);
  snprintf(text, sizeof text, "%s/log.csv", folder);
  assert_int_equal(stat(text, &info), 0);
  kd_net_destroy(whole);
  kd_net_destroy(broken);
  kd_net_destroy(resumed);
}

static void by_name(void **state) {
  (void)state;
  kd_net *net = regression();
  kd_data data = rows();
  assert_ok(
      kd_fit(net, &data, .epochs = 50, .batch_size = BATCH, .validation_split = 0.25,
             .callbacks = "EarlyStopping(monitor=loss, min_delta=10, patience=2), ReduceLROnPlateau()"));
  assert_int_equal(kd_history_length(net), 3);
  assert_fails(kd_fit(net, &data, .callbacks = "EarlyStoping()"), KD_ERR_USAGE, "EarlyStopping");
  assert_fails(kd_fit(net, &data, .callbacks = "EarlyStopping(patience=3"), KD_ERR_USAGE, "callbacks");
  assert_ok(kd_compile(net, .optimizer = "SGD(1e30)", .loss = "mse"));
  assert_fails(kd_fit(net, &data, .epochs = 50, .batch_size = BATCH, .callbacks = "TerminateOnNaN()"),
               KD_ERR_DIVERGED, "not finite");
  kd_net_destroy(net);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(order, setup),
    cmocka_unit_test(rates),
    cmocka_unit_test(backup),
    cmocka_unit_test_teardown(by_name, teardown),
};

KD_API_MAIN(tests)
