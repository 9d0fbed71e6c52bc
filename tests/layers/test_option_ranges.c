/* Every row of every option table refuses what is outside its range or of another kind, and the message names
 * the option, the value, and what is allowed. */
#include <math.h>

#include "device/base/diag.h"
#include "layers/layer.h"
#include "layers/loss.h"
#include "support/check.h"
#include "trainer/callback.h"
#include "trainer/optimizer.h"
#include "trainer/schedule.h"

/* All errors of `Class(option=value)`. */
static const char *errors_of(kd_pool *pool, const kd_family *family, const char *text) {
  kd_diag *diag = kd_diag_create();
  kd_object object;
  kd_value *value = kd_value_parse(pool, diag, (kd_origin){"case", 1}, text, false);
  bool good = value && kd_object_make(pool, diag, family, value, &object);
  const char *errors = "";
  for (size_t i = 0; i < diag->count; i++) errors = kd_pool_printf(pool, "%s%s\n", errors, diag->messages[i]);
  if (good) fail_msg("%s is accepted", text);
  kd_diag_destroy(diag);
  return errors;
}

/* The line of the message about this option must hold all parts. */
static void refuse(const kd_family *family, const kd_kind *kind, const kd_option *row, const char *value,
                   const char *allowed) {
  kd_pool *pool = kd_pool_create();
  const char *text = kd_pool_printf(pool, "%s(%s=%s)", kind->name, row->name, value);
  const char *errors = errors_of(pool, family, text), *line = errors;
  bool found = false;
  for (; *line && !found; line += strcspn(line, "\n") + 1) {
    const char *one = kd_pool_strndup(pool, line, strcspn(line, "\n"));
    found = strstr(one, row->name) && strstr(one, value) && strstr(one, allowed);
  }
  if (!found) fail_msg("%s: no line has '%s', '%s' and '%s':\n%s", text, row->name, value, allowed, errors);
  kd_pool_destroy(pool);
}

/* As messages print it: whole numbers without an exponent. */
static const char *number(double value, char text[48]) {
  snprintf(text, 48, value == floor(value) && fabs(value) < 1e15 ? "%.0f" : "%g", value);
  return text;
}

static void refuse_numbers(const kd_family *family, const kd_kind *kind, const kd_option *row) {
  char value[48], limit[48];
  bool whole = row->type == KD_OPT_INT || row->type == KD_OPT_INTS, open = row->min == 0 && row->max == 0;
  refuse(family, kind, row, "nonsense", whole ? "int" : "float");
  if (open && !(row->flags & KD_OPT_OPEN_MIN)) return;
  double below = row->flags & KD_OPT_OPEN_MIN ? row->min : row->min - 1;
  if (fabs(row->min) < 1e15) refuse(family, kind, row, number(below, value), number(row->min, limit));
  if (row->max < row->min || open || row->max >= 1e15) return; /* such numbers are not told apart in texts */
  double above = row->flags & KD_OPT_OPEN_MAX ? row->max : whole ? row->max + 1 : 2 * row->max + 1;
  refuse(family, kind, row, number(above, value), number(row->max, limit));
}

static void refuse_row(const kd_family *family, const kd_kind *kind, const kd_option *row) {
  char first[64];
  switch (row->type) {
  case KD_OPT_INT:
  case KD_OPT_INTS:
  case KD_OPT_FLOAT:
  case KD_OPT_FLOATS:
    refuse_numbers(family, kind, row);
    break;
  case KD_OPT_BOOL:
    refuse(family, kind, row, "nonsense", "true or false");
    break;
  case KD_OPT_CHOICE:
    snprintf(first, sizeof first, "%.*s", (int)strcspn(row->choices, "|"), row->choices);
    refuse(family, kind, row, "nonsense", first);
    break;
  case KD_OPT_OBJECT:
  case KD_OPT_OBJECTS:
    refuse(family, kind, row, "nonsense", row->family->noun);
    break;
  default: /* texts and values of many forms: the kind's own check */
    break;
  }
}

static void check_family(const kd_family *family) {
  for (size_t k = 0; k < family->count; k++)
    for (const kd_option *row = family->kinds[k]->options; row && row->name; row++)
      refuse_row(family, family->kinds[k], row);
}

static void test_all(void **state) {
  (void)state;
  const kd_family *const families[] = {&kd_layer_family,       &kd_cell_family,        &kd_activation_family,
                                       &kd_initializer_family, &kd_regularizer_family, &kd_optimizer_family,
                                       &kd_schedule_family,    &kd_callback_family,    &kd_loss_family,
                                       &kd_metric_family};
  for (size_t i = 0; i < sizeof families / sizeof *families; i++) check_family(families[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
