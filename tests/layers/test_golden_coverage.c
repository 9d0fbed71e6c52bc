/* The golden cases of layers reach everything: every class and activation, every option and call argument,
 * and every constraint holds the weights that it is named after. */
#include "support/check.h"
#include "support/layer_cases.h"
#include "support/one_layer.h"

/* True when a case's text begins with name and "(", or names it as a word inside. */
static bool covered(const char *name, bool inside) {
  size_t length = strlen(name);
  for (int i = 0; i < n_layer_cases; i++) {
    const char *text = layer_cases[i]->text;
    if (!inside && strncmp(text, name, length) == 0 && text[length] == '(') return true;
    for (const char *at = text; inside && (at = strstr(at, name)); at++) {
      bool starts = at > text && !strchr("_abcdefghijklmnopqrstuvwxyz", at[-1]);
      if (starts && !strchr("_0123456789abcdefghijklmnopqrstuvwxyz", at[length])) return true;
    }
  }
  return false;
}

static void test_coverage(void **state) {
  (void)state;
  for (size_t i = 0; i < kd_layer_family.count; i++) {
    const char *name = kd_layer_family.kinds[i]->name;
    if (strcmp(name, "InputLayer") && !covered(name, false)) fail_msg("layer %s has no golden case", name);
    if (i && strcmp(kd_layer_family.kinds[i - 1]->name, name) >= 0) fail_msg("%s is out of order", name);
  }
  for (size_t i = 0; i < kd_activation_family.count; i++) {
    const char *name = kd_activation_family.kinds[i]->name;
    if (!covered(name, true)) fail_msg("activation %s has no golden case", name);
  }
  assert_int_equal(kd_activation_family.count, 30);
}

static bool ends_with(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length > tail && strcmp(text + length - tail, end) == 0;
}

/* Start values and streams have tests of their own, constraints show in updates alone; the others have one
 * choice only. */
static bool tested_elsewhere(const char *option) {
  return ends_with(option, "_initializer") || ends_with(option, "_constraint") || !strcmp(option, "seed") ||
         !strcmp(option, "synchronized") || !strcmp(option, "data_format") || !strcmp(option, "stateful") ||
         !strcmp(option, "initializer") || !strcmp(option, "noise_shape");
}

/* True when a case of the kind gives the option, by name or by position. */
static bool given(const kd_kind *kind, int row, kd_pool *pool, kd_diag *diag) {
  for (int i = 0; i < n_layer_cases; i++) {
    const char *rest;
    const kd_value *value = kd_value_parse_first(pool, diag, (kd_origin){0}, layer_cases[i]->text, &rest);
    if (!value || strcmp(value->text, kind->name)) continue;
    for (int k = 0; k < value->count; k++)
      if (value->keys[k] ? !strcmp(value->keys[k], kind->options[row].name) : k == row) return true;
  }
  return false;
}

/* True when a case of the kind gives the call argument. */
static bool called_with(const kd_kind *kind, const char *argument, kd_pool *pool, kd_diag *diag) {
  for (int i = 0; i < n_layer_cases; i++) {
    const char *rest;
    const kd_value *value = kd_value_parse_first(pool, diag, (kd_origin){0}, layer_cases[i]->text, &rest);
    if (value && !strcmp(value->text, kind->name) && strstr(rest, kd_pool_printf(pool, "%s=", argument)))
      return true;
  }
  return false;
}

/* Each row of each option table, and each call argument, has a case, so that an option without effect is
 * seen. */
static void test_options_are_used(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  kd_diag *diag = kd_diag_create();
  for (size_t i = 0; i < kd_layer_family.count; i++) {
    const kd_kind *kind = kd_layer_family.kinds[i];
    for (int row = 0; kind->options[row].name && strcmp(kind->name, "InputLayer"); row++)
      if (!tested_elsewhere(kind->options[row].name) && !given(kind, row, pool, diag))
        fail_msg("no golden case gives %s of %s", kind->options[row].name, kind->name);
    const kd_call_arg *arg;
    for (int k = 0; (arg = kd_layer_call_arg((const kd_layer_kind *)kind, k)); k++)
      if (!called_with(kind, arg->name, pool, diag))
        fail_msg("no golden case gives call argument %s of %s", arg->name, kind->name);
  }
  kd_diag_destroy(diag);
  kd_pool_destroy(pool);
}

/* Whether a weight of that name is the one that an option as "bias_constraint" holds. */
static bool meant(const char *weight, const char *option) {
  int length = (int)(strlen(option) - strlen("_constraint"));
  char part[32];
  snprintf(part, sizeof part, "%.*s", length, option);
  return strstr(weight, strcmp(part, "depthwise") ? part : "kernel") &&
         (strcmp(part, "kernel") || !strstr(weight, "recurrent"));
}

/* How many weights of the case are held when the option is given; those held must be meant. */
static int held_weights(const golden_case *c, const char *option, kd_pool *pool, kd_diag *diag) {
  const char *rest;
  kd_value_parse_first(pool, diag, (kd_origin){0}, c->text, &rest);
  int end = (int)(rest - c->text), n = 0;
  while (c->text[end - 1] != ')') end--;
  const char *comma = c->text[end - 2] == '(' ? "" : ", ";
  golden_case changed = *c;
  changed.text = kd_pool_printf(pool, "%.*s%s%s=NonNeg)%s", end - 1, c->text, comma, option, c->text + end);
  kd_model *model = layer_model_golden(&changed, (kd_policy){KD_F32, KD_F32});
  for (int w = 0; w < model->n_weights; w++) {
    if (!model->weights[w].constraint.kind) continue;
    if (!meant(model->weights[w].name, option))
      fail_msg("%s: %s holds %s", c->text, option, model->weights[w].name);
    n++;
  }
  kd_model_destroy(model);
  return n;
}

static void assert_held(const kd_kind *kind, const char *option, kd_pool *pool, kd_diag *diag) {
  size_t length = strlen(kind->name);
  for (int i = 0; i < n_layer_cases; i++)
    if (!strncmp(layer_cases[i]->text, kind->name, length) && layer_cases[i]->text[length] == '(' &&
        held_weights(layer_cases[i], option, pool, diag) > 0)
      return;
  fail_msg("%s of %s holds no weight", option, kind->name);
}

static void test_constraints_reach_weights(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  kd_diag *diag = kd_diag_create();
  for (size_t i = 0; i < kd_layer_family.count; i++) {
    const kd_kind *kind = kd_layer_family.kinds[i];
    for (const kd_option *option = kind->options; option->name; option++)
      if (ends_with(option->name, "_constraint")) assert_held(kind, option->name, pool, diag);
  }
  kd_diag_destroy(diag);
  kd_pool_destroy(pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_coverage),
      cmocka_unit_test(test_options_are_used),
      cmocka_unit_test(test_constraints_reach_weights),
  };
  return cmocka_run_group_tests(tests, layer_cases_open, layer_cases_close);
}
