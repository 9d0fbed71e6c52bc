// ctest: cuda=library
/* Descriptions of GPUs from files: what is known is read and written anew, all else is refused, and no bytes
 * do harm. */
#include "device/cuda/device_text.h"
#include "device/cuda/devices.h"
#include "support/check.h"

enum { N_DEVICES = sizeof devices / sizeof *devices };

static kd_pool *pool;
static kd_device_text read;

static kd_status reads(const char *text) {
  return kd_device_text_read(pool, text, &read);
}

/* The first description with one part replaced. */
static const char *with(const char *part, const char *other) {
  const char *text = devices[0].json, *at = strstr(text, part);
  assert_non_null(at);
  return kd_pool_printf(pool, "%.*s%s%s", (int)(at - text), text, other, at + strlen(part));
}

static void test_known(void **state) {
  (void)state;
  for (int d = 0; d < N_DEVICES; d++) {
    assert_ok(reads(devices[d].json));
    const char *json = read.json;
    assert_ok(reads(json));
    assert_string_equal(read.json, json);
  }
  assert_ok(reads(devices[0].json));
  assert_string_equal(read.name, "NVIDIA H200");
  assert_int_equal(read.capability, 90);
  assert_true(read.bytes == 150e9);
  const char *json = read.json;
  assert_ok(reads(with("\"warpSize\"", "\"more\":[1,2.5,-3e4,5], \"name\" : \"x\",\n\t\"warpSize\"")));
  assert_string_equal(read.json, json);
}

static void test_refused(void **state) {
  (void)state;
  static const struct {
    const char *part, *other, *text;
  } cases[] = {
      {"{", "", "a JSON object is expected"},
      {"\"warpSize\":32,", "", "warpSize is missing"},
      {"\"warpSize\":32", "\"warpSize\":0", "warpSize = 0"},
      {"\"warpSize\":32", "\"warpSize\":32,\"warpSize\":32", "warpSize must stand once"},
      {"\"warpSize\":32", "\"warpSize\":[32,32]", "warpSize must stand once and have 1"},
      {"\"warpSize\":32", "\"warpSize\":\"32\"", "warpSize must stand once and have 1"},
      {"\"warpSize\":32", "\"warpSize\":nan", "the value of warpSize"},
      {"\"warpSize\":32", "\"warpSize\":0x20", "the value of warpSize"},
      {"\"warpSize\":32", "\"warpSize\":{}", "the value of warpSize"},
      {"\"multiProcessorCount\":132", "\"multiProcessorCount\":1e300", "multiProcessorCount = 1e+300"},
      {"\"multiProcessorCount\":132", "\"multiProcessorCount\":1.5", "multiProcessorCount = 1.5"},
      {"\"deviceVer\":900", "\"deviceVer\":300", "deviceVer = 300"},
      {"NVIDIA H200", "\\\"", "the value of deviceName"},
      {"[1024,1024,64]", "[1024,1024]", "maxBlockSize must stand once and have 3"},
      {"[1024,1024,64]", "[1024,1024,64", "the value of maxBlockSize"},
      {"}", "", "does not end"},
      {"}", "} {", "does not end"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(reads(with(cases[i].part, cases[i].other)), KD_ERR_USAGE);
    if (!strstr(kd_status_text(), cases[i].text))
      fail_msg("'%s' is not in '%s'", cases[i].text, kd_status_text());
  }
}

/* Every byte changed and every beginning: read or refused. */
static void test_damaged(void **state) {
  (void)state;
  static const char others[] = {'"', '9', '\\', '[', ',', ' ', 'e', '-', 1, '\xff'};
  const char *text = devices[0].json;
  for (size_t i = 0; i < strlen(text); i++) {
    assert_int_equal(reads(kd_pool_printf(pool, "%.*s", (int)i, text)), KD_ERR_USAGE);
    for (size_t o = 0; o < sizeof others; o++) {
      char *changed = kd_pool_strdup(pool, text);
      changed[i] = others[o];
      kd_status status = reads(changed);
      assert_true(status == KD_OK || status == KD_ERR_USAGE);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_known), cmocka_unit_test(test_refused),
                                     cmocka_unit_test(test_damaged)};
  pool = kd_pool_create();
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  kd_pool_destroy(pool);
  return failed;
}
