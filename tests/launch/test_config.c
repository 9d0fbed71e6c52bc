/* Whole configurations: the examples, overrides, defaults, outputs. */
#include "device/base/file.h"
#include "launch/config.h"
#include "layers/kinds/kinds.h"
#include "support/check.h"

static kd_config *load_files(int n_files, const char *const *files, int n_overrides,
                             const char *const *overrides) {
  kd_ini_request request = {
      .n_files = n_files, .files = files, .n_overrides = n_overrides, .overrides = overrides};
  kd_config *config = kd_config_load(&request, NULL);
  if (config->diag->count) fail_msg("%s", config->diag->messages[0]);
  return config;
}

static kd_config *load_text(const char *text) {
  kd_pool *pool = kd_pool_create();
  const char *path = kd_path_join(pool, test_folder(), "mine.ini");
  assert_ok(kd_file_write(path, text, strlen(text)));
  kd_config *config = load_files(1, &path, 0, NULL);
  kd_pool_destroy(pool);
  return config;
}

static kd_model *model_of(kd_config *config) {
  kd_model *model = kd_config_model(config);
  if (!model) fail_msg("%s", config->diag->messages[0]);
  return model;
}

static void fashion_mlp(void **state) {
  (void)state;
  const char *path = KDIST_SOURCE_DIR "/examples/fashion_mlp.ini";
  const char *overrides[] = {"train.epochs=3", "fc1.units=256"};
  kd_config *config = load_files(1, &path, 2, overrides);
  const kd_run_config *run = &config->run;
  assert_string_equal(run->run.name, "fashion-mlp");
  assert_string_equal(run->run.dir, "runs/fashion-mlp");
  assert_int_equal(run->run.seed, 7);
  assert_string_equal(run->data.format, "idx");
  assert_int_equal(run->data.train.count, 2);
  assert_string_equal(run->data.train.v[1], "/usr/share/datasets/fashion-mnist/train-labels-idx1-ubyte.gz");
  assert_true(run->data.validation_split == 0.1);
  assert_int_equal(run->train.epochs, 3);
  assert_int_equal(run->train.batch_size, 128);
  assert_int_equal(run->train.validation_batch_size, 128);
  assert_int_equal(run->train.save.count, 1);
  assert_string_equal(run->train.save.v[0], "model.weights.h5");
  assert_int_equal(run->train.validation_freq, 1);
  assert_int_equal(run->n_callbacks, 3);
  assert_string_equal(run->callbacks[1].name, "stop");
  assert_string_equal(run->callbacks[1].object.kind->name, "EarlyStopping");
  assert_int_equal(run->n_outputs, 1);
  assert_string_equal(run->outputs[0].name, "logits");
  assert_string_equal(run->outputs[0].loss->text, "SparseCategoricalCrossentropy");
  assert_string_equal(run->outputs[0].metrics->text, "accuracy");
  assert_string_equal(config->optimizer.kind->base.name, "Adam");
  assert_int_equal(run->distributed.determinism, 1);
  assert_false(config->needs_steps);
  kd_model *model = model_of(config);
  assert_int_equal(kd_model_count_params(model, false), 235146);
  kd_model_destroy(model);
  kd_config_destroy(config);
}

static void resnet50(void **state) {
  (void)state;
  const char *path = KDIST_SOURCE_DIR "/examples/resnet50.ini";
  kd_config *config = load_files(1, &path, 0, NULL);
  assert_true(config->needs_steps);
  kd_model *model = model_of(config);
  assert_int_equal(model->n_calls, 195);
  assert_int_equal(kd_model_count_params(model, true), 25557032);
  assert_int_equal(kd_model_count_params(model, false), 25557032 + 53120);
  kd_config_set_steps(config, 8);
  assert_int_equal(config->diag->count, 0);
  const kd_value *rate = kd_value_key(config->run.train.optimizer, "learning_rate");
  assert_int_equal(kd_value_key(rate, "warmup_steps")->integer, 16);
  assert_int_equal(kd_value_key(rate, "decay_steps")->integer, 64);
  kd_model_destroy(model);
  kd_config_destroy(config);
}

static void defaults_are_defaults(void **state) {
  (void)state;
  kd_config *config = load_text(
      "[input x]\nshape = 4\n[layers]\na = Dense(2)\nb = Dense(3, use_bias=true)\nc = Dense(4, relu, true)\n"
      "[defaults Dense]\nuse_bias = false\nactivation = tanh\n");
  assert_string_equal(config->run.run.name, "mine");
  kd_model *model = model_of(config);
  /* Without bias: 4*2; with: 2*3+3, 3*4+4. */
  assert_int_equal(kd_model_count_params(model, false), 8 + 9 + 16);
  kd_model_destroy(model);
  kd_config_destroy(config);
}

static void shared_and_frozen(void **state) {
  (void)state;
  kd_config *config =
      load_text("[input x]\nshape = 4\n[input y]\nshape = 4\n[layers]\na = Dense(2)(x)\nb = share(a)(y)\n"
                "c = Concatenate()(a, b)\nd = Dense(1, trainable=false)\n");
  kd_model *model = model_of(config);
  assert_int_equal(model->n_layers, 5);
  assert_int_equal(model->n_calls, 6);
  assert_int_equal(kd_model_count_params(model, false), 10 + 5);
  assert_int_equal(kd_model_count_params(model, true), 10);
  assert_string_equal(model->calls[3]->name, "b");
  kd_model_destroy(model);
  kd_config_destroy(config);
}

static void outputs(void **state) {
  (void)state;
  static const char layers[] =
      "[input x]\nshape = 4\n[layers]\na = Dense(2)(x)\nb = Dense(1)(x)\n[output a]\n[output q]\nfrom = b\n";
  char text[1024];
  snprintf(text, sizeof text,
           "%sloss = mse\nloss_weight = 0.5\nmetrics = mae, mse\ntarget = t\n[train]\nloss = dict(a=mae)\n"
           "loss_weights = dict(a=2)\nvalidation_freq = 1, 4\nsave = none\n[data]\nformat = hdf5\ndir = d\n"
           "train = t-*.h5\nmap.x = pixels\nmap.q = u, v\n",
           layers);
  kd_config *config = load_text(text);
  const kd_output_config *a = &config->run.outputs[0], *q = &config->run.outputs[1];
  assert_string_equal(a->loss->text, "mae");
  assert_true(a->loss_weight == 2 && q->loss_weight == 0.5);
  assert_string_equal(q->loss->text, "mse");
  assert_int_equal(q->metrics->count, 2);
  assert_null(a->metrics);
  assert_string_equal(q->target, "t");
  assert_int_equal(config->run.train.validation_freq, 0);
  assert_int_equal(config->run.train.validation_epochs[1], 4);
  assert_int_equal(config->run.train.save.count, 0);
  assert_int_equal(config->run.data.n_maps, 2);
  assert_string_equal(config->run.data.map_items[1], "u,v");
  assert_string_equal(config->run.data.train.v[0], "d/t-*.h5");
  kd_config_destroy(config);
  snprintf(text, sizeof text, "%s[train]\nloss = mse, mae\nloss_weights = 1, 3\n", layers);
  config = load_text(text);
  assert_string_equal(config->run.outputs[1].loss->text, "mae");
  assert_true(config->run.outputs[1].loss_weight == 3);
  kd_config_destroy(config);
}

/* ResNet-18 of the installed template's blocks has torchvision's number of weights. */
static void template(void **state) {
  (void)state;
  setenv("KDIST_TEMPLATES", KDIST_SOURCE_DIR "/launch/templates", 1);
  kd_config *config =
      load_text("include = @resnet\n[input image]\nshape = 224, 224, 3\n[layers]\n"
                "stem = conv_bn(64, 7, strides=2)\npool = MaxPooling2D(3, strides=2, padding=same)\n"
                "s1 = basic(64, repeat=2)\ns2 = basic(128, repeat=2, first.project=true, first.strides=2)\n"
                "s3 = basic(256, repeat=2, first.project=true, first.strides=2)\n"
                "s4 = basic(512, repeat=2, first.project=true, first.strides=2)\n"
                "gap = GlobalAveragePooling2D()\nlogits = Dense(1000)\n");
  unsetenv("KDIST_TEMPLATES");
  kd_model *model = model_of(config);
  assert_int_equal(kd_model_count_params(model, true), 11689512);
  kd_model_destroy(model);
  kd_config_destroy(config);
}

static void hashes(void **state) {
  (void)state;
  const char *path = KDIST_SOURCE_DIR "/examples/fashion_mlp.ini", *override = "train.epochs=3";
  kd_ini_request request = {.n_files = 1, .files = &path, .overrides = &override};
  kd_config *a = kd_config_load(&request, NULL), *b = kd_config_load(&request, NULL);
  assert_true(kd_config_hash(a, &request) == kd_config_hash(b, &request));
  uint64_t before = kd_config_hash(a, &request);
  request.n_overrides = 1;
  assert_true(kd_config_hash(a, &request) != before);
  kd_config_destroy(a);
  kd_config_destroy(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fashion_mlp),
      cmocka_unit_test(resnet50),
      cmocka_unit_test(defaults_are_defaults),
      cmocka_unit_test(shared_and_frozen),
      cmocka_unit_test(outputs),
      cmocka_unit_test(template),
      cmocka_unit_test(hashes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
