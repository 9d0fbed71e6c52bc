/* Members of .keras archives, whole and damaged; archives are made here with libzip. */
#include "io/keras_archive.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "device/base/file.h"
#include "io/json.h"
#include "support/check.h"

#define GOLDEN(name) KDIST_SOURCE_DIR "/tests/golden/keras/" name

enum { LIMIT = 1 << 24 };

static const char *path_of(kd_pool *pool, const char *name) {
  return kd_path_join(pool, test_folder(), name);
}

/* An archive with one member of `size` bytes, all zero but for the text at its start. */
static const char *make(kd_pool *pool, const char *name, const char *member, const char *text, size_t size) {
  const char *path = path_of(pool, name);
  char *bytes = kd_calloc(size + 1, 1);
  memcpy(bytes, text, strlen(text));
  zip_t *archive = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
  assert_non_null(archive);
  assert_true(zip_file_add(archive, member, zip_source_buffer(archive, bytes, size, 0), 0) >= 0);
  assert_int_equal(zip_close(archive), 0);
  kd_free(bytes);
  return path;
}

static void refuses_config(const char *path, const char *message) {
  kd_pool *pool = kd_pool_create();
  char *text;
  size_t bytes;
  assert_int_equal(kd_keras_read_config(pool, path, LIMIT, &text, &bytes), KD_ERR_USAGE);
  if (!strstr(kd_status_text(), message)) fail_msg("wanted '%s', got: %s", message, kd_status_text());
  kd_pool_destroy(pool);
}

static void test_config(void **state) {
  (void)state;
  static const char *const models[] = {GOLDEN("shared.keras"), GOLDEN("folder")};
  for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
    kd_pool *pool = kd_pool_create();
    char *text;
    size_t bytes;
    assert_true(kd_keras_is_model(models[i]));
    assert_ok(kd_keras_read_config(pool, models[i], LIMIT, &text, &bytes));
    assert_int_equal(strlen(text), bytes);
    const kd_value *root;
    assert_ok(kd_json_read(pool, "m", text, bytes, &root));
    const kd_value *layers = kd_value_key(kd_value_key(root, "config"), "layers");
    assert_string_equal(layers->items[2].origin.file, "m: config.layers[2]");
    kd_pool_destroy(pool);
  }
  assert_false(kd_keras_is_model(KDIST_SOURCE_DIR "/tests"));
  assert_false(kd_keras_is_model("a.ini"));
}

static void test_refused(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  refuses_config(path_of(pool, "none.keras"), "none.keras: cannot open as a .keras archive: ");
  const char *text = path_of(pool, "text.keras");
  assert_ok(kd_file_write(text, "no archive", 10));
  refuses_config(text, "text.keras: cannot open as a .keras archive: Not a zip archive");
  refuses_config(make(pool, "other.keras", "other", "x", 1), "no Keras model: there is no config.json in it");
  refuses_config(make(pool, "large.keras", KD_KERAS_CONFIG, "{}", LIMIT + 1),
                 "has 16777217 bytes, more than 16777216");
  kd_pool_destroy(pool);
}

/* Weights that a small file says it expands to are refused before they take memory. */
static void test_bomb(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  kd_model *model = kd_model_create("m");
  const char *path = make(pool, "bomb.keras", KD_KERAS_WEIGHTS, "", (size_t)80 << 20);
  assert_int_equal(kd_keras_read_weights(path, model, NULL), KD_ERR_USAGE);
  if (!strstr(kd_status_text(), "are said to expand to 83886080; that is no model"))
    fail_msg("%s", kd_status_text());
  path = make(pool, "empty.keras", KD_KERAS_CONFIG, "{}", 2);
  assert_int_equal(kd_keras_read_weights(path, model, NULL), KD_ERR_USAGE);
  if (!strstr(kd_status_text(), "there is no model.weights.h5 in it")) fail_msg("%s", kd_status_text());
  kd_model_destroy(model);
  kd_pool_destroy(pool);
}

/* Cut and changed archives: an error or the same text, never anything else. */
static void test_damage(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  char *whole, *text, *same;
  size_t bytes, length, got;
  assert_ok(kd_file_read(pool, GOLDEN("shared.keras"), LIMIT, &whole, &bytes));
  assert_ok(kd_keras_read_config(pool, GOLDEN("shared.keras"), LIMIT, &text, &length));
  const char *path = path_of(pool, "damaged.keras");
  int refused = 0;
  for (size_t at = 0; at < bytes; at += 97) {
    char *copy = kd_calloc(bytes, 1);
    memcpy(copy, whole, bytes);
    bool cut = at / 97 % 2;
    copy[at] = (char)(copy[at] ^ 0x55);
    assert_ok(kd_file_write(path, copy, cut ? at : bytes));
    kd_free(copy);
    kd_pool *small = kd_pool_create();
    kd_status status = kd_keras_read_config(small, path, LIMIT, &same, &got);
    refused += status == KD_ERR_USAGE;
    if (status == KD_OK) assert_true(!cut && got == length && memcmp(same, text, length) == 0);
    kd_pool_destroy(small);
  }
  assert_true(refused > 150);
  kd_pool_destroy(pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_config),
      cmocka_unit_test(test_refused),
      cmocka_unit_test(test_bomb),
      cmocka_unit_test(test_damage),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
