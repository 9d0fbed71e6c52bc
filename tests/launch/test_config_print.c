/* Printed configurations read back to the same model and run. */
#include "device/base/file.h"
#include "launch/config_print.h"
#include "support/check.h"

static kd_config *load(const char *path, int n_overrides, const char *const *overrides) {
  kd_ini_request request = {.n_files = 1, .files = &path, .n_overrides = n_overrides, .overrides = overrides};
  kd_config *config = kd_config_load(&request, NULL);
  if (config->diag->count) fail_msg("%s: %s", path, config->diag->messages[0]);
  return config;
}

static const char *written(kd_pool *pool, const char *text) {
  const char *path = kd_path_join(pool, test_folder(), "again.ini");
  assert_ok(kd_file_write(path, text, strlen(text)));
  return path;
}

static uint64_t model_hash(kd_config *config) {
  kd_model *model = kd_config_model(config);
  if (!model) fail_msg("%s", config->diag->messages[0]);
  uint64_t hash = kd_model_hash(model);
  kd_model_destroy(model);
  return hash;
}

static void read_back(const char *path, int n_overrides, const char *const *overrides) {
  kd_config *config = load(path, n_overrides, overrides);
  uint64_t hash = model_hash(config);
  for (int i = 0; i < 8; i++) {
    kd_config_form form = i % 2 ? KD_CONFIG_SHORT : KD_CONFIG_LONG;
    const char *text = kd_config_text(config, form, i / 2 % 2, i / 4);
    kd_config *again = load(written(config->pool, text), 0, NULL);
    assert_true(model_hash(again) == hash);
    assert_string_equal(again->run.run.dir, config->run.run.dir);
    assert_int_equal(again->run.train.epochs, config->run.train.epochs);
    assert_int_equal(again->run.n_callbacks, config->run.n_callbacks);
    assert_int_equal(again->optimizer.n_slots, config->optimizer.n_slots);
    if (i < 2) assert_string_equal(kd_config_text(again, form, false, false), text);
    kd_config_destroy(again);
  }
  kd_config_destroy(config);
}

static void examples(void **state) {
  (void)state;
  const char *overrides[] = {"train.epochs=3", "logits.units=7"};
  read_back(KDIST_SOURCE_DIR "/examples/fashion_mlp.ini", 2, overrides);
  const char *more[] = {"stage2.0/mix/conv.activation=relu", "logits.units=7", "stage4.repeat=2"};
  read_back(KDIST_SOURCE_DIR "/examples/resnet50.ini", 3, more);
}

static const char graph[] =
    "[run]\nname = \"a $$x, b\"\nx-note = any text\n[input title]\nshape = 4\n[layer words]\ntype = Dense\n"
    "units = 3\n[input body]\nshape = 4\n[layers]\nw2 = share(words)(body)\nsum = Add()(words, w2)\n"
    "z = Dense(2, trainable=false)(sum) if false\nq = Dense(units=5, activation=relu)\n[layer last]\n"
    "type = Dense\nunits = 2\n[train]\nloss = mse\n";

static void forms(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  const char *path = written(pool, graph);
  read_back(path, 0, NULL);
  kd_config *config = load(written(pool, graph), 0, NULL);
  assert_string_equal(kd_config_text(config, KD_CONFIG_SHORT, false, false),
                      "[run]\nname = \"a $$x, b\"\nx-note = any text\n[input title]\nshape = 4\n[input "
                      "body]\nshape = 4\n[layers]\n"
                      "words = Dense(units=3)(title)\nw2 = share(words)(body)\nsum = Add()(words, w2)\n"
                      "z = Dense(2, trainable=false)(sum) if false\nq = Dense(units=5, "
                      "activation=relu)\nlast = Dense(units=2)\n"
                      "[train]\nloss = mse\n");
  const char *text = kd_config_text(config, KD_CONFIG_LONG, true, false);
  assert_non_null(strstr(text, "[layer w2]"));
  assert_non_null(strstr(text, "share = words   # "));
  assert_non_null(strstr(text, "again.ini:12\ninput = body"));
  assert_non_null(strstr(text, "when = false"));
  text = kd_config_text(config, KD_CONFIG_LONG, false, true);
  assert_non_null(strstr(text, "kernel_initializer = glorot_uniform\n"));
  assert_non_null(strstr(text, "[distributed]\ndevice = auto\nbackend = auto\n"));
  text = kd_config_text(config, KD_CONFIG_JSON, true, false);
  assert_non_null(strstr(text, "{\"kind\": \"layer\", \"name\": \"q\", \"origin\": {\"file\": \""));
  assert_non_null(strstr(text, "\"keys\": {\"type\": \"Dense\", \"units\": 5, \"activation\": \"relu\"}"));
  kd_config_destroy(config);
  kd_pool_destroy(pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(examples), cmocka_unit_test(forms)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
