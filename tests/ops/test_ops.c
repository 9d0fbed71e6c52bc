/* Every primitive against the interpreter, at each instruction set, with one and two threads, at two
 * alignments: values are right and bits do not depend on threads and addresses. */
#include <math.h>

#include "device/cpu/isa.h"
#include "support/check.h"
#include "support/op_case.h"
#include "support/xent_rows.h"

enum { MAX_OUTPUT = 1 << 21 };

/* Best level first: oneDNN keeps the level of the first device. */
static void for_each_isa(void (*check)(kd_isa isa)) {
  for (int isa = (int)kd_isa_available(); isa >= 0; isa--) {
    setenv("KDIST_ISA", kd_isa_name((kd_isa)isa), 1);
    check((kd_isa)isa);
  }
  unsetenv("KDIST_ISA");
}

/* All results one after the other. */
static size_t collect(const op_run *run, char *to) {
  size_t used = 0;
  for (int o = 0; o < run->node->n_outputs; o++) {
    size_t bytes = kd_tensor_bytes(&run->output[o]);
    assert_true(used + bytes <= MAX_OUTPUT);
    memcpy(to + used, run->result[o].data, bytes);
    used += bytes;
  }
  return used;
}

static void run_variant(op_run *run, int threads, int offset, const char *isa, char *bits, size_t *size) {
  kd_device device;
  char where[64];
  assert_ok(kd_device_open("cpu", 0, threads, true, &device));
  snprintf(where, sizeof where, "%s, %d threads, offset %d", isa, threads, offset);
  op_run_prepare(run, &device, offset, false);
  for (int again = 0; again < 2; again++) op_run_once(run);
  op_run_compare(run, where);
  *size = collect(run, bits);
  op_run_finish(run);
  kd_device_close(&device);
}

static void check_case(const op_case *what, kd_isa isa) {
  static char first[MAX_OUTPUT], other[MAX_OUTPUT];
  static const struct { int threads, offset; } variants[] = {{1, 0}, {2, 0}, {1, 4}, {3, 8}};
  op_run run;
  size_t size, again;
  op_run_open(&run, what, true);
  run_variant(&run, 1, 0, kd_isa_name(isa), first, &size);
  for (size_t i = 1; i < sizeof variants / sizeof variants[0]; i++) {
    int offset = variants[i].offset;
    run_variant(&run, variants[i].threads, offset, kd_isa_name(isa), other, &again);
    if (size != again || memcmp(first, other, size) != 0)
      fail_msg("%s (%s, %s): %d threads at offset %d give other bits than 1 thread",
               kd_op_get(what->op)->name, what->name, kd_isa_name(isa), variants[i].threads, offset);
  }
  op_run_close(&run);
}

static void check_all(kd_isa isa) {
  for (int i = 0; i < n_op_cases; i++) check_case(&op_cases[i], isa);
}

static void test_cases(void **state) {
  (void)state;
  for_each_isa(check_all);
}

static void test_every_op_has_a_case(void **state) {
  (void)state;
  bool seen[KD_N_OPS] = {false};
  for (int i = 0; i < n_op_cases; i++) seen[op_cases[i].op] = true;
  for (int op = 0; op < KD_N_OPS; op++)
    if (!seen[op]) fail_msg("%s has no row in tests/ops/cases.def", kd_op_get((kd_op)op)->name);
}

/* A NaN counts as the largest value, as NumPy has it. */
static void check_argmax_nan(kd_isa isa) {
  (void)isa;
  kd_device device;
  assert_ok(kd_device_open("cpu", 0, 1, true, &device));
  const op_case what = {"NaN", KD_OP_ARGMAX, 0, ATTR(axis, .axis = 1), 1, (op_input[]){F32(SPACED, 2, 40)}};
  op_run run;
  op_run_open(&run, &what, false);
  run.values[0][7] = run.values[0][30] = run.values[0][79] = (double)NAN;
  op_run_prepare(&run, &device, 0, false);
  op_run_once(&run);
  assert_int_equal(((int32_t *)run.result[0].data)[0], 7);
  assert_int_equal(((int32_t *)run.result[0].data)[1], 39);
  op_run_finish(&run);
  op_run_close(&run);
  kd_device_close(&device);
}

static void test_argmax_nan(void **state) {
  (void)state;
  for_each_isa(check_argmax_nan);
}

static void check_rows(kd_isa isa) {
  static const kd_dtype types[] = {KD_F32, KD_BF16, KD_F16};
  kd_device device;
  assert_ok(kd_device_open("cpu", 0, 1, true, &device));
  for (int i = 0; i < 3; i++) check_xent_rows(&device, types[i], kd_isa_name(isa));
  kd_device_close(&device);
}

static void test_xent_rows(void **state) {
  (void)state;
  for_each_isa(check_rows);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_op_has_a_case),
      cmocka_unit_test(test_cases),
      cmocka_unit_test(test_argmax_nan),
      cmocka_unit_test(test_xent_rows),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
