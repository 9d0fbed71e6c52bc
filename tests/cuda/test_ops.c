// ctest: cuda=emulated,gpu timeout=600
/* Every primitive's CUDA kernel against the interpreter: values are right, nothing outside of the results is
 * written, and bits depend neither on alignment nor (emulated) on the order in which blocks and threads run.
 */
#include "cuda/open_device.h"
#include "support/op_case.h"

enum { MOST_BYTES = 1 << 21 };

static size_t run_variant(op_run *run, const char *order, int offset, char *bits) {
  kd_device device = open_device();
  size_t used = 0;
  char where[64];
  setenv("KD_EMULATE", order, 1);
  snprintf(where, sizeof where, "CUDA, %s, offset %d", order, offset);
  op_run_prepare(run, &device, offset, false);
  for (int again = 0; again < 2; again++) op_run_once(run);
  op_run_compare(run, where);
  for (int o = 0; o < run->node->n_outputs; o++) {
    size_t bytes = kd_tensor_bytes(&run->output[o]);
    assert_true(used + bytes <= MOST_BYTES);
    memcpy(bits + used, run->result[o].data, bytes);
    used += bytes;
  }
  op_run_finish(run);
  kd_device_close(&device);
  return used;
}

static void check_case(const op_case *what) {
  static char first[MOST_BYTES], other[MOST_BYTES];
  op_run run;
  op_run_open(&run, what, true);
  size_t size = run_variant(&run, "forward", 0, first), again = run_variant(&run, "reverse", 0, other);
  if (size != again || memcmp(first, other, size) != 0)
    fail_msg("%s (%s): two runs differ", kd_op_get(what->op)->name, what->name);
  run_variant(&run, "forward", 4, other);
  op_run_close(&run);
}

static void test_cases(void **state) {
  (void)state;
  for (int i = 0; i < n_op_cases; i++) check_case(&op_cases[i]);
}

static void check_values(const op_case *what) {
  static char bits[MOST_BYTES];
  op_run run;
  op_run_open(&run, what, true);
  run_variant(&run, "forward", 0, bits);
  op_run_close(&run);
}

/* The same rows in types of 16 bits, products also with a kernel, or the gradient of one, in float32. */
static void test_half_types(void **state) {
  (void)state;
  for (int i = 0; i < n_op_cases; i++)
    for (kd_dtype type = KD_BF16; type <= KD_F16; type++) {
      op_typed_case c;
      if (!op_case_has_types(&op_cases[i]) || !op_case_convert(&op_cases[i], type, &c)) continue;
      check_values(&c.what);
      if (op_case_keep_master(&c)) check_values(&c.what);
    }
}

int main(void) {
  NEED_DEVICE();
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_half_types)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
