#include "support/check.h"

static void numbers(void **state) {
  (void)state;
  int64_t i;
  double f;
  assert_true(kd_parse_int("8", &i) && i == 8);
  assert_true(kd_parse_int("1_000", &i) && i == 1000);
  assert_true(kd_parse_int("1e3", &i) && i == 1000);
  assert_false(kd_parse_int("8.5", &i));
  assert_false(kd_parse_int("0x", &i));
  assert_false(kd_parse_int("eight", &i));
  assert_false(kd_parse_int("99999999999999999999", &i));
  assert_true(kd_parse_float("1e-3", &f) && f == 1e-3);
  assert_false(kd_parse_float("1e", &f));
  char text[32];
  kd_format_float(0.1, false, text);
  assert_string_equal(text, "0.1");
  kd_format_float((double)0.001f, true, text);
  assert_string_equal(text, "0.001");
  kd_format_float((double)0.001f, false, text);
  assert_string_equal(text, "0.0010000000474974513");
  kd_format_float(3.0, false, text);
  assert_string_equal(text, "3.0");
  kd_format_float(1e-7, false, text);
  assert_string_equal(text, "1e-07");
}

static void nearest(void **state) {
  (void)state;
  const char *names[] = {"units", "activation", "use_bias"};
  assert_string_equal(kd_nearest("unit", names, 3, sizeof *names), "units");
  assert_string_equal(kd_nearest("activaiton", names, 3, sizeof *names), "activation");
  assert_null(kd_nearest("filters", names, 3, sizeof *names));
}

static void quoting(void **state) {
  (void)state;
  assert_string_equal(kd_quoted("a\033[31mb"), "a?[31mb");
  char longer[1000];
  memset(longer, 'x', sizeof longer);
  longer[999] = '\0';
  assert_int_equal(strlen(kd_quoted(longer)), 203);
  assert_false(kd_valid_utf8("\xC0\x80", 2));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(numbers), cmocka_unit_test(nearest),
                                     cmocka_unit_test(quoting)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
