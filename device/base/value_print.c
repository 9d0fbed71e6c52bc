/* Values as text that kd_value_parse reads back to an equal value. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "device/base/text.h"
#include "device/base/value.h"

typedef struct writer {
  char *text;
  size_t used, capacity;
} writer;

static void put(writer *w, const char *text, size_t length) {
  while (w->used + length + 1 > w->capacity) {
    w->capacity = w->capacity ? 2 * w->capacity : 128;
    w->text = kd_realloc(w->text, w->capacity, 1);
  }
  memcpy(w->text + w->used, text, length);
  w->used += length;
}

static void put_text(writer *w, const char *text) {
  put(w, text, strlen(text));
}

static bool reads_as_other(const char *word) {
  static const char *const constants[] = {"none", "None", "true", "True", "false", "False"};
  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
    if (!strcmp(word, constants[i])) return true;
  int64_t integer;
  double real;
  return kd_parse_int(word, &integer) || kd_parse_float(word, &real);
}

static bool needs_quotes(const char *word) {
  if (*word == '\0' || *word == '\'' || *word == ';' || reads_as_other(word)) return true;
  int pattern = 0;
  for (const char *c = word; *c; c++) {
    if (isspace((unsigned char)*c) || iscntrl((unsigned char)*c) || strchr(",=()\"\\", *c)) return true;
    if ((*c == '[' && c == word) || (*c == '#' && c == word)) return true;
    pattern += (*c == '[') - (*c == ']');
    if (pattern < 0) return true;
  }
  return pattern != 0;
}

static void put_word(writer *w, const kd_value *value) {
  if (!needs_quotes(value->text)) {
    put_text(w, value->text);
    return;
  }
  put_text(w, "\"");
  for (const char *c = value->text; *c; c++) {
    if (*c == '"' || *c == '\\') put_text(w, "\\");
    if (*c == '\n' || *c == '\t')
      put_text(w, *c == '\n' ? "\\n" : "\\t");
    else
      put(w, c, 1);
  }
  put_text(w, "\"");
}

static void put_value(writer *w, const kd_value *value);

static void put_items(writer *w, const kd_value *value, const char *open, const char *close) {
  put_text(w, open);
  for (int i = 0; i < value->count; i++) {
    if (i) put_text(w, ", ");
    if (value->keys && value->keys[i]) {
      put_text(w, value->keys[i]);
      put_text(w, "=");
    }
    put_value(w, &value->items[i]);
  }
  put_text(w, close);
}

static void put_value(writer *w, const kd_value *value) {
  char number[32];
  switch (value->type) {
  case KD_V_NONE:
    put_text(w, "none");
    break;
  case KD_V_BOOL:
    put_text(w, value->boolean ? "true" : "false");
    break;
  case KD_V_INT:
    snprintf(number, sizeof number, "%lld", (long long)value->integer);
    put_text(w, number);
    break;
  case KD_V_FLOAT:
    kd_format_float(value->real, false, number);
    put_text(w, number);
    break;
  case KD_V_TEXT:
    put_word(w, value);
    break;
  case KD_V_LIST:
    put_items(w, value, value->count == 1 ? "[" : "(", value->count == 1 ? "]" : ")");
    break;
  case KD_V_CALL:
    put_text(w, value->text);
    put_items(w, value, "(", ")");
    break;
  }
}

const char *kd_value_print(kd_pool *pool, const kd_value *value) {
  writer w = {0};
  put_value(&w, value);
  const char *text = kd_pool_strndup(pool, w.text, w.used);
  kd_free(w.text);
  return text;
}
