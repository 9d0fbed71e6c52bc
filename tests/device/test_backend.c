/* Opening devices, the choice of the instruction set, copies, and the ranges that threads get. */
#include "device/backend.h"
#include "device/cpu/isa.h"
#include "device/cpu/parallel.h"
#include "support/check.h"

static void test_open(void **state) {
  (void)state;
  kd_device device;
  assert_ok(kd_device_open("cpu", 0, 0, true, &device));
  assert_true(device.threads >= 1);
  assert_true(device.reproducible);
  assert_non_null(strstr(device.backend->describe(&device), "CPU"));
  for (int op = 0; op < KD_N_OPS; op++) assert_non_null(device.backend->kernel((kd_op)op));
  kd_device_close(&device);
  kd_device_close(&device); /* closed already: nothing to do */
}

static void test_open_errors(void **state) {
  (void)state;
  kd_device device;
  assert_fails(kd_device_open("gpu", 0, 1, true, &device), KD_ERR_USAGE, "'gpu' is not known");
  assert_fails(kd_device_open("cpu", 1, 1, true, &device), KD_ERR_USAGE, "cpu:1");
  setenv("KDIST_ISA", "v9", 1);
  assert_fails(kd_device_open("cpu", 0, 1, true, &device), KD_ERR_USAGE, "base, v3, v4");
  setenv("KDIST_ISA", "base", 1);
  assert_ok(kd_device_open("cpu", 0, 1, true, &device));
  assert_non_null(strstr(device.backend->describe(&device), "base"));
  kd_device_close(&device);
  unsetenv("KDIST_ISA");
}

static void test_memory(void **state) {
  (void)state;
  kd_device device;
  assert_ok(kd_device_open("cpu", 0, 1, true, &device));
  void *block;
  assert_ok(device.backend->alloc(&device, 1000, &block));
  assert_int_equal((uintptr_t)block % KD_ALIGNMENT, 0);
  for (int i = 0; i < 1000; i++) assert_int_equal(((char *)block)[i], 0);
  char host[5] = "abcd", back[5] = "";
  assert_ok(device.backend->upload(&device, (char *)block + 3, host, 4));
  assert_ok(device.backend->finish(&device));
  assert_ok(device.backend->download(&device, back, (char *)block + 3, 4));
  assert_string_equal(back, "abcd");
  device.backend->free(&device, block, 1000);
  kd_device_close(&device);
}

enum { MOST_ITEMS = 1000 };
typedef struct visits {
  unsigned char times[MOST_ITEMS];
  int64_t shortest;
} visits;

static void visit(void *context, int64_t begin, int64_t end) {
  visits *v = context;
  for (int64_t i = begin; i < end; i++) v->times[i]++;
#pragma omp critical
  if (end - begin < v->shortest) v->shortest = end - begin;
}

/* Every item is done once, by ranges of at least `grain` items. */
static void test_ranges(void **state) {
  (void)state;
  for (int threads = 1; threads <= 5; threads++) {
    kd_device device = {.threads = threads};
    for (int64_t items = 0; items <= 40; items++) {
      for (int64_t grain = 1; grain <= 50; grain += 7) {
        visits v = {.shortest = MOST_ITEMS};
        kd_cpu_parallel(&device, items, grain, visit, &v);
        for (int64_t i = 0; i < MOST_ITEMS; i++) assert_int_equal(v.times[i], i < items);
        if (items >= grain) assert_true(v.shortest >= grain);
      }
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_open),
      cmocka_unit_test(test_open_errors),
      cmocka_unit_test(test_memory),
      cmocka_unit_test(test_ranges),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
