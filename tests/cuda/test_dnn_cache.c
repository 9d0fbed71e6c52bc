// ctest: cuda=library
/* Choices of plans on disk: found again with the same result, and ignored when a file is damaged, of another
 * graph, device or wish, or names what the library does not know or what breaks the wish. */
#include <dirent.h>
#include <inttypes.h>
#include <unistd.h>

#include "device/base/file.h"
#include "device/base/hash.h"
#include "device/cuda/devices.h"
#include "device/cuda/disk_cache.h"
#include "device/cuda/dnn_conv.h"
#include "support/check.h"

static cudnnBackendDescriptor_t device;
static const char *folder; /* of the test that runs */

static kd_dnn_conv spec_of(int64_t filters) {
  kd_dnn_conv spec = {.pass = KD_DNN_FORWARD,
                      .spatial = 2,
                      .types = {KD_F32, KD_F32},
                      .wish = {.ordered = true, .exact = true, .workspace = KD_DNN_WORKSPACE},
                      .after = {0, 1, 1},
                      .conv = {.batch = 8,
                               .channels = 64,
                               .filters = filters,
                               .groups = 1,
                               .in = {1, 14, 14},
                               .out = {1, 14, 14},
                               .window = {1, 3, 3},
                               .stride = {1, 1, 1},
                               .dilation = {1, 1, 1},
                               .before = {0, 1, 1}}};
  return spec;
}

/* Whether the plan of the convolution came from the disk. */
static bool remembers(const kd_dnn_conv *spec, size_t *workspace) {
  kd_dnn_plan *plan;
  assert_ok(kd_dnn_conv_plan(device, spec, &plan));
  bool remembered = kd_dnn_plan_remembered(plan);
  *workspace = kd_dnn_plan_workspace(plan);
  kd_dnn_plan_release(plan);
  return remembered;
}

static void open_cache(kd_pool *pool, const char *name) {
  folder = kd_path_join(pool, test_folder(), name);
  setenv("XDG_CACHE_HOME", folder, 1);
  assert_ok(kd_dnn_device(0, devices[0].json, &device));
}

/* The only file of the cache with this ending. In the pool. */
static const char *find_kind(kd_pool *pool, const char *ending) {
  const char *where = kd_path_join(pool, folder, "kdist/cuda"), *found = NULL;
  DIR *list = opendir(where);
  assert_non_null(list);
  for (struct dirent *entry; (entry = readdir(list));)
    if (strstr(entry->d_name, ending)) {
      assert_null(found);
      found = kd_path_join(pool, where, kd_pool_strdup(pool, entry->d_name));
    }
  closedir(list);
  assert_non_null(found);
  return found;
}

static const char *find_file(kd_pool *pool) {
  return find_kind(pool, ".plan");
}

static void write_file(const char *path, const char *data, size_t bytes) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, bytes, file), bytes);
  fclose(file);
}

static void test_found_again(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  open_cache(pool, "found");
  kd_dnn_conv spec = spec_of(64), other = spec;
  size_t first, again;
  assert_false(remembers(&spec, &first));
  assert_true(remembers(&spec, &again));
  assert_int_equal(first, again);
  other.wish.exact = false;
  assert_false(remembers(&other, &again));
  other = spec_of(32);
  assert_false(remembers(&other, &again));
  kd_dnn_forget(device);
  assert_ok(kd_dnn_device(0, devices[1].json, &device));
  assert_false(remembers(&spec, &again));
  kd_dnn_forget(device);
  kd_pool_destroy(pool);
}

/* A plan that is in use serves all who ask for it. */
static void test_shared(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  open_cache(pool, "shared");
  kd_dnn_conv spec = spec_of(64), other = spec_of(32);
  kd_dnn_plan *plan[3];
  assert_ok(kd_dnn_conv_plan(device, &spec, &plan[0]));
  assert_ok(kd_dnn_conv_plan(device, &other, &plan[1]));
  assert_ok(kd_dnn_conv_plan(device, &spec, &plan[2]));
  assert_ptr_equal(plan[0], plan[2]);
  assert_ptr_not_equal(plan[0], plan[1]);
  for (int i = 0; i < 3; i++) kd_dnn_plan_release(plan[i]);
  kd_dnn_forget(device);
  kd_pool_destroy(pool);
}

/* Bytes of the file changed, and the file cut: never used, never fatal. */
static void test_damaged(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  open_cache(pool, "damaged");
  kd_dnn_conv spec = spec_of(64);
  size_t bytes, first, again;
  char *data;
  assert_false(remembers(&spec, &first));
  const char *path = find_file(pool);
  assert_ok(kd_file_read(pool, path, 1 << 20, &data, &bytes));
  for (size_t at = 0; at < bytes; at += at < 40 || at + 40 > bytes ? 1 : 97) {
    data[at] ^= 4;
    write_file(path, data, bytes);
    data[at] ^= 4;
    if (remembers(&spec, &again)) fail_msg("byte %zu was changed and the file used", at);
    assert_int_equal(first, again);
    write_file(path, data, at);
    if (remembers(&spec, &again)) fail_msg("the file was cut at %zu and used", at);
  }
  write_file(path, data, bytes);
  assert_true(remembers(&spec, &again));
  kd_dnn_forget(device);
  kd_pool_destroy(pool);
}

/* The text by which the choice in the file is found: behind the mark, two lengths and the hash. In the pool.
 */
static const char *key_in(kd_pool *pool, const char *path) {
  enum { HEADER = 40, PLACE = 16 };
  size_t bytes;
  uint64_t length;
  char *data;
  assert_ok(kd_file_read(pool, path, 1 << 20, &data, &bytes));
  memcpy(&length, data + PLACE, sizeof length);
  assert_true(HEADER + length < bytes);
  return kd_pool_strndup(pool, data + HEADER, length);
}

static void forge(const kd_dnn_conv *spec, const char *key, const kd_dnn_choice *choice, size_t wanted,
                  const char *what) {
  size_t workspace;
  kd_dnn_choice_keep(key, choice);
  if (remembers(spec, &workspace)) fail_msg("%s: used", what);
  assert_int_equal(workspace, wanted);
}

/* Files that are whole, and say what the library or the wish refuses. */
static void test_forged(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  open_cache(pool, "loose");
  kd_dnn_conv spec = spec_of(64), loose = spec;
  kd_dnn_choice fast, good, bad;
  size_t first, ignored;
  loose.wish.exact = false;
  assert_false(remembers(&loose, &ignored));
  assert_true(kd_dnn_choice_find(key_in(pool, find_file(pool)), &fast));
  kd_dnn_forget(device);
  open_cache(pool, "forged");
  assert_false(remembers(&spec, &first));
  const char *key = key_in(pool, find_file(pool));
  assert_true(kd_dnn_choice_find(key, &good));
  forge(&spec, key, &fast, first, "an engine of tensor cores where float32 is to be exact");
  bad = good;
  bad.engine = INT64_MAX;
  forge(&spec, key, &bad, first, "an engine that is not there");
  bad.engine = -1;
  forge(&spec, key, &bad, first, "a negative engine");
  bad = good;
  bad.knob[0][0] = 1 << 20;
  bad.knob[0][1] = INT64_MIN;
  if (bad.n_knobs == 0) bad.n_knobs = 1;
  forge(&spec, key, &bad, first, "an unknown knob");
  kd_disk_cache_keep("plan", key, "", 0);
  assert_false(kd_dnn_choice_find(key, &bad));
  bad = (kd_dnn_choice){.n_knobs = INT64_MAX};
  kd_disk_cache_keep("plan", key, &bad, sizeof bad);
  assert_false(kd_dnn_choice_find(key, &bad));
  kd_dnn_choice_keep(key, &good);
  assert_true(remembers(&spec, &ignored));
  kd_dnn_forget(device);
  kd_pool_destroy(pool);
}

static bool has_plan(const kd_dnn_conv *spec) {
  kd_dnn_plan *plan;
  kd_status status = kd_dnn_conv_plan(device, spec, &plan);
  assert_true(status == KD_OK || status == KD_ERR_RUN);
  if (status == KD_OK) kd_dnn_plan_release(plan);
  return status == KD_OK;
}

/* That there is no plan is kept too, and believed where the file is whole and of this graph. */
static void test_none(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  kd_dnn_conv spec = spec_of(64), without = spec_of(64);
  without.pass = KD_DNN_KERNEL;
  without.types = (kd_product_types){KD_BF16, KD_F32};
  open_cache(pool, "none");
  for (int i = 0; i < 2; i++) assert_false(has_plan(&without));
  assert_non_null(find_kind(pool, ".none"));
  assert_true(has_plan(&spec));
  const char *key = key_in(pool, find_file(pool));
  assert_int_equal(unlink(find_file(pool)), 0);
  kd_dnn_none_keep(key);
  assert_false(has_plan(&spec));
  assert_false(has_plan(&without));
  const char *path = kd_pool_printf(pool, "%s/kdist/cuda/%016" PRIx64 ".none", folder, kd_hash_text(key, 0));
  size_t bytes;
  char *data;
  assert_ok(kd_file_read(pool, path, 1 << 20, &data, &bytes));
  data[bytes / 2] ^= 4;
  write_file(path, data, bytes);
  assert_true(has_plan(&spec));
  kd_dnn_forget(device);
  kd_pool_destroy(pool);
}

/* A folder that cannot be: everything works, nothing is remembered. */
static void test_no_folder(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  size_t workspace;
  kd_dnn_conv spec = spec_of(64);
  open_cache(pool, "nowhere");
  setenv("XDG_CACHE_HOME", "/proc/none", 1);
  for (int i = 0; i < 2; i++) assert_false(remembers(&spec, &workspace));
  kd_dnn_forget(device);
  kd_pool_destroy(pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_found_again), cmocka_unit_test(test_shared),
                                     cmocka_unit_test(test_damaged),     cmocka_unit_test(test_forged),
                                     cmocka_unit_test(test_none),        cmocka_unit_test(test_no_folder)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
