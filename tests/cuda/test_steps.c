// ctest: cuda=emulated,gpu timeout=300
/* Every step of pointwise programs as generated code: all pairs of special values. */
#include "cuda/open_device.h"
#include "support/step_case.h"

static void test_steps(void **state) {
  (void)state;
  kd_device device = open_device();
  for (int op = 0; op < KD_N_PW; op++)
    if (step_is_function((kd_pw)op)) step_check((kd_pw)op, &device, 4);
  kd_device_close(&device);
}

int main(void) {
  NEED_DEVICE();
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
