/* Options as text: values for resolved configurations, types for help and messages. */
#include <stdio.h>
#include <string.h>

#include "device/base/option_read.h"
#include "device/base/text.h"

static const char *int_text(kd_pool *pool, int64_t value) {
  return value == KD_UNSET_INT ? "none" : kd_pool_printf(pool, "%lld", (long long)value);
}

static const char *float_text(kd_pool *pool, double value) {
  if (value == KD_UNSET_FLOAT) return "none";
  char text[32];
  kd_format_float(value, false, text);
  return kd_pool_strdup(pool, text);
}

static const char *object_text(kd_pool *pool, const kd_object *object) {
  if (!object->kind) return "none";
  if (object->value) return kd_value_print(pool, object->value);
  /* Made by the C API: every option is written. */
  const kd_option *table = object->kind->options;
  const char *text = kd_pool_printf(pool, "%s(", object->kind->name);
  for (int i = 0; table && table[i].name; i++)
    text = kd_pool_printf(pool, "%s%s%s=%s", text, i ? ", " : "", table[i].name,
                          kd_option_print(pool, &table[i], object->options));
  return kd_pool_printf(pool, "%s)", text);
}

/* "(a, b)" of count items; one item stands alone. */
static const char *list_text(kd_pool *pool, int count, const char *(*item)(kd_pool *, const void *, int),
                             const void *list) {
  if (count == 0) return "none";
  if (count == 1) return item(pool, list, 0);
  const char *text = "(";
  for (int i = 0; i < count; i++)
    text = kd_pool_printf(pool, "%s%s%s", text, i ? ", " : "", item(pool, list, i));
  return kd_pool_printf(pool, "%s)", text);
}

static const char *ints_item(kd_pool *pool, const void *list, int i) {
  return int_text(pool, ((const kd_ints *)list)->v[i]);
}

static const char *floats_item(kd_pool *pool, const void *list, int i) {
  return float_text(pool, ((const kd_floats *)list)->v[i]);
}

static const char *objects_item(kd_pool *pool, const void *list, int i) {
  return object_text(pool, &((const kd_objects *)list)->v[i]);
}

static const char *choice_text(kd_pool *pool, const kd_option *option, int index) {
  char word[64];
  return index >= 0 && kd_choice_text(option->choices, index, word) ? kd_pool_strdup(pool, word) : "none";
}

const char *kd_option_print(kd_pool *pool, const kd_option *option, const void *options) {
  const void *at = (const char *)options + option->offset;
  const char *text;
  switch (option->type) {
  case KD_OPT_BOOL:
    return *(const bool *)at ? "true" : "false";
  case KD_OPT_INT:
    return int_text(pool, *(const int64_t *)at);
  case KD_OPT_FLOAT:
    return float_text(pool, *(const double *)at);
  case KD_OPT_TEXT:
    text = *(const char *const *)at;
    return text ? kd_value_print(pool, kd_value_text(pool, text)) : "none";
  case KD_OPT_CHOICE:
    return choice_text(pool, option, *(const int *)at);
  case KD_OPT_INTS:
    return list_text(pool, ((const kd_ints *)at)->count, ints_item, at);
  case KD_OPT_FLOATS:
    return list_text(pool, ((const kd_floats *)at)->count, floats_item, at);
  case KD_OPT_OBJECT:
    return object_text(pool, at);
  case KD_OPT_OBJECTS:
    return list_text(pool, ((const kd_objects *)at)->count, objects_item, at);
  case KD_OPT_VALUE:
    return *(const kd_value *const *)at ? kd_value_print(pool, *(const kd_value *const *)at) : "none";
  }
  return "none";
}

static void limit_text(double limit, char buffer[32]) {
  kd_format_float(limit, false, buffer);
  size_t length = strlen(buffer);
  if (length > 2 && !strcmp(buffer + length - 2, ".0")) buffer[length - 2] = '\0';
}

/* Limits that only keep counts exact in double say nothing to a reader. */
static bool shows_max(const kd_option *option) {
  return kd_option_has_max(option) && option->max < 9007199254740992.0;
}

static const char *range_text(kd_pool *pool, const kd_option *option) {
  char low[32], high[32];
  limit_text(option->min, low);
  limit_text(option->max, high);
  bool open_min = option->flags & KD_OPT_OPEN_MIN, open_max = option->flags & KD_OPT_OPEN_MAX;
  if (kd_option_has_min(option) && shows_max(option))
    return kd_pool_printf(pool, " in %c%s, %s%c", open_min ? '(' : '[', low, high, open_max ? ')' : ']');
  if (kd_option_has_min(option)) return kd_pool_printf(pool, " %s %s", open_min ? ">" : ">=", low);
  if (shows_max(option)) return kd_pool_printf(pool, " %s %s", open_max ? "<" : "<=", high);
  return "";
}

static const char *bare_type(kd_pool *pool, const kd_option *option) {
  switch (option->type) {
  case KD_OPT_BOOL:
    return "true or false";
  case KD_OPT_INT:
    return kd_pool_printf(pool, "int%s", range_text(pool, option));
  case KD_OPT_FLOAT:
    return kd_pool_printf(pool, "float%s", range_text(pool, option));
  case KD_OPT_TEXT:
    return "text";
  case KD_OPT_CHOICE:
    return kd_pool_printf(pool, "one of %s", option->choices);
  case KD_OPT_INTS:
    return kd_pool_printf(pool, "int or list of ints, each%s",
                          *range_text(pool, option) ? range_text(pool, option) : " any");
  case KD_OPT_FLOATS:
    return kd_pool_printf(pool, "float or list of floats, each%s",
                          *range_text(pool, option) ? range_text(pool, option) : " any");
  case KD_OPT_OBJECT:
    return kd_pool_printf(pool, "one %s", option->family->noun);
  case KD_OPT_OBJECTS:
    return kd_pool_printf(pool, "list of %ss", option->family->noun);
  case KD_OPT_VALUE:
    return "value";
  }
  return "value";
}

const char *kd_option_type_text(kd_pool *pool, const kd_option *option) {
  const char *text = bare_type(pool, option);
  return option->flags & KD_OPT_NONE_OK ? kd_pool_printf(pool, "%s, or none", text) : text;
}
