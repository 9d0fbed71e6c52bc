// ctest: timeout=120
/* Files of real Keras (tests/golden/make_weights.py) are read, and real Keras reads ours when KDIST_PYTHON
 * names a Python that has it. */
#include "io/weights_file.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/base/file.h"
#include "io/weights_layout.h"
#include "support/check.h"

#define GOLDEN(name) KDIST_SOURCE_DIR "/tests/golden/weights/" name

static kd_tap add(kd_model *model, kd_diag *diag, const char *name, const char *call, int n,
                  const kd_tap *inputs) {
  kd_origin origin = {"test.ini", 1};
  kd_object object;
  kd_value *value = kd_value_parse(model->pool, diag, origin, call, false);
  if (!value || !kd_object_make(model->pool, diag, &kd_layer_family, value, &object))
    fail_msg("%s: %s", call, diag->messages[0]);
  int layer =
      kd_model_add_layer(model, (const kd_layer_kind *)object.kind, name, object.options, true, origin);
  return (kd_tap){kd_model_add_call(model, layer, name, n, inputs, 0, NULL, NULL, origin), 0};
}

/* The model of make_weights.py; `out` is the call of the layer "out". */
static kd_model *make_typed(const char *out_call, kd_dtype type) {
  kd_diag *diag = kd_diag_create();
  kd_model *model = kd_model_create("golden");
  model->policy = (kd_policy){type, type};
  kd_origin origin = {"test.ini", 1};
  kd_tap image = kd_model_add_input(model, "image", KD_F32, KD_SHAPE(6, 6, 2), 0, origin);
  kd_tap extra = kd_model_add_input(model, "extra", KD_F32, KD_SHAPE(4), 0, origin);
  kd_tap x = add(model, diag, "conv1", "Conv2D(3, 3)", 1, &image);
  x = add(model, diag, "bn", "BatchNormalization()", 1, &x);
  x = add(model, diag, "relu", "ReLU()", 1, &x);
  x = add(model, diag, "flat", "Flatten()", 1, &x);
  kd_tap side = add(model, diag, "side", "Dense(5)", 1, &extra);
  kd_tap joined = add(model, diag, "joined", "Concatenate()", 2, (kd_tap[]){x, side});
  kd_tap out = add(model, diag, "out", out_call, 1, &joined);
  kd_tap aux = add(model, diag, "aux", "Dense(1)", 1, &joined);
  kd_model_add_output(model, "aux", aux);
  kd_model_add_output(model, "out", out);
  if (kd_model_finish(model, diag) != KD_OK)
    fail_msg("%s", diag->count ? diag->messages[0] : kd_status_text());
  kd_diag_destroy(diag);
  return model;
}

static kd_model *make_model(const char *out_call) {
  return make_typed(out_call, KD_F32);
}

static float base_of(const kd_model *model, const kd_weight *weight) {
  static const struct {
    const char *layer;
    float base;
  } rows[] = {{"conv1", 1000}, {"bn", 2000}, {"side", 3000}, {"out", 4000}, {"aux", 5000}};
  const kd_layer *layer = model->layers[weight->layer];
  int64_t k = weight - model->weights - layer->first_weight;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (strcmp(rows[i].layer, layer->name) == 0) return rows[i].base + 100 * (float)k;
  fail_msg("no base for %s", layer->name);
  return 0;
}

static float **allocate(const kd_model *model, bool fill) {
  float **values = kd_calloc((size_t)model->n_weights, sizeof *values);
  for (int w = 0; w < model->n_weights; w++) {
    values[w] = kd_calloc((size_t)model->weights[w].count, sizeof **values);
    for (int64_t i = 0; fill && i < model->weights[w].count; i++)
      values[w][i] = base_of(model, &model->weights[w]) + (float)i;
  }
  return values;
}

static void release(const kd_model *model, float **values) {
  for (int w = 0; w < model->n_weights; w++) kd_free(values[w]);
  kd_free(values);
}

static void assert_reads(const kd_model *model, const char *path) {
  float **have = allocate(model, false), **want = allocate(model, true);
  assert_ok(kd_weights_read(path, model, have));
  for (int w = 0; w < model->n_weights; w++)
    assert_close(have[w], want[w], (size_t)model->weights[w].count, 0, 0, model->weights[w].path);
  release(model, have);
  release(model, want);
}

static void files_of_keras(void **state) {
  (void)state;
  kd_model *model = make_model("Dense(2, use_bias=false)");
  assert_reads(model, GOLDEN("keras.weights.h5"));
  assert_reads(model, GOLDEN("chunked.weights.h5"));
  assert_reads(model, GOLDEN("double.weights.h5"));
  assert_reads(model, GOLDEN("old_root.weights.h5"));
  kd_model_destroy(model);
}

static void refuses(const char *out_call, const char *path, const char *part) {
  kd_model *model = make_model(out_call);
  float **values = allocate(model, false);
  assert_fails(kd_weights_read(path, model, values), KD_ERR_USAGE, part);
  release(model, values);
  kd_model_destroy(model);
}

static void what_does_not_fit_is_named(void **state) {
  (void)state;
  static const char same[] = "Dense(2, use_bias=false)";
  refuses("Dense(3, use_bias=false)", GOLDEN("keras.weights.h5"),
          "weight out/kernel: layers/dense_2/vars/0 in " GOLDEN(
              "keras.weights.h5") " has shape (53, 2), but the model wants (53, 3)");
  refuses("Dense(2)", GOLDEN("keras.weights.h5"), "holds no layers/dense_2/vars/1");
  refuses(same, GOLDEN("linked.weights.h5"), "holds no layers/conv2d/vars/0");
  refuses(same, GOLDEN("absent.weights.h5"), "absent.weights.h5: cannot open: No such file or directory");
  refuses(same, GOLDEN("../data/stored.npz"), "cannot open as HDF5");
  refuses(same, GOLDEN("../data/contiguous.h5"), "no group 'layers'");
}

/* The form of Keras 2 (tests/golden/make_keras2.py): by name in any order, else one layer after the other. */
static void older_files(void **state) {
  (void)state;
  static const char same[] = "Dense(2, use_bias=false)";
  kd_model *model = make_model(same);
  assert_reads(model, GOLDEN("legacy.h5"));
  assert_reads(model, GOLDEN("legacy_other_names.h5"));
  kd_model_destroy(model);
  refuses(same, GOLDEN("legacy_numbers.h5"), "legacy_numbers.h5: layer_names of group /: is no text");
  refuses(same, GOLDEN("legacy_absent_layer.h5"), "legacy_absent_layer.h5: there is no group gone");
  refuses(same, GOLDEN("legacy_absent_weight.h5"), "legacy_absent_weight.h5 holds no side/side/v7:0");
  refuses(same, GOLDEN("legacy_few.h5"), "legacy_few.h5 holds 1 variables, but the model's has 2");
  refuses(same, GOLDEN("legacy_no_list.h5"), "legacy_no_list.h5: weight_names of group /side: there is none");
  refuses(same, GOLDEN("legacy_long_name.h5"),
          "weight_names of group /side: a text has more than 1024 bytes");
  refuses(same, GOLDEN("legacy_linked.h5"), "legacy_linked.h5 holds no side/side/v0:0");
  refuses(same, GOLDEN("legacy_keras1.h5"), "legacy_keras1.h5: keras_version is 1.2.2: kernels have");
  refuses(same, GOLDEN("legacy_fewer_layers.h5"), "holds 2 layers with variables, but the model has 5");
  refuses("Dense(3, use_bias=false)", GOLDEN("legacy.h5"),
          "legacy.h5 has shape (53, 2), but the model wants (53, 3)");
}

/* One layer alone is found by its name. */
static void a_layer_of_older_files(void **state) {
  (void)state;
  kd_model *model = make_model("Dense(2, use_bias=false)");
  float **have = allocate(model, false), **want = allocate(model, true);
  for (int l = 0; l < model->n_layers; l++) {
    const kd_layer *layer = model->layers[l];
    if (strcmp(layer->name, "side") != 0) continue;
    assert_ok(kd_weights_read_layer(GOLDEN("legacy.h5"), model, l, have));
    for (int w = 0; w < model->n_weights; w++)
      assert_float_equal(have[w][0], model->weights[w].layer == l ? want[w][0] : 0, 0);
    assert_fails(kd_weights_read_layer(GOLDEN("legacy_other_names.h5"), model, l, have), KD_ERR_USAGE,
                 "legacy_other_names.h5 holds no layer named side");
  }
  assert_float_equal(have[0][0], 0, 0);
  release(model, have);
  release(model, want);
  kd_model_destroy(model);
}

/* The golden file has a bias for "aux"; a model without one is another model. */
static void too_many_variables(void **state) {
  (void)state;
  kd_diag *diag = kd_diag_create();
  kd_model *model = kd_model_create("one");
  kd_tap x = kd_model_add_input(model, "x", KD_F32, KD_SHAPE(4), 0, (kd_origin){"test.ini", 1});
  kd_model_add_output(model, "y", add(model, diag, "y", "Dense(5, use_bias=false)", 1, &x));
  assert_ok(kd_model_finish(model, diag));
  float **values = allocate(model, false);
  assert_fails(kd_weights_read(GOLDEN("keras.weights.h5"), model, values), KD_ERR_USAGE, "holds 2 variables");
  release(model, values);
  kd_model_destroy(model);
  kd_diag_destroy(diag);
}

/* Every optimizer variable of the test: iteration, rate, then momentum and velocity of each weight in Keras's
 * order, all counting from 0. */
static kd_optimizer_vars optimizer_vars(const kd_model *model, kd_pool *pool) {
  static float rate = 0.25f;
  kd_optimizer_vars vars = {.name = "adam"};
  int *order = kd_pool_alloc(pool, (size_t)model->n_weights, sizeof *order);
  vars.var = kd_pool_alloc(pool, 2 + 2 * (size_t)model->n_weights, sizeof *vars.var);
  vars.var[vars.count++] = (kd_optimizer_var){.integer = 77};
  vars.var[vars.count++] = (kd_optimizer_var){.data = &rate};
  kd_weights_keras_order(model, order);
  for (int i = 0; i < model->n_weights; i++) {
    const kd_weight *weight = &model->weights[order[i]];
    if (!weight->trainable) continue;
    float *values = kd_pool_alloc(pool, (size_t)weight->count, sizeof *values);
    for (int64_t j = 0; j < weight->count; j++) values[j] = (float)j;
    for (int slot = 0; slot < 2; slot++)
      vars.var[vars.count++] =
          (kd_optimizer_var){.data = values, .dtype = weight->dtype, .shape = weight->shape};
  }
  return vars;
}

/* What is written is read back, by Keras too. Half types: Keras has rounded the same values for the golden
 * file; ours must be those. */
static void check_written(kd_dtype type, const char *golden) {
  char path[256], command[1024];
  snprintf(path, sizeof path, "%s/ours-%s.weights.h5", test_folder(), kd_dtype_name(type));
  kd_pool *pool = kd_pool_create();
  kd_model *model = make_typed("Dense(2, use_bias=false)", type);
  float **values = allocate(model, true), **have = allocate(model, false), **want = allocate(model, false);
  kd_optimizer_vars vars = optimizer_vars(model, pool);
  assert_ok(kd_weights_write(path, model, (const float *const *)values, &vars));
  assert_ok(kd_weights_read(path, model, have));
  assert_ok(kd_weights_read(golden, model, want));
  for (int w = 0; w < model->n_weights; w++)
    assert_memory_equal(have[w], want[w], (size_t)model->weights[w].count * sizeof(float));
  release(model, values);
  release(model, have);
  release(model, want);
  kd_model_destroy(model);
  kd_pool_destroy(pool);
  const char *python = getenv("KDIST_PYTHON");
  if (!python) {
    print_message("skipped: Keras itself (KDIST_PYTHON is not set)\n");
    return;
  }
  snprintf(command, sizeof command, "%s %s/tests/interop/check_keras_weights.py %s %s", python,
           KDIST_SOURCE_DIR, path, kd_dtype_name(type));
  assert_int_equal(system(command), 0);
}

/* Variables are read into what has their number and shapes; what does not fit is told, not taken. */
static void optimizer_is_read_back(void **state) {
  (void)state;
  char path[256];
  snprintf(path, sizeof path, "%s/optimizer.weights.h5", test_folder());
  kd_pool *pool = kd_pool_create();
  kd_model *model = make_typed("Dense(2, use_bias=false)", KD_F32);
  float **values = allocate(model, true), rate = 0;
  kd_optimizer_vars vars = optimizer_vars(model, pool), have = vars;
  const char *unfit = "";
  assert_ok(kd_weights_write(path, model, (const float *const *)values, &vars));
  have.var = kd_pool_alloc(pool, (size_t)vars.count, sizeof *have.var);
  for (int i = 0; i < vars.count; i++) {
    have.var[i] = (kd_optimizer_var){.shape = vars.var[i].shape};
    size_t count = (size_t)kd_shape_count(&vars.var[i].shape);
    if (vars.var[i].data) have.var[i].data = i == 1 ? &rate : kd_pool_alloc(pool, count, sizeof(float));
  }
  assert_ok(kd_optimizer_read(path, pool, &have, &unfit));
  assert_null(unfit);
  assert_int_equal(have.var[0].integer, 77);
  assert_true(rate == 0.25f);
  for (int i = 2; i < have.count; i++)
    assert_memory_equal(have.var[i].data, vars.var[i].data,
                        (size_t)kd_shape_count(&vars.var[i].shape) * sizeof(float));
  have.var[2].shape.dim[0]++;
  have.var[0].integer = 0;
  assert_ok(kd_optimizer_read(path, pool, &have, &unfit));
  assert_non_null(strstr(unfit, "optimizer/vars/2 in"));
  have.count--;
  assert_ok(kd_optimizer_read(path, pool, &have, &unfit));
  assert_non_null(strstr(unfit, "variables of the optimizer, but this optimizer has"));
  assert_int_equal(have.var[0].integer, 77);
  assert_ok(kd_weights_write(path, model, (const float *const *)values, NULL));
  assert_ok(kd_optimizer_read(path, pool, &have, &unfit));
  assert_non_null(strstr(unfit, "holds 0 variables"));
  release(model, values);
  kd_model_destroy(model);
  kd_pool_destroy(pool);
}

static void keras_reads_ours(void **state) {
  (void)state;
  check_written(KD_F32, GOLDEN("keras.weights.h5"));
  check_written(KD_BF16, GOLDEN("bfloat16.weights.h5"));
  check_written(KD_F16, GOLDEN("float16.weights.h5"));
}

static void nothing_half_written_stays(void **state) {
  (void)state;
  char path[256], temporary[300];
  struct rlimit before, limit;
  snprintf(path, sizeof path, "%s/full.weights.h5", test_folder());
  snprintf(temporary, sizeof temporary, "%s.tmp", path);
  kd_model *model = make_model("Dense(2, use_bias=false)");
  float **values = allocate(model, true);
  assert_fails(kd_weights_write("/dev/full/w.weights.h5", model, (const float *const *)values, NULL),
               KD_ERR_RUN, "/dev/full/w.weights.h5");
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  for (rlim_t size = 0; size < 8000; size += 333) {
    limit = before;
    limit.rlim_cur = size;
    setrlimit(RLIMIT_FSIZE, &limit);
    kd_status status = kd_weights_write(path, model, (const float *const *)values, NULL);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(status, KD_ERR_RUN);
    assert_non_null(strstr(kd_status_text(), "File too large"));
    assert_false(kd_path_exists(path) || kd_path_exists(temporary));
  }
  release(model, values);
  kd_model_destroy(model);
}

/* Names of keras.md 6.5. */
static void class_names_in_snake_case(void **state) {
  (void)state;
  static const char *const pairs[][2] = {{"ReLU", "re_lu"},
                                         {"PReLU", "p_re_lu"},
                                         {"LeakyReLU", "leaky_re_lu"},
                                         {"ELU", "elu"},
                                         {"Conv2DTranspose", "conv2d_transpose"},
                                         {"ConvLSTM2D", "conv_lstm2d"},
                                         {"LSTM", "lstm"},
                                         {"LSTMCell", "lstm_cell"},
                                         {"SimpleRNN", "simple_rnn"},
                                         {"RNN", "rnn"},
                                         {"MaxPooling2D", "max_pooling2d"},
                                         {"SpatialDropout1D", "spatial_dropout1d"},
                                         {"STFTSpectrogram", "stft_spectrogram"},
                                         {"RMSNormalization", "rms_normalization"},
                                         {"GroupedQueryAttention", "grouped_query_attention"},
                                         {"RMSprop", "rm_sprop"},
                                         {"Dense", "dense"},
                                         {"InputLayer", "input_layer"}};
  kd_pool *pool = kd_pool_create();
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
    assert_string_equal(kd_snake_case(pool, pairs[i][0]), pairs[i][1]);
  kd_pool_destroy(pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(older_files),
      cmocka_unit_test(a_layer_of_older_files),
      cmocka_unit_test(files_of_keras),
      cmocka_unit_test(what_does_not_fit_is_named),
      cmocka_unit_test(too_many_variables),
      cmocka_unit_test(keras_reads_ours),
      cmocka_unit_test(optimizer_is_read_back),
      cmocka_unit_test(nothing_half_written_stays),
      cmocka_unit_test(class_names_in_snake_case),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
