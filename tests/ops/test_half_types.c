/* The rows of cases.def again with all float32 operands in bfloat16 and in float16, and products also with
 * one operand in float32, as kernels of weights have it. The interpreter rounds where the types say so. */
#include "device/cpu/isa.h"
#include "support/check.h"
#include "support/op_case.h"

static void check_run(const op_case *what, int threads, bool weights, const char *isa) {
  kd_device device;
  op_run run;
  char where[64];
  assert_ok(kd_device_open("cpu", 0, threads, true, &device));
  snprintf(where, sizeof where, "%s, %s, %d threads", kd_dtype_name(what->input[0].dtype), isa, threads);
  op_run_open(&run, what, true);
  run.weight_input[1] = weights;
  op_run_prepare(&run, &device, 0, false);
  for (int again = 0; again < 2; again++) op_run_once(&run);
  op_run_compare(&run, where);
  op_run_finish(&run);
  op_run_close(&run);
  kd_device_close(&device);
}

/* A kernel in float32, kept between runs, and its gradient in float32. */
static void check_master(op_typed_case *c, const char *isa) {
  if (op_case_keep_master(c)) check_run(&c->what, 1, c->what.op != KD_OP_CONV_GRAD_KERNEL, isa);
}

static void check_all(kd_isa isa) {
  for (int i = 0; i < n_op_cases; i++)
    for (kd_dtype type = KD_BF16; type <= KD_F16; type++) {
      op_typed_case c;
      if (!op_case_has_types(&op_cases[i]) || !op_case_convert(&op_cases[i], type, &c)) continue;
      check_run(&c.what, 1, false, kd_isa_name(isa));
      check_run(&c.what, 2, false, kd_isa_name(isa));
      check_master(&c, kd_isa_name(isa));
    }
}

/* Best level first: oneDNN keeps the level of the first device. */
static void test_cases(void **state) {
  (void)state;
  for (int isa = (int)kd_isa_available(); isa >= 0; isa--) {
    setenv("KDIST_ISA", kd_isa_name((kd_isa)isa), 1);
    check_all((kd_isa)isa);
  }
  unsetenv("KDIST_ISA");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
