/* The parser of configuration values: recursive descent over one text, first error wins. */
#include "device/base/value.h"

#include <ctype.h>
#include <string.h>

#include "device/base/text.h"

enum { CALL_ITEMS = 4096, NEAR = 24 }; /* duplicate keys are looked for pairwise, so calls are limited */

typedef struct parser {
  kd_pool *pool;
  kd_diag *diag;
  kd_origin origin;
  const char *text; /* the whole value, for messages */
  const char *at;
  char *scratch; /* room for one word */
  int depth;
} parser;

static bool parse_one(parser *p, kd_value *out);

/* Adds "what near '...' in '...'" to the messages. */
static bool fail(parser *p, const char *what) {
  char near[NEAR + 1] = "";
  size_t length = strnlen(p->at, NEAR);
  memcpy(near, p->at, length);
  if (length)
    kd_diag_error(p->diag, p->origin, "%s near '%s' in '%s'", what, kd_quoted(near), kd_quoted(p->text));
  else
    kd_diag_error(p->diag, p->origin, "%s at the end of '%s'", what, kd_quoted(p->text));
  return false;
}

static void skip_space(parser *p) {
  while (isspace((unsigned char)*p->at)) p->at++;
}

static bool is_name(const char *text) {
  if (!isalpha((unsigned char)*text) && *text != '_') return false;
  while (isalnum((unsigned char)*text) || (*text && strchr("_.>", *text))) text++;
  return *text == '\0';
}

static void set_text(kd_value *value, const char *text, bool quoted) {
  value->type = KD_V_TEXT;
  value->text = text;
  value->quoted = quoted;
}

/* A word without quotes is a number or a constant when it reads as one. */
static void classify_word(kd_value *value, const char *word) {
  set_text(value, word, false);
  if (!strcmp(word, "none") || !strcmp(word, "None")) {
    value->type = KD_V_NONE;
  } else if (!strcmp(word, "true") || !strcmp(word, "True") || !strcmp(word, "false") ||
             !strcmp(word, "False")) {
    value->type = KD_V_BOOL;
    value->boolean = tolower((unsigned char)word[0]) == 't';
  } else if (kd_parse_int(word, &value->integer)) {
    value->type = KD_V_INT;
    value->real = (double)value->integer;
  } else if (kd_parse_float(word, &value->real)) {
    value->type = KD_V_FLOAT;
  }
}

/* Reads "..." behind the opening quote into out; returns the end of out, or NULL after an error. */
static char *read_quoted(parser *p, char *out) {
  for (p->at++; *p->at != '"'; p->at++) {
    char c = *p->at;
    if (c == '\0') {
      fail(p, "a quote \" is not closed");
      return NULL;
    }
    if (c == '\\') {
      c = *++p->at;
      const char *known = strchr("\"\\nt", c);
      if (c == '\0' || !known) {
        p->at--;
        fail(p, "unknown escape; in quotes \\\" \\\\ \\n \\t are known");
        return NULL;
      }
      c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
    }
    *out++ = c;
  }
  p->at++;
  return out;
}

/* A word ends at white space, a comma, '=' or a bracket; "[" inside a word is a file pattern
 * (part-[0-9].npy). */
static bool word_goes_on(char c, int pattern) {
  if (c == '\0' || isspace((unsigned char)c) || c == ',' || c == '=' || c == '(' || c == ')') return false;
  return c != ']' || pattern > 0;
}

static bool parse_word(parser *p, kd_value *out) {
  if (*p->at == '\'') return fail(p, "texts are quoted by \" \"");
  const char *start = p->at;
  char *end = p->scratch;
  int pattern = 0;
  bool quoted = false;
  while (*p->at == '"' || word_goes_on(*p->at, pattern)) {
    if (*p->at == '"') {
      quoted = true;
      end = read_quoted(p, end);
      if (!end) return false;
      continue;
    }
    pattern += (*p->at == '[') - (*p->at == ']');
    *end++ = *p->at++;
  }
  if (p->at == start) return fail(p, "a value is missing");
  const char *word = kd_pool_strndup(p->pool, p->scratch, (size_t)(end - p->scratch));
  if (quoted)
    set_text(out, word, true);
  else
    classify_word(out, word);
  return true;
}

/* Reads "key =" before an item of a call; *key stays NULL when the item has none. */
static bool parse_key(parser *p, kd_value *call, const char **key) {
  *key = NULL;
  const char *end = p->at;
  while (isalnum((unsigned char)*end) || (*end && strchr("_.-", *end))) end++;
  const char *equals = end;
  while (isspace((unsigned char)*equals)) equals++;
  if (end == p->at || *equals != '=') return true;
  const char *name = kd_pool_strndup(p->pool, p->at, (size_t)(end - p->at));
  for (int i = 0; i < call->count; i++)
    if (kd_streq(call->keys[i], name)) return fail(p, "a key is given twice");
  *key = name;
  p->at = equals + 1;
  skip_space(p);
  return true;
}

static const char *separator_error(char found, char close) {
  if (found == '\0' && close) return "a bracket is not closed";
  return found == '=' ? "key=value stands only in calls" : "a comma, or quotes around a text, is missing";
}

/* Reads items up to `close`. For a call, items may have keys. *comma tells whether a comma was seen. */
static bool parse_items(parser *p, char close, kd_value *out, bool is_call, bool *comma) {
  size_t item_room = 0, key_room = 0;
  *comma = false;
  for (;;) {
    skip_space(p);
    if (*p->at == close) break;
    if (*p->at == '\0') return fail(p, separator_error('\0', close));
    size_t used = (size_t)out->count;
    if (is_call && used >= CALL_ITEMS) return fail(p, "more than 4096 arguments");
    const char *key = NULL;
    if (is_call && !parse_key(p, out, &key)) return false;
    if (is_call && !key && used > 0 && out->keys[used - 1])
      return fail(p, "a value without key follows one with key");
    out->items = kd_pool_grow(p->pool, out->items, used, &item_room, sizeof *out->items);
    if (is_call) {
      out->keys = kd_pool_grow(p->pool, out->keys, used, &key_room, sizeof *out->keys);
      out->keys[used] = key;
    }
    if (!parse_one(p, &out->items[used])) return false;
    out->count++;
    skip_space(p);
    if (*p->at == close) break;
    if (*p->at != ',') return fail(p, separator_error(*p->at, close));
    *comma = true;
    p->at++;
  }
  if (close) p->at++;
  return true;
}

static bool parse_brackets(parser *p, kd_value *out) {
  char open = *p->at++;
  bool comma;
  out->type = KD_V_LIST;
  if (!parse_items(p, open == '(' ? ')' : ']', out, false, &comma)) return false;
  /* As in Python, (x) is x and (x,) is a list of one. */
  if (open == '(' && out->count == 1 && !comma) *out = out->items[0];
  return true;
}

static bool parse_call(parser *p, kd_value *out) {
  if (out->quoted || !is_name(out->text)) return fail(p, "a name is expected before '('");
  bool comma;
  p->at++;
  out->type = KD_V_CALL;
  return parse_items(p, ')', out, true, &comma);
}

static bool parse_one(parser *p, kd_value *out) {
  memset(out, 0, sizeof *out);
  out->origin = p->origin;
  if (++p->depth > KD_VALUE_DEPTH) return fail(p, "brackets are nested more than 64 deep");
  skip_space(p);
  bool good;
  if (*p->at == '(' || *p->at == '[') {
    good = parse_brackets(p, out);
  } else {
    good = parse_word(p, out);
    if (good && *p->at == '(') good = parse_call(p, out);
  }
  p->depth--;
  return good;
}

static kd_value *parse(parser *p, bool top_list) {
  kd_value *value = kd_pool_alloc(p->pool, 1, sizeof *value);
  bool comma = false;
  skip_space(p);
  if (*p->at == '\0') {
    kd_diag_error(p->diag, p->origin, "a value is missing; the empty text is written \"\"");
    return NULL;
  }
  if (!top_list) return parse_one(p, value) ? value : NULL;
  value->type = KD_V_LIST;
  value->origin = p->origin;
  if (!parse_items(p, '\0', value, false, &comma)) return NULL;
  return comma ? value : &value->items[0];
}

static parser start(kd_pool *pool, kd_diag *diag, kd_origin origin, const char *text) {
  /* No word is longer than the whole text. */
  return (parser){pool, diag, origin, text, text, kd_calloc(strlen(text) + 1, 1), 0};
}

kd_value *kd_value_parse(kd_pool *pool, kd_diag *diag, kd_origin origin, const char *text, bool top_list) {
  parser p = start(pool, diag, origin, text);
  kd_value *value = parse(&p, top_list);
  skip_space(&p);
  if (value && *p.at) {
    fail(&p, *p.at == '=' ? "key=value stands only in calls" : "texts with spaces or brackets need quotes:");
    value = NULL;
  }
  kd_free(p.scratch);
  return value;
}

kd_value *kd_value_parse_first(kd_pool *pool, kd_diag *diag, kd_origin origin, const char *text,
                               const char **rest) {
  parser p = start(pool, diag, origin, text);
  kd_value *value = parse(&p, false);
  skip_space(&p);
  *rest = p.at;
  kd_free(p.scratch);
  return value;
}

const kd_value *kd_value_key(const kd_value *call, const char *key) {
  for (int i = 0; call && call->keys && i < call->count; i++)
    if (kd_streq(call->keys[i], key)) return &call->items[i];
  return NULL;
}

static kd_value *create(kd_pool *pool, kd_value_type type) {
  kd_value *value = kd_pool_alloc(pool, 1, sizeof *value);
  value->type = type;
  return value;
}

kd_value *kd_value_text(kd_pool *pool, const char *text) {
  kd_value *value = create(pool, KD_V_TEXT);
  value->text = kd_pool_strdup(pool, text);
  return value;
}

kd_value *kd_value_int(kd_pool *pool, int64_t integer) {
  kd_value *value = create(pool, KD_V_INT);
  value->integer = integer;
  value->real = (double)integer;
  value->text = kd_pool_printf(pool, "%lld", (long long)integer);
  return value;
}

kd_value *kd_value_float(kd_pool *pool, double real) {
  char text[32];
  kd_format_float(real, false, text);
  kd_value *value = create(pool, KD_V_FLOAT);
  value->real = real;
  value->text = kd_pool_strdup(pool, text);
  return value;
}

kd_value *kd_value_bool(kd_pool *pool, bool boolean) {
  kd_value *value = create(pool, KD_V_BOOL);
  value->boolean = boolean;
  value->text = boolean ? "true" : "false";
  return value;
}
