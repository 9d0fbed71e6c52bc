#include "io/json.h"

#include "device/base/text.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

enum { PATH_TEXT = 240 }; /* bytes of a path in messages */

typedef struct reader {
  kd_pool *pool;
  const char *name;
} reader;

static kd_status convert(const reader *r, json_object *from, const char *path, kd_value *to);

/* Counts before anything is allocated: an empty list takes two bytes of text and some hundred of memory. */
static kd_status check_counts(const char *name, const char *text, size_t bytes) {
  size_t containers = 0, values = 1;
  bool quoted = false;
  for (size_t i = 0; i < bytes; i++) {
    char c = text[i];
    if (quoted && c == '\\') i++;
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    containers += c == '[' || c == '{';
    values += c == '[' || c == '{' || c == ',';
  }
  KD_CHECK(containers <= KD_JSON_CONTAINERS && values <= KD_JSON_VALUES, KD_ERR_USAGE,
           "%s: more than %d values or %d objects and lists", kd_quoted(name), KD_JSON_VALUES,
           KD_JSON_CONTAINERS);
  return KD_OK;
}

static kd_status parse(const char *name, const char *text, size_t bytes, json_object **root) {
  json_tokener *tokener = json_tokener_new_ex(KD_JSON_DEPTH);
  if (!tokener) kd_out_of_memory(bytes);
  json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
  *root = json_tokener_parse_ex(tokener, text, (int)bytes);
  enum json_tokener_error error = json_tokener_get_error(tokener);
  size_t end = json_tokener_get_parse_end(tokener);
  json_tokener_free(tokener);
  if (error == json_tokener_success) return KD_OK;
  const char *reason = error == json_tokener_continue ? "it ends too early" : json_tokener_error_desc(error);
  return kd_fail(KD_ERR_USAGE, "%s: not JSON at byte %zu: %s", kd_quoted(name), end, reason);
}

/* A path with one more step; where it gets too long, the path as it is. */
static const char *longer(const reader *r, const char *path, const char *key, size_t item) {
  char step[PATH_TEXT];
  size_t room = strlen(path) + 2;
  if (key)
    snprintf(step, sizeof step, "%s%.80s", *path ? "." : "", kd_quoted(key));
  else
    snprintf(step, sizeof step, "[%zu]", item);
  return room + strlen(step) > PATH_TEXT ? path : kd_pool_printf(r->pool, "%s%s", path, step);
}

static const char *place(const reader *r, const char *path) {
  return *path ? kd_pool_printf(r->pool, "%s: %s", r->name, path) : r->name;
}

static kd_status convert_list(const reader *r, json_object *from, const char *path, kd_value *to) {
  size_t count = json_object_array_length(from);
  to->type = KD_V_LIST;
  to->origin.file = place(r, path);
  to->count = (int)count;
  to->items = kd_pool_alloc(r->pool, count, sizeof *to->items);
  for (size_t i = 0; i < count; i++) {
    json_object *item = json_object_array_get_idx(from, i);
    bool deep = json_object_is_type(item, json_type_array) || json_object_is_type(item, json_type_object);
    to->items[i].origin = to->origin;
    KD_TRY(convert(r, item, deep ? longer(r, path, NULL, i) : path, &to->items[i]));
  }
  return KD_OK;
}

static kd_status convert_object(const reader *r, json_object *from, const char *path, kd_value *to) {
  size_t count = (size_t)json_object_object_length(from);
  to->type = KD_V_CALL;
  to->text = "dict";
  to->origin.file = place(r, path);
  to->items = kd_pool_alloc(r->pool, count, sizeof *to->items);
  to->keys = kd_pool_alloc(r->pool, count, sizeof *to->keys);
  json_object_object_foreach(from, key, item) {
    bool deep = json_object_is_type(item, json_type_array) || json_object_is_type(item, json_type_object);
    to->keys[to->count] = kd_pool_strdup(r->pool, key);
    to->items[to->count].origin = to->origin;
    KD_TRY(convert(r, item, deep ? longer(r, path, key, 0) : path, &to->items[to->count]));
    to->count++;
  }
  return KD_OK;
}

/* json-c keeps the text of a number as it was written; integers beyond int64 come as its limits. */
static void convert_number(const reader *r, json_object *from, kd_value *to) {
  to->text = kd_pool_strdup(r->pool, json_object_get_string(from));
  to->real = json_object_get_double(from);
  to->integer = json_object_get_int64(from);
  bool whole = json_object_is_type(from, json_type_int) && to->integer > INT64_MIN && to->integer < INT64_MAX;
  to->type = whole ? KD_V_INT : KD_V_FLOAT;
}

static kd_status convert(const reader *r, json_object *from, const char *path, kd_value *to) {
  switch (json_object_get_type(from)) {
  case json_type_null:
    to->type = KD_V_NONE;
    to->text = "none";
    return KD_OK;
  case json_type_boolean:
    to->type = KD_V_BOOL;
    to->boolean = json_object_get_boolean(from);
    to->text = to->boolean ? "true" : "false";
    return KD_OK;
  case json_type_int:
  case json_type_double:
    convert_number(r, from, to);
    return KD_OK;
  case json_type_string:
    to->type = KD_V_TEXT;
    to->quoted = true;
    to->text = kd_pool_strdup(r->pool, json_object_get_string(from));
    KD_CHECK(strlen(to->text) == (size_t)json_object_get_string_len(from), KD_ERR_USAGE,
             "%s: a text holds a NUL byte", place(r, path));
    return KD_OK;
  case json_type_array:
    return convert_list(r, from, path, to);
  default:
    return convert_object(r, from, path, to);
  }
}

kd_status kd_json_read(kd_pool *pool, const char *name, const char *text, size_t bytes,
                       const kd_value **value) {
  KD_CHECK(bytes <= KD_JSON_BYTES, KD_ERR_USAGE, "%s: has %zu bytes, more than %d", kd_quoted(name), bytes,
           KD_JSON_BYTES);
  KD_CHECK(kd_valid_utf8(text, bytes), KD_ERR_USAGE, "%s: not UTF-8", kd_quoted(name));
  KD_TRY(check_counts(name, text, bytes));
  json_object *root = NULL;
  KD_TRY(parse(name, text, bytes, &root));
  reader r = {pool, kd_pool_strdup(pool, name)};
  kd_value *made = kd_pool_alloc(pool, 1, sizeof *made);
  made->origin.file = r.name;
  kd_status status = convert(&r, root, "", made);
  json_object_put(root);
  *value = made;
  return status;
}

bool kd_json_is_object(const kd_value *value) {
  return value && value->type == KD_V_CALL && strcmp(value->text, "dict") == 0;
}
