#include "io/json.h"

#include "device/base/text.h"

#include <json-c/json.h>
#include <math.h>

/* Numbers that are not finite have Python's names in json-c too. */
static json_object *number(double value) {
  char text[32];
  if (!isfinite(value)) return json_object_new_double(value);
  kd_format_float(value, false, text);
  return json_object_new_double_s(value, text);
}

static json_object *convert(const kd_value *value);

static json_object *convert_list(const kd_value *value) {
  json_object *list = json_object_new_array();
  for (int i = 0; i < value->count; i++) json_object_array_add(list, convert(&value->items[i]));
  return list;
}

static json_object *convert_object(const kd_value *value) {
  json_object *object = json_object_new_object();
  for (int i = 0; i < value->count; i++)
    json_object_object_add(object, value->keys[i], convert(&value->items[i]));
  return object;
}

static json_object *convert(const kd_value *value) {
  switch (value->type) {
  case KD_V_NONE:
    return NULL;
  case KD_V_BOOL:
    return json_object_new_boolean(value->boolean);
  case KD_V_INT:
    return json_object_new_int64(value->integer);
  case KD_V_FLOAT:
    return number(value->real);
  case KD_V_TEXT:
    return json_object_new_string(value->text);
  case KD_V_LIST:
    return convert_list(value);
  default:
    return convert_object(value);
  }
}

const char *kd_json_write(kd_pool *pool, const kd_value *value) {
  json_object *root = convert(value);
  const char *text =
      json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
  text = kd_pool_strdup(pool, text);
  json_object_put(root);
  return text;
}
