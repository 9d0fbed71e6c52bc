/* Learning-rate schedules against Keras at many steps (tests/golden/make_optimizers.py). */
#include <math.h>

#include "support/check.h"
#include "support/parity.h"
#include "trainer/schedule.h"

enum { LINE_BYTES = 4096 };

static FILE *open_cases(void) {
  FILE *file = fopen(KDIST_SOURCE_DIR "/tests/golden/schedules.txt", "r");
  if (!file) fail_msg("tests/golden/schedules.txt cannot be read");
  return file;
}

/* A line is "SCHEDULE | step rate step rate ...". */
static void check_line(char *line) {
  char *bar = strstr(line, " | ");
  if (!bar) fail_msg("bad line: %s", line);
  *bar = '\0';
  kd_pool *pool = kd_pool_create();
  kd_diag *diag = kd_diag_create();
  kd_rate rate;
  kd_value *value = kd_value_parse(pool, diag, (kd_origin){"case", 1}, line, false);
  if (!kd_rate_make(pool, diag, value, &rate)) assert_ok(kd_diag_status(diag));
  int checked = 0, used;
  long long step;
  double truth;
  for (const char *at = bar + 3; sscanf(at, "%lld %lf%n", &step, &truth, &used) == 2; at += used) {
    double mine = kd_rate_at(&rate, step);
    if (!(fabs(mine - truth) <= 1e-8 + 1e-6 * fabs(truth)))
      fail_msg("%s at step %lld is %.12g, Keras has %.12g", line, step, mine, truth);
    parity_note("schedules", line, fabs(mine - truth) / fmax(fabs(truth), 0.1));
    checked++;
  }
  assert_true(checked > 20);
  kd_diag_destroy(diag);
  kd_pool_destroy(pool);
}

static void rates(void **state) {
  (void)state;
  char line[LINE_BYTES];
  FILE *file = open_cases();
  while (fgets(line, LINE_BYTES, file)) check_line(line);
  fclose(file);
}

static bool has_case(const char *class, const char *option) {
  char line[LINE_BYTES], call[64], key[64];
  snprintf(call, sizeof call, "%s(", class);
  snprintf(key, sizeof key, "%s=", option);
  FILE *file = open_cases();
  bool found = false;
  while (!found && fgets(line, LINE_BYTES, file))
    found = strncmp(line, call, strlen(call)) == 0 && strstr(line, key);
  fclose(file);
  return found;
}

static void all_are_covered(void **state) {
  (void)state;
  for (size_t k = 0; k < kd_schedule_family.count; k++) {
    const kd_kind *kind = kd_schedule_family.kinds[k];
    for (const kd_option *option = kind->options; option->name; option++)
      if (strcmp(option->name, "name") != 0 && !has_case(kind->name, option->name))
        fail_msg("%s: no golden case with %s", kind->name, option->name);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(rates), cmocka_unit_test(all_are_covered)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
