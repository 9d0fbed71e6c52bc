#include "launch/interpolate.h"

#include <ctype.h>
#include <string.h>

#include "device/base/text.h"
#include "device/base/value.h"
#include "launch/arithmetic.h"

enum { STACK = 32 };

typedef struct output {
  char *text;
  size_t used, room;
} output;

/* Everything one replacement needs. */
typedef struct replacer {
  kd_interpolation *context;
  const kd_scope *scope;
  kd_origin origin;
} replacer;

static void put(output *out, const char *text, size_t length) {
  while (out->used + length + 1 > out->room) {
    out->room = out->room ? 2 * out->room : 128;
    out->text = kd_realloc(out->text, out->room, 1);
  }
  memcpy(out->text + out->used, text, length);
  out->used += length;
}

static const char *error(const replacer *r, const char *what, const char *where) {
  kd_diag_error(r->context->diag, r->origin, "${%s}: %s", kd_quoted(where), what);
  return NULL;
}

/* ${env:NAME} or ${env:NAME,default}; the default may hold references itself. */
static const char *environment(const replacer *r, const char *name) {
  kd_interpolation *c = r->context;
  size_t length = strcspn(name, ",");
  const kd_source *source = kd_sources_env(c->sources, kd_pool_strndup(c->pool, name, length));
  if (source->data) {
    if (!kd_valid_utf8(source->data, source->bytes)) return error(r, "the variable is not UTF-8", name);
    return source->data;
  }
  if (name[length] == ',') return kd_interpolate(c, r->scope, r->origin, name + length + 1);
  return error(r, "the environment variable is not set; ${env:NAME,default} gives a default", name);
}

static const char *circle(const replacer *r, const kd_ini_key *key) {
  kd_interpolation *c = r->context;
  const char *chain = "";
  int i = c->depth - 1;
  while (i > 0 && c->stack[i] != key) i--;
  for (; i < c->depth; i++)
    chain =
        kd_pool_printf(c->pool, "%s%s in line %d -> ", chain, c->stack[i]->name, c->stack[i]->origin.line);
  return error(r, kd_pool_printf(c->pool, "refers to itself: %s%s", chain, key->name), key->name);
}

static const char *resolve(const replacer *r, const kd_ini_section *section, kd_ini_key *key) {
  if (key->state == KD_INI_BUSY) return circle(r, key);
  return kd_ini_resolve(r->context, section, key);
}

static const kd_fact *find_binding(const kd_fact *bindings, int count, const char *name) {
  for (int i = 0; i < count; i++)
    if (!strcmp(bindings[i].name, name)) return &bindings[i];
  return NULL;
}

static const char *missing(const replacer *r, const char *name) {
  const kd_scope *scope = r->scope;
  size_t count = 0, room = 0;
  const char **names = NULL;
  for (int i = 0; scope && i < scope->n_bindings; i++) {
    names = kd_pool_grow(r->context->pool, names, count, &room, sizeof *names);
    names[count++] = scope->bindings[i].name;
  }
  for (int i = 0; scope && scope->section && i < scope->section->n_keys; i++) {
    names = kd_pool_grow(r->context->pool, names, count, &room, sizeof *names);
    names[count++] = scope->section->keys[i].name;
  }
  const char *near = kd_nearest(name, names, count, sizeof *names);
  if (!near) return error(r, "there is no such key", name);
  return error(r, kd_pool_printf(r->context->pool, "there is no such key; did you mean '%s'?", near), name);
}

/* The text that a name stands for; NULL after an error. */
static const char *look_up(const replacer *r, const char *name) {
  kd_interpolation *c = r->context;
  const kd_scope *scope = r->scope;
  if (!strncmp(name, "env:", 4)) return environment(r, name + 4);
  if (!c->ini) return error(r, "only ${env:NAME} may stand here", name);
  const kd_fact *binding = scope ? find_binding(scope->bindings, scope->n_bindings, name) : NULL;
  if (binding) return binding->text;
  /* The lines of a block depend on its parameters; only its notes are plain texts. */
  bool block = scope && scope->section && !strcmp(scope->section->kind, "block");
  if (scope && scope->section && (!block || !strncmp(name, "x-", 2))) {
    kd_ini_key *key = kd_ini_key_find(scope->section, name);
    if (key) return resolve(r, scope->section, key);
  }
  kd_ini_path path;
  if (kd_ini_split_path(c->pool, name, &path)) {
    const kd_ini_section *section = kd_ini_section_find(c->ini, path.kind, path.name);
    kd_ini_key *key = kd_ini_key_find(section, path.key);
    if (key && strcmp(path.kind, "block") != 0) return resolve(r, section, key);
  }
  const kd_fact *fact = find_binding(c->facts, c->n_facts, name);
  if (fact) {
    c->facts_used = true;
    return fact->text;
  }
  return missing(r, name);
}

/* For arithmetic: errors of look_up are in diag already, so the reason is empty then. */
static const char *look_up_number(void *user, const char *name, kd_number *out) {
  const replacer *r = user;
  const char *text = look_up(r, name);
  if (!text) return "";
  if (kd_number_parse(text, out)) return NULL;
  return kd_pool_printf(r->context->pool, "'%s' is '%s', which is no number", kd_quoted(name),
                        kd_quoted(text));
}

/* Text that goes inside quotes: taken out of its own quotes, with escapes. */
static void put_quoted(const replacer *r, output *out, const char *text) {
  if (text[0] == '"') {
    kd_diag *ignored = kd_diag_create();
    const kd_value *value = kd_value_parse(r->context->pool, ignored, r->origin, text, false);
    if (value && value->type == KD_V_TEXT) text = value->text;
    kd_diag_destroy(ignored);
  }
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') put(out, "\\", 1);
    put(out, text, 1);
  }
}

/* The end of "${" or "$(" whose content starts at `at`: its closing bracket, or NULL. */
static const char *closing(const char *at, char open, char close) {
  int depth = 0;
  for (; *at; at++) {
    if (*at == close && depth-- == 0) return at;
    if (*at == open) depth++;
    if (open == '(' && at[0] == '$' && at[1] == '{') {
      at = closing(at + 2, '{', '}');
      if (!at) return NULL;
    }
  }
  return NULL;
}

static const char *replace(const replacer *r, char kind, const char *content) {
  if (kind == '{') return look_up(r, content);
  const char *failure;
  const char *text = kd_arithmetic(r->context->pool, content, look_up_number, (void *)r, &failure);
  if (!text && *failure) kd_diag_error(r->context->diag, r->origin, "$(%s): %s", kd_quoted(content), failure);
  return text;
}

static bool within_limits(const replacer *r, const output *out) {
  kd_interpolation *c = r->context;
  if (out->used <= KD_TEXT_LIMIT && c->total + out->used <= KD_TEXT_TOTAL) return true;
  kd_diag_error(c->diag, r->origin, "the text grows beyond %d bytes by its references", KD_TEXT_LIMIT);
  return false;
}

static bool replace_all(const replacer *r, const char *at, output *out) {
  bool quoted = false;
  while (*at) {
    if (*at == '"') quoted = !quoted;
    if (*at == '\\' && quoted && at[1]) put(out, at++, 1);
    if (at[0] != '$' || (at[1] != '{' && at[1] != '(' && at[1] != '$')) {
      put(out, at++, 1);
      continue;
    }
    if (at[1] == '$') {
      put(out, "$", 1);
      at += 2;
      continue;
    }
    char open = at[1];
    const char *end = closing(at + 2, open, open == '{' ? '}' : ')');
    if (!end) {
      kd_diag_error(r->context->diag, r->origin, "'%s': a '%c' is missing", kd_quoted(at),
                    open == '{' ? '}' : ')');
      return false;
    }
    const char *text = replace(r, open, kd_pool_strndup(r->context->pool, at + 2, (size_t)(end - at - 2)));
    if (!text) return false;
    if (quoted)
      put_quoted(r, out, text);
    else
      put(out, text, strlen(text));
    if (!within_limits(r, out)) return false;
    at = end + 1;
  }
  return true;
}

const char *kd_interpolate(kd_interpolation *context, const kd_scope *scope, kd_origin origin,
                           const char *text) {
  if (!strchr(text, '$')) return text;
  replacer r = {context, scope, origin};
  output out = {0};
  const char *result = NULL;
  if (replace_all(&r, text, &out)) {
    result = kd_pool_strndup(context->pool, out.text ? out.text : "", out.used);
    context->total += out.used;
  }
  kd_free(out.text);
  return result;
}

const char *kd_ini_resolve(kd_interpolation *context, const kd_ini_section *section, kd_ini_key *key) {
  if (key->state == KD_INI_DONE) return key->resolved;
  if (key->state == KD_INI_FAILED) return NULL;
  if (context->depth == STACK) {
    kd_diag_error(context->diag, key->origin, "%s: references go more than %d keys deep", key->name, STACK);
    return NULL;
  }
  context->stack[context->depth++] = key;
  key->state = KD_INI_BUSY;
  kd_scope scope = {section, NULL, 0};
  key->resolved = kd_interpolate(context, &scope, key->origin, key->text);
  key->state = key->resolved ? KD_INI_DONE : KD_INI_FAILED;
  context->depth--;
  return key->resolved;
}

void kd_ini_unresolve(kd_ini *ini) {
  for (int i = 0; i < ini->n_sections; i++)
    for (int k = 0; k < ini->sections[i]->n_keys; k++) ini->sections[i]->keys[k].state = KD_INI_RAW;
}
