#include "device/base/value.h"
#include "support/check.h"
#include "support/pool_and_diag.h"

static kd_value *parse(const char *text) {
  kd_value *value = kd_value_parse(pool, diag, (kd_origin){"a.ini", 3}, text, true);
  if (!value) fail_msg("'%s': %s", text, diag->messages[diag->count - 1]);
  return value;
}

static void scalars(void **state) {
  (void)state;
  assert_int_equal(parse("none")->type, KD_V_NONE);
  assert_true(parse(" true ")->boolean);
  assert_int_equal(parse("1_000")->integer, 1000);
  assert_int_equal(parse("1e3")->integer, 1000);
  assert_true(parse("1e-3")->real == 1e-3);
  assert_true(parse("7")->real == 7);
  assert_int_equal(parse("1e18")->type, KD_V_FLOAT);
  assert_string_equal(parse("train-[0-9]*.gz")->text, "train-[0-9]*.gz");
  assert_string_equal(parse("\"two words, \\\"a\\\" \\\\\"")->text, "two words, \"a\" \\");
  assert_string_equal(parse("runs/\"my run\"/x")->text, "runs/my run/x");
  assert_true(parse("\"7\"")->type == KD_V_TEXT && parse("\"7\"")->quoted);
  assert_string_equal(parse("best-{epoch:02d}.keras")->text, "best-{epoch:02d}.keras");
}

static void lists(void **state) {
  (void)state;
  assert_int_equal(parse("28, 28, 1")->count, 3);
  assert_int_equal(parse("(3)")->type, KD_V_INT);
  assert_int_equal(parse("(1,)")->count, 1);
  assert_int_equal(parse("[1]")->type, KD_V_LIST);
  assert_int_equal(parse("()")->count, 0);
  kd_value *nested = parse("((1, 2), [0, 1])");
  assert_int_equal(nested->count, 2);
  assert_int_equal(nested->items[1].items[1].integer, 1);
}

static void calls(void **state) {
  (void)state;
  kd_value *adam = parse("Adam(0.001, clipnorm=1.0, x=[a, b])");
  assert_int_equal(adam->type, KD_V_CALL);
  assert_string_equal(adam->text, "Adam");
  assert_null(adam->keys[0]);
  assert_true(kd_value_key(adam, "clipnorm")->real == 1.0);
  assert_int_equal(kd_value_key(adam, "x")->count, 2);
  assert_null(kd_value_key(adam, "beta"));
  assert_int_equal(adam->items[0].origin.line, 3);
  assert_int_equal(parse("Add()")->count, 0);
  const char *rest;
  kd_value *first = kd_value_parse_first(pool, diag, (kd_origin){0}, "Add(1) (a, b) if x", &rest);
  assert_string_equal(first->text, "Add");
  assert_string_equal(rest, "(a, b) if x");
}

static void wrong(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"", "a value is missing"},
      {"8 8", "quotes around a text"},
      {"(1, 2", "a bracket is not closed"},
      {"1, 2)", "a comma, or"},
      {"(1, 2]", "a comma, or"},
      {"a(b=1, b=2)", "a key is given twice"},
      {"a(b=1, 2)", "a value without key"},
      {"\"abc", "a quote \" is not closed"},
      {"\"a\\qb\"", "unknown escape"},
      {"a, , b", "a value is missing"},
      {"a = 3", "key=value stands only in calls"},
      {"3(4)", "a name is expected"},
      {"'a'", "quoted by"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t before = diag->count;
    assert_null(kd_value_parse(pool, diag, (kd_origin){"a.ini", 3}, cases[i][0], true));
    assert_int_equal(diag->count, before + 1);
    if (!strstr(diag->messages[before], cases[i][1]))
      fail_msg("'%s' is not in: %s", cases[i][1], diag->messages[before]);
    assert_memory_equal(diag->messages[before], "a.ini:3: ", 9);
  }
}

static void depth_is_limited(void **state) {
  (void)state;
  char text[100001] = "";
  memset(text, '(', sizeof text - 1);
  assert_null(kd_value_parse(pool, diag, (kd_origin){0}, text, true));
  assert_non_null(strstr(diag->messages[0], "nested"));
  memset(text, 'x', sizeof text - 1);
  assert_int_equal(strlen(parse(text)->text), 100000);
}

static void prints_back(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"1_000", "1000"},
      {"0.1", "0.1"},
      {"1e-7", "1e-07"},
      {"3, 2", "(3, 2)"},
      {"(1,)", "[1]"},
      {"()", "()"},
      {"True", "true"},
      {"\"relu\"", "relu"},
      {"\"7\"", "\"7\""},
      {"\"\"", "\"\""},
      {"\"a b\\n\"", "\"a b\\n\""},
      {"Adam( 0.001,clipnorm = 1.0 )", "Adam(0.001, clipnorm=1.0)"},
      {"Bidirectional(LSTM(4), merge_mode=sum)", "Bidirectional(LSTM(4), merge_mode=sum)"},
      {"p-[0-9].npy", "p-[0-9].npy"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *once = kd_value_print(pool, parse(cases[i][0]));
    assert_string_equal(once, cases[i][1]);
    assert_string_equal(kd_value_print(pool, parse(once)), once);
  }
  assert_string_equal(kd_value_print(pool, kd_value_float(pool, 2.0)), "2.0");
  assert_string_equal(kd_value_print(pool, kd_value_text(pool, "none")), "\"none\"");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(scalars), TEST(lists), TEST(calls), TEST(wrong), TEST(depth_is_limited), TEST(prints_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
