// ctest: ranks=1,2 timeout=120
/* What comes out of the C API: predictions, losses and files, against plain loops. */
#include <math.h>

#include "api/api_unit.h"
#include "device/base/file.h"

enum { ROWS = 11, IN = 3, OUT = 2 };

static const float kernel[IN][OUT] = {{0.5f, -1}, {0.25f, 2}, {-0.75f, 1}}, bias[OUT] = {0.125f, -0.5f};
static float points[ROWS][IN], targets[ROWS][OUT];

static double expected(int row, int out) {
  double sum = (double)bias[out];
  for (int i = 0; i < IN; i++) sum += (double)points[row][i] * (double)kernel[i][out];
  return sum;
}

static int setup(void **state) {
  (void)state;
  for (int r = 0; r < ROWS; r++)
    for (int i = 0; i < IN; i++) {
      points[r][i] = (float)((r * 5 + i * 3) % 8) / 4;
      if (i < OUT) targets[r][i] = (float)((r + i) % 4);
    }
  return 0;
}

static kd_net *linear(void) {
  kd_net *net;
  assert_ok(kd_net_create("linear", &net));
  kd_net_input(net, "point", KD_F32, 1, (int64_t[]){IN});
  kd_net_append(net, "Dense", "units=2, name=out");
  assert_ok(kd_compile(net, .optimizer = "SGD(0.1)", .loss = "mse", .metrics = "mae"));
  assert_ok(kd_set_weight(net, "out/kernel", &kernel[0][0]));
  assert_ok(kd_set_weight(net, "out/bias", bias));
  return net;
}

static kd_data all_rows(void) {
  return (kd_data){.count = ROWS, .x = {{.data = points}}, .y = {{.data = targets}}};
}

/* A model that Keras saved is a configuration too: its outputs are Keras's. */
static void keras_model(void **state) {
  (void)state;
  kd_net *net;
  assert_ok(kd_net_from_ini("[model]\nfile = " KDIST_SOURCE_DIR "/tests/golden/keras/shared.keras\n"
                            "[data]\nformat = npz\ntest = " KDIST_SOURCE_DIR
                            "/tests/golden/keras/shared.npz\n"
                            "[train]\nloss = mse\n",
                            &net));
  double loss = 1;
  assert_ok(kd_evaluate(net, NULL, 0));
  assert_ok(kd_metric(net, "loss", &loss));
  assert_true(loss < 1e-9);
  kd_net_destroy(net);
}

#define CONTINUED KDIST_SOURCE_DIR "/tests/golden/keras/continued"

static kd_net *continued(void) {
  kd_net *net;
  assert_ok(kd_net_from_ini("[model]\nfile = " CONTINUED ".keras\n"
                            "[data]\nformat = npz\ntrain = " CONTINUED ".npz\n",
                            &net));
  return net;
}

/* Keras trained two epochs, saved, and trained two more: moments, steps and the place in the schedule are in
 * the file. */
static void keras_model_goes_on(void **state) {
  (void)state;
  static const char *const names[] = {"hidden/kernel", "hidden/bias", "y/kernel", "y/bias"};
  kd_net *net = continued(), *keras = continued();
  int64_t step, epoch;
  float have[12] = {0}, want[12] = {0};
  assert_ok(kd_fit(net, NULL, .epochs = 2, .batch_size = 4, .no_shuffle = true));
  assert_ok(kd_progress(net, &step, &epoch));
  assert_int_equal(step, 12);
  assert_int_equal(epoch, 2);
  assert_ok(kd_load(keras, CONTINUED ".weights.h5"));
  for (int w = 0; w < 4; w++) {
    assert_ok(kd_get_weight(net, names[w], have));
    assert_ok(kd_get_weight(keras, names[w], want));
    for (int i = 0; i < 12; i++) assert_true(fabsf(have[i] - want[i]) < 1e-5f);
  }
  kd_net_destroy(keras);
  kd_net_destroy(net);
}

/* Predicting before training takes nothing away; another optimizer does. */
static void keras_model_begins_anew(void **state) {
  (void)state;
  kd_net *late = continued(), *anew = continued();
  float rows[12][4] = {{0}}, result[12][2];
  kd_data data = {.count = 12, .x = {{.data = rows}}};
  int64_t step, epoch;
  assert_ok(kd_predict(late, &data, 4, (float *[]){&result[0][0]}));
  assert_ok(kd_fit(late, NULL, .epochs = 1, .batch_size = 4));
  assert_ok(kd_progress(late, &step, &epoch));
  assert_int_equal(step, 9);
  assert_ok(kd_compile(anew, .optimizer = "AdamW()"));
  assert_ok(kd_fit(anew, NULL, .epochs = 1, .batch_size = 4));
  assert_ok(kd_progress(anew, &step, &epoch));
  assert_int_equal(step, 3);
  kd_net_destroy(anew);
  kd_net_destroy(late);
}

static void predictions(void **state) {
  (void)state;
  kd_net *net = linear();
  kd_data data = all_rows();
  data.y[0].data = NULL; /* labels are not needed */
  for (int64_t batch = 2; batch <= ROWS + 1; batch += 3) {
    float result[ROWS][OUT] = {{0}};
    assert_ok(kd_predict(net, &data, batch, (float *[]){&result[0][0]}));
    for (int r = 0; r < ROWS && kd_world_rank() == 0; r++)
      for (int o = 0; o < OUT; o++) assert_true(fabs((double)result[r][o] - expected(r, o)) < 1e-6);
  }
  assert_ok(kd_predict(net, &data, 4, (float *[]){NULL}));
  int rank;
  int64_t shape[KD_MAX_RANK], count;
  assert_ok(kd_net_output_shape(net, 0, &rank, shape));
  assert_int_equal(rank, 1);
  assert_int_equal(shape[0], OUT);
  assert_ok(kd_net_params(net, true, &count));
  assert_int_equal(count, IN * OUT + OUT);
  kd_net_destroy(net);
}

/* One layer called in two ways, and dropout in predictions: other numbers in each call, the same in each run.
 */
static void predictions_in_training(void **state) {
  (void)state;
  static const char text[] = "[input point]\nshape = 3\n[layers]\n"
                             "kept = BatchNormalization(epsilon=0.25)(point, training=false)\n"
                             "own = share(kept)(point, training=true)\n"
                             "drawn = Dropout(0.5)(point, training=true)\n"
                             "[output kept]\n[output own]\n[output drawn]\n";
  static float kept[2][ROWS][IN], own[2][ROWS][IN], drawn[2][2][ROWS][IN];
  kd_data data = {.count = ROWS, .x = {{.data = points}}};
  for (int run = 0; run < 2; run++) {
    kd_net *net;
    assert_ok(kd_net_from_ini(text, &net));
    for (int call = 0; call < 2; call++)
      assert_ok(kd_predict(net, &data, ROWS,
                           (float *[]){&kept[run][0][0], &own[run][0][0], &drawn[run][call][0][0]}));
    kd_net_destroy(net);
  }
  if (kd_world_rank() != 0) return;
  assert_memory_equal(drawn[0], drawn[1], sizeof drawn[0]);
  assert_memory_not_equal(drawn[0][0], drawn[0][1], sizeof drawn[0][0]);
  for (int i = 0; i < IN; i++) {
    double mean = 0;
    for (int r = 0; r < ROWS; r++) {
      mean += (double)own[0][r][i] / ROWS;
      assert_true(fabs((double)kept[0][r][i] - (double)points[r][i] / sqrt(1.25)) < 1e-6);
      assert_true(drawn[0][0][r][i] == 0 || drawn[0][0][r][i] == 2 * points[r][i]);
    }
    if (kd_world_size() == 1) assert_true(fabs(mean) < 1e-6);
  }
}

static void losses(void **state) {
  (void)state;
  kd_net *net = linear();
  kd_data data = all_rows();
  double square = 0, absolute = 0;
  for (int r = 0; r < ROWS; r++)
    for (int o = 0; o < OUT; o++) {
      double difference = expected(r, o) - (double)targets[r][o];
      square += difference * difference / (ROWS * OUT);
      absolute += fabs(difference) / (ROWS * OUT);
    }
  assert_ok(kd_evaluate(net, &data, 4));
  assert_true(fabs(api_metric(net, "loss") - square) < 1e-6);
  assert_true(fabs(api_metric(net, "mae") - absolute) < 1e-6);
  assert_string_equal(kd_metric_name(net, 0), "loss");
  assert_string_equal(kd_metric_name(net, 1), "mae");
  assert_null(kd_metric_name(net, 2));
  /* One step of gradient descent: w -= rate * dL/dw, with dL/dw = 2 / (rows * outputs) * sum x * difference.
   */
  assert_ok(kd_train_step(net, &data));
  assert_true(fabs(api_metric(net, "loss") - square) < 1e-6);
  float after[IN][OUT];
  assert_ok(kd_get_weight(net, "out/kernel", &after[0][0]));
  for (int i = 0; i < IN; i++)
    for (int o = 0; o < OUT; o++) {
      double gradient = 0;
      for (int r = 0; r < ROWS; r++)
        gradient += 2 * (double)points[r][i] * (expected(r, o) - (double)targets[r][o]) / (ROWS * OUT);
      assert_true(fabs((double)after[i][o] - ((double)kernel[i][o] - 0.1 * gradient)) < 1e-6);
    }
  kd_net_destroy(net);
}

/* A name that all ranks agree on, in a folder of the first. */
static void shared_path(char path[256]) {
  const char *folder = getenv("TMPDIR");
  snprintf(path, 256, "%s/kdist-api-%ld.weights.h5", folder ? folder : "/tmp", (long)getsid(0));
}

static void files(void **state) {
  (void)state;
  char path[256];
  shared_path(path);
  kd_net *net = linear(), *other, *wide;
  kd_data data = all_rows();
  assert_ok(kd_train_step(net, &data));
  assert_ok(kd_save(net, path));
  assert_ok(kd_net_from_ini(kd_net_ini(net), &other));
  assert_ok(kd_load(other, path));
  api_same(net, other);
  assert_ok(kd_train_step(other, &data));
  assert_ok(kd_load(other, path)); /* behind training too */
  api_same(net, other);
  assert_ok(
      kd_net_from_ini("[input point]\nshape = 3\n[layers]\nout = Dense(4)\n[train]\nloss = mse", &wide));
  assert_fails(kd_load(wide, path), KD_ERR_USAGE, "out/kernel");
  assert_fails(kd_load(other, "/nonexistent/file"), KD_ERR_USAGE, "/nonexistent/file");
  assert_fails(kd_save(other, strcat(path, "/file")), KD_ERR_RUN, path); /* in a file */
  path[strlen(path) - strlen("/file")] = 0;
  api_same(net, other);
  kd_net_destroy(net);
  kd_net_destroy(other);
  kd_net_destroy(wide);
  if (kd_world_rank() == 0) unlink(path);
}

/* Two inputs, a layer used twice, two outputs of which one has no loss. */
static void functional(void **state) {
  (void)state;
  kd_net *net;
  assert_ok(kd_net_create("pair", &net));
  kd_out a = kd_net_input(net, "a", KD_F32, 1, (int64_t[]){IN}), b = kd_net_input(net, "b", KD_F32, 0, NULL);
  kd_out b3 = kd_repeat_vector(kd_reshape(b, {1}), IN);
  b3 = kd_flatten(b3);
  kd_out first = kd_dense(a, OUT, .name = "shared"), second = kd_net_share(first, 1, &b3);
  kd_out sum = kd_add(first, second);
  assert_ok(kd_net_output(sum));
  assert_ok(kd_net_output(kd_concatenate(sum, a, b3)));
  assert_ok(kd_compile(net, .loss = "dict(add=mse)", .metrics = "dict(add=mae)", .optimizer = "sgd"));
  assert_ok(kd_set_weight(net, "shared/kernel", &kernel[0][0]));
  assert_ok(kd_set_weight(net, "shared/bias", bias));
  uint8_t scalar[ROWS];
  for (int r = 0; r < ROWS; r++) scalar[r] = (uint8_t)r;
  kd_data data = {
      .count = ROWS, .x = {{.data = points}, {.data = scalar, .dtype = KD_U8}}, .y = {{.data = targets}}};
  float sums[ROWS][OUT], joined[ROWS][OUT + 2 * IN];
  assert_ok(kd_predict(net, &data, 4, (float *[]){&sums[0][0], &joined[0][0]}));
  for (int r = 0; r < ROWS && kd_world_rank() == 0; r++) {
    for (int o = 0; o < OUT; o++) {
      double other = (double)bias[o];
      for (int i = 0; i < IN; i++) other += r * (double)kernel[i][o];
      assert_true(fabs((double)sums[r][o] - expected(r, o) - other) < 1e-5);
      assert_true(joined[r][o] == sums[r][o]);
    }
    assert_true(joined[r][OUT] == points[r][0]);
    assert_true(joined[r][OUT + IN] == (float)r);
  }
  assert_ok(kd_fit(net, &data, .epochs = 2, .batch_size = 4));
  api_metric(net, "add_mae");
  kd_net_destroy(net);
}

/* What a .keras file says of layers and goals stands in it uncompressed; tests/interop loads such files. */
static bool has_text(const char *path, const char *text) {
  kd_pool *pool = kd_pool_create();
  char *data;
  size_t bytes;
  assert_ok(kd_file_read(pool, path, 1 << 20, &data, &bytes));
  bool found = memmem(data, bytes, text, strlen(text)) != NULL;
  kd_pool_destroy(pool);
  return found;
}

static kd_status save_model(void *path, kd_net *net, int64_t epoch) {
  (void)epoch;
  return kd_save(net, path);
}

static void whole_models(void **state) {
  (void)state;
  char path[256];
  shared_path(path);
  snprintf(path + strlen(path), 16, ".keras");
  kd_net *net = linear();
  kd_data data = all_rows();
  assert_ok(kd_save(net, path));
  kd_hooks hook = {.context = path, .epoch_end = save_model};
  for (int trained = 0; trained < 2; trained++) {
    static const char *const parts[] = {"\"class_name\":\"Dense\"", "\"class_name\":\"SGD\"",
                                        "\"loss\":\"mse\",\"metrics\":[\"mae\"]", "model.weights.h5"};
    for (int i = 0; i < 4 && kd_world_rank() == 0; i++) assert_true(has_text(path, parts[i]));
    if (trained == 0) {
      if (kd_world_rank() == 0) unlink(path);
      assert_ok(kd_fit(net, &data, .n_hooks = 1, .hooks = &hook));
    }
  }
  char inside[300]; /* a file is no folder */
  snprintf(inside, sizeof inside, "%s/m.keras", path);
  assert_fails(kd_save(net, inside), KD_ERR_RUN, inside);
  kd_net_destroy(net);
  if (kd_world_rank() == 0) unlink(path);
}

/* What they compute is checked in tests/interop. */
static void onnx_models(void **state) {
  (void)state;
  char path[256];
  shared_path(path);
  snprintf(path + strlen(path), 16, ".onnx");
  kd_net *net = linear();
  assert_ok(kd_save(net, path));
  static const char *const parts[] = {"MatMul", "/kernel", "batch", "kdist"};
  for (int i = 0; i < 4 && kd_world_rank() == 0; i++) assert_true(has_text(path, parts[i]));
  kd_net_destroy(net);
  if (kd_world_rank() == 0) unlink(path);
}

static void saved_models(void **state) {
  (void)state;
  char path[256], file[300];
  shared_path(path);
  snprintf(path + strlen(path), 16, ".served/");
  snprintf(file, sizeof file, "%ssaved_model.pb", path);
  kd_net *net = linear();
  for (int i = 0; i < 2; i++) assert_ok(kd_save(net, path)); /* the second takes the place of the first */
  static const char *const parts[] = {"BatchMatMulV2", "/kernel", "serving_default"};
  for (int i = 0; i < 3 && kd_world_rank() == 0; i++) assert_true(has_text(file, parts[i]));
  kd_net_destroy(net);
  if (kd_world_rank() == 0) {
    unlink(file);
    rmdir(path);
  }
}

/* An input that is an output as it is. */
static void untouched(void **state) {
  (void)state;
  kd_net *net;
  float same[ROWS][IN], result[ROWS][OUT];
  kd_data data = {.count = ROWS, .x = {{.data = points}}};
  assert_ok(kd_net_from_ini("[input point]\nshape = 3\n[layers]\nsame = Identity()\nout = Dense(2)(point)\n"
                            "[output same]\n[output out]\n",
                            &net));
  assert_ok(kd_predict(net, &data, 4, (float *[]){&same[0][0], &result[0][0]}));
  if (kd_world_rank() == 0) assert_memory_equal(same, points, sizeof points);
  kd_net_destroy(net);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(untouched, setup),
    cmocka_unit_test_setup(predictions, setup),
    cmocka_unit_test(keras_model),
    cmocka_unit_test(keras_model_goes_on),
    cmocka_unit_test(keras_model_begins_anew),
    cmocka_unit_test(predictions_in_training),
    cmocka_unit_test(losses),
    cmocka_unit_test(files),
    cmocka_unit_test(whole_models),
    cmocka_unit_test(onnx_models),
    cmocka_unit_test(saved_models),
    cmocka_unit_test(functional),
};

KD_API_MAIN(tests)
