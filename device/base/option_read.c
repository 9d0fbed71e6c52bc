#include "device/base/option_read.h"

#include <math.h>
#include <string.h>

#include "device/base/text.h"

bool kd_option_has_min(const kd_option *option) {
  if (option->min == 0 && option->max == 0) return (option->flags & KD_OPT_OPEN_MIN) != 0;
  return isfinite(option->min) && option->min > -1e300;
}

bool kd_option_has_max(const kd_option *option) {
  if (option->min == 0 && option->max == 0) return false;
  return option->max >= option->min && isfinite(option->max) && option->max < 1e300;
}

bool kd_choice_text(const char *choices, int index, char buffer[64]) {
  const char *start = choices;
  while (index-- > 0) {
    start = strchr(start, '|');
    if (!start) return false;
    start++;
  }
  size_t length = strcspn(start, "|");
  if (length > 63) length = 63;
  memcpy(buffer, start, length);
  buffer[length] = '\0';
  return true;
}

static void *field(const kd_option *option, void *options) {
  return (char *)options + option->offset;
}

static bool wrong_type(const kd_option_reader *reader, const kd_option *option, const kd_value *value) {
  return kd_option_error(reader, value, "%s = %s is not of the right type: expected %s", option->name,
                         kd_quoted(kd_value_print(reader->diag->pool, value)),
                         kd_option_type_text(reader->diag->pool, option));
}

static bool in_range(const kd_option *option, double number) {
  bool open_min = option->flags & KD_OPT_OPEN_MIN, open_max = option->flags & KD_OPT_OPEN_MAX;
  if (kd_option_has_min(option) && !(open_min ? number > option->min : number >= option->min)) return false;
  if (kd_option_has_max(option) && !(open_max ? number < option->max : number <= option->max)) return false;
  return !isnan(number) || !(kd_option_has_min(option) || kd_option_has_max(option));
}

static bool out_of_range(const kd_option_reader *reader, const kd_option *option, const kd_value *value) {
  return kd_option_error(reader, value, "%s = %s is out of range: expected %s", option->name,
                         kd_quoted(kd_value_print(reader->diag->pool, value)),
                         kd_option_type_text(reader->diag->pool, option));
}

/* One number with the option's range; also an item of a list. */
static bool read_int(const kd_option_reader *reader, const kd_option *option, const kd_value *value,
                     int64_t *out) {
  /* Whole numbers beyond 2^53 arrive as FLOAT: they are too large, not of the wrong type. */
  if (value->type == KD_V_FLOAT && value->real == floor(value->real) &&
      fabs(value->real) > 9007199254740992.0)
    return kd_option_error(reader, value, "%s = %s is too large for an integer", option->name,
                           kd_quoted(value->text));
  if (value->type != KD_V_INT) return wrong_type(reader, option, value);
  if (!in_range(option, (double)value->integer)) return out_of_range(reader, option, value);
  *out = value->integer;
  return true;
}

static bool read_float(const kd_option_reader *reader, const kd_option *option, const kd_value *value,
                       double *out) {
  if (value->type != KD_V_INT && value->type != KD_V_FLOAT) return wrong_type(reader, option, value);
  if (!in_range(option, value->real)) return out_of_range(reader, option, value);
  *out = value->real;
  return true;
}

static bool read_text(const kd_option_reader *reader, const kd_option *option, const kd_value *value,
                      const char **out) {
  if (value->type == KD_V_LIST)
    return kd_option_error(reader, value, "%s is one text; a text with commas or spaces needs quotes",
                           option->name);
  if (value->type != KD_V_TEXT && value->type != KD_V_INT && value->type != KD_V_FLOAT)
    return wrong_type(reader, option, value);
  *out = value->text;
  return true;
}

static bool read_choice(const kd_option_reader *reader, const kd_option *option, const kd_value *value,
                        int *out) {
  char word[64];
  const char *names[64];
  size_t count = 0;
  /* Words such as true or 1 may be choices too, so the spelling decides, whatever type it parsed as. */
  const char *given = value->type == KD_V_LIST || value->type == KD_V_CALL ? NULL : value->text;
  if (!given) return wrong_type(reader, option, value);
  for (int i = 0; count < 64 && kd_choice_text(option->choices, i, word); i++) {
    if (!strcmp(word, given)) {
      *out = i;
      return true;
    }
    names[count++] = kd_pool_strdup(reader->diag->pool, word);
  }
  const char *near = kd_nearest(given, names, count, sizeof *names);
  if (near)
    return kd_option_error(reader, value, "%s = %s is unknown; did you mean '%s'?", option->name,
                           kd_quoted(given), near);
  return kd_option_error(reader, value, "%s = %s is unknown: expected %s", option->name, kd_quoted(given),
                         kd_option_type_text(reader->diag->pool, option));
}

/* A single value counts as a list of one. */
static const kd_value *item(const kd_value *value, int index) {
  return value->type == KD_V_LIST ? &value->items[index] : value;
}

static int item_count(const kd_value *value) {
  return value->type == KD_V_LIST ? value->count : 1;
}

static bool read_ints(const kd_option_reader *reader, const kd_option *option, const kd_value *value,
                      kd_ints *out) {
  int count = item_count(value);
  if (count == 0 || count > KD_MAX_INTS)
    return kd_option_error(reader, value, "%s has %d items: expected 1 to %d", option->name, count,
                           KD_MAX_INTS);
  for (int i = 0; i < count; i++)
    if (!read_int(reader, option, item(value, i), &out->v[i])) return false;
  out->count = count;
  return true;
}

static bool read_floats(const kd_option_reader *reader, const kd_option *option, const kd_value *value,
                        kd_floats *out) {
  int count = item_count(value);
  double *numbers = kd_pool_alloc(reader->pool, (size_t)count, sizeof *numbers);
  for (int i = 0; i < count; i++)
    if (!read_float(reader, option, item(value, i), &numbers[i])) return false;
  *out = (kd_floats){count, numbers};
  return true;
}

static bool read_object(const kd_option_reader *reader, const kd_option *option, const kd_value *value,
                        kd_object *out) {
  kd_option_reader inner = *reader;
  bool named = reader->subject && *reader->subject;
  inner.subject = kd_pool_printf(reader->diag->pool, "%s%s%s", named ? reader->subject : "",
                                 named ? ": " : "", option->name);
  return kd_object_read(&inner, option->family, value, out);
}

static bool read_objects(const kd_option_reader *reader, const kd_option *option, const kd_value *value,
                         kd_objects *out) {
  int count = item_count(value);
  kd_object *objects = kd_pool_alloc(reader->pool, (size_t)count, sizeof *objects);
  bool good = true;
  for (int i = 0; i < count; i++) good &= read_object(reader, option, item(value, i), &objects[i]);
  *out = (kd_objects){count, objects};
  return good;
}

static bool read_none(const kd_option_reader *reader, const kd_option *option, const kd_value *value,
                      void *at) {
  if (!(option->flags & KD_OPT_NONE_OK)) return wrong_type(reader, option, value);
  switch (option->type) {
  case KD_OPT_INT:
    *(int64_t *)at = KD_UNSET_INT;
    break;
  case KD_OPT_FLOAT:
    *(double *)at = KD_UNSET_FLOAT;
    break;
  case KD_OPT_TEXT:
    *(const char **)at = NULL;
    break;
  case KD_OPT_CHOICE:
    *(int *)at = -1;
    break;
  case KD_OPT_INTS:
    *(kd_ints *)at = (kd_ints){0};
    break;
  case KD_OPT_FLOATS:
    *(kd_floats *)at = (kd_floats){0};
    break;
  case KD_OPT_OBJECT:
    *(kd_object *)at = (kd_object){0};
    break;
  case KD_OPT_OBJECTS:
    *(kd_objects *)at = (kd_objects){0};
    break;
  default:
    return wrong_type(reader, option, value);
  }
  return true;
}

bool kd_option_read(const kd_option_reader *reader, const kd_option *option, const kd_value *value,
                    void *options) {
  void *at = field(option, options);
  if (option->type == KD_OPT_VALUE) {
    *(const kd_value **)at = value;
    return true;
  }
  bool none_is_choice = option->type == KD_OPT_CHOICE && !(option->flags & KD_OPT_NONE_OK);
  if (value->type == KD_V_NONE && !none_is_choice) return read_none(reader, option, value, at);
  switch (option->type) {
  case KD_OPT_BOOL:
    if (value->type != KD_V_BOOL) return wrong_type(reader, option, value);
    *(bool *)at = value->boolean;
    return true;
  case KD_OPT_INT:
    return read_int(reader, option, value, at);
  case KD_OPT_FLOAT:
    return read_float(reader, option, value, at);
  case KD_OPT_TEXT:
    return read_text(reader, option, value, at);
  case KD_OPT_CHOICE:
    return read_choice(reader, option, value, at);
  case KD_OPT_INTS:
    return read_ints(reader, option, value, at);
  case KD_OPT_FLOATS:
    return read_floats(reader, option, value, at);
  case KD_OPT_OBJECT:
    return read_object(reader, option, value, at);
  default:
    return read_objects(reader, option, value, at);
  }
}
