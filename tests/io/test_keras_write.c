/* .keras archives that are written: read back, whole or not there. */
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <zip.h>

#include "device/base/file.h"
#include "io/keras_archive.h"
#include "layers/kinds/kinds.h"
#include "support/check.h"

#define CONFIG "{\"module\":\"keras\"}"

static kd_model *make_model(void) {
  kd_model *model = kd_model_create("m");
  kd_tap x = kd_model_add_input(model, "x", KD_F32, KD_SHAPE(3), 0, (kd_origin){0});
  kd_diag *diag = kd_diag_create();
  void *options = kd_pool_alloc(model->pool, 1, kd_layer_dense.base.options_size);
  const char *key = "units";
  const kd_value *units = kd_value_int(model->pool, 40);
  assert_true(
      kd_options_fill(model->pool, diag, "", (kd_origin){0}, &kd_layer_dense.base, 1, &key, &units, options));
  int layer = kd_model_add_layer(model, &kd_layer_dense, "y", options, true, (kd_origin){0});
  int call = kd_model_add_call(model, layer, "y", 1, &x, 0, NULL, NULL, (kd_origin){0});
  kd_model_add_output(model, NULL, (kd_tap){call, 0});
  assert_ok(kd_model_finish(model, diag));
  kd_diag_destroy(diag);
  return model;
}

static const float *const *make_weights(kd_model *model) {
  const float **weights = kd_pool_alloc(model->pool, 2, sizeof *weights);
  for (int w = 0; w < model->n_weights; w++) {
    float *values = kd_pool_alloc(model->pool, (size_t)model->weights[w].count, sizeof *values);
    for (int64_t i = 0; i < model->weights[w].count; i++) values[i] = (float)(i + 100 * w);
    weights[w] = values;
  }
  return weights;
}

static int files_in(const char *folder) {
  int count = 0;
  DIR *dir = opendir(folder);
  for (struct dirent *entry; (entry = readdir(dir));) count += entry->d_name[0] != '.';
  closedir(dir);
  return count;
}

static void read_back(void **state) {
  (void)state;
  static const char *const members[] = {"metadata.json", "config.json", "model.weights.h5"};
  kd_model *model = make_model();
  const float *const *weights = make_weights(model);
  const char *path = kd_path_join(model->pool, test_folder(), "a.keras");
  assert_ok(kd_keras_write(path, CONFIG, model, weights, NULL));
  assert_int_equal(files_in(test_folder()), 1);
  char *text;
  size_t bytes;
  assert_ok(kd_keras_read_config(model->pool, path, 1000, &text, &bytes));
  assert_string_equal(text, CONFIG);
  float kernel[120], bias[40], *have[] = {kernel, bias};
  assert_ok(kd_keras_read_weights(path, model, have));
  for (int w = 0; w < 2; w++)
    assert_memory_equal(have[w], weights[w], (size_t)model->weights[w].count * sizeof(float));
  zip_t *archive = zip_open(path, ZIP_RDONLY, NULL);
  assert_int_equal(zip_get_num_entries(archive, 0), 3);
  for (int i = 0; i < 3; i++) {
    zip_stat_t info;
    assert_int_equal(zip_stat_index(archive, (zip_uint64_t)i, 0, &info), 0);
    assert_string_equal(info.name, members[i]);
    assert_int_equal(info.comp_method, ZIP_CM_STORE);
  }
  zip_discard(archive);
  assert_int_equal(remove(path), 0);
  kd_model_destroy(model);
}

/* A full disk, at any byte of the weights or the archive: the file of before stays, and nothing else. */
static void whole_or_not(void **state) {
  (void)state;
  kd_model *model = make_model();
  const float *const *weights = make_weights(model);
  const char *path = kd_path_join(model->pool, test_folder(), "b.keras");
  assert_fails(kd_keras_write("/dev/full/m.keras", CONFIG, model, weights, NULL), KD_ERR_RUN,
               "/dev/full/m.keras");
  assert_ok(kd_file_write(path, "before", 6));
  struct rlimit before, limit;
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  int failures = 0;
  for (rlim_t size = 0; size < 40000; size += 500) {
    limit = before;
    limit.rlim_cur = size;
    setrlimit(RLIMIT_FSIZE, &limit);
    kd_status status = kd_keras_write(path, CONFIG, model, weights, NULL);
    setrlimit(RLIMIT_FSIZE, &before);
    if (status == KD_OK) break;
    failures++;
    assert_int_equal(status, KD_ERR_RUN);
    if (!strstr(kd_status_text(), path) || !strstr(kd_status_text(), "File too large"))
      fail_msg("%s", kd_status_text());
    char *text;
    size_t bytes;
    assert_ok(kd_file_read(model->pool, path, 100, &text, &bytes));
    assert_string_equal(text, "before");
    assert_int_equal(files_in(test_folder()), 1);
  }
  assert_true(failures > 4);
  char *text;
  size_t bytes;
  assert_ok(kd_keras_read_config(model->pool, path, 1000, &text, &bytes));
  kd_model_destroy(model);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(read_back), cmocka_unit_test(whole_or_not)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
