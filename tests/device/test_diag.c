#include "device/base/diag.h"
#include "support/check.h"

static void in_order_of_lines(void **state) {
  (void)state;
  kd_diag *diag = kd_diag_create();
  assert_int_equal(kd_diag_status(diag), KD_OK);
  kd_diag_error(diag, (kd_origin){"a.ini", 9}, "nine");
  kd_diag_error(diag, (kd_origin){"b.ini", 1}, "one");
  kd_diag_error(diag, (kd_origin){NULL, 0}, "nowhere");
  kd_diag_error(diag, (kd_origin){"a.ini", 3}, "three");
  kd_diag_error(diag, (kd_origin){"a.ini", 9}, "nine");
  kd_diag_error(diag, (kd_origin){"a.ini", 9}, "nine again");
  assert_int_equal(kd_diag_status(diag), KD_ERR_USAGE);
  assert_string_equal(kd_status_text(),
                      "a.ini:3: three\na.ini:9: nine\na.ini:9: nine again\nb.ini:1: one\nnowhere");
  kd_diag_destroy(diag);
}

static void long_lists_are_counted(void **state) {
  (void)state;
  char filler[1500];
  memset(filler, 'x', sizeof filler - 1);
  filler[sizeof filler - 1] = '\0';
  kd_diag *diag = kd_diag_create();
  for (int i = 1; i <= 500; i++) kd_diag_error(diag, (kd_origin){"a.ini", i}, "message %d", i);
  kd_diag_status(diag);
  assert_non_null(strstr(kd_status_text(), "a.ini:20: message 20\n... and 480 more errors"));
  kd_diag_destroy(diag);
  diag = kd_diag_create();
  for (int i = 1; i <= 15; i++) kd_diag_error(diag, (kd_origin){"a.ini", i}, "%s", filler);
  kd_diag_status(diag);
  assert_non_null(strstr(kd_status_text(), "x\n... and 5 more errors"));
  kd_diag_destroy(diag);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(in_order_of_lines),
                                     cmocka_unit_test(long_lists_are_counted)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
