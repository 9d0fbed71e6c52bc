/* Objects of a family: finding the kind by name and filling its options. */
#include <string.h>

#include "device/base/option_read.h"
#include "device/base/text.h"

enum { LISTED_KINDS = 12 };

static bool has_alias(const char *aliases, const char *name) {
  size_t length = strlen(name);
  for (const char *at = aliases; at; at = strchr(at, '|')) {
    if (*at == '|') at++;
    if (strcspn(at, "|") == length && !strncmp(at, name, length)) return true;
  }
  return false;
}

const kd_kind *kd_family_find(const kd_family *family, const char *name) {
  for (size_t i = 0; i < family->count; i++)
    if (!strcmp(family->kinds[i]->name, name)) return family->kinds[i];
  for (size_t i = 0; i < family->count; i++)
    if (has_alias(family->kinds[i]->aliases, name)) return family->kinds[i];
  return NULL;
}

/* Names and aliases of all kinds, for the nearest-name search. */
static size_t all_names(kd_pool *pool, const kd_family *family, const char ***names) {
  size_t count = 0, room = 0;
  for (size_t i = 0; i < family->count; i++) {
    *names = kd_pool_grow(pool, *names, count, &room, sizeof **names);
    (*names)[count++] = family->kinds[i]->name;
    char alias[64];
    for (int k = 0; family->kinds[i]->aliases && kd_choice_text(family->kinds[i]->aliases, k, alias); k++) {
      *names = kd_pool_grow(pool, *names, count, &room, sizeof **names);
      (*names)[count++] = kd_pool_strdup(pool, alias);
    }
  }
  return count;
}

const char *kd_family_hint(kd_pool *pool, const kd_family *family, const char *name) {
  const char **names = NULL;
  size_t count = all_names(pool, family, &names);
  const char *near = kd_nearest(name, names, count, sizeof *names);
  if (near) return kd_pool_printf(pool, "; did you mean '%s'?", near);
  if (family->count > LISTED_KINDS) return "";
  const char *list = "; known are: ";
  for (size_t i = 0; i < family->count; i++)
    list = kd_pool_printf(pool, "%s%s%s", list, i ? ", " : "", family->kinds[i]->name);
  return list;
}

bool kd_object_read(const kd_option_reader *reader, const kd_family *family, const kd_value *value,
                    kd_object *object) {
  *object = (kd_object){0};
  if (!value || value->type == KD_V_NONE) return true;
  if (value->type != KD_V_TEXT && value->type != KD_V_CALL)
    return kd_option_error(reader, value, "%s is no %s: expected Name or Name(...)",
                           kd_quoted(kd_value_print(reader->diag->pool, value)), family->noun);
  const kd_kind *kind = kd_family_find(family, value->text);
  if (!kind)
    return kd_option_error(reader, value, "unknown %s '%s'%s", family->noun, kd_quoted(value->text),
                           kd_family_hint(reader->diag->pool, family, value->text));
  int count = value->type == KD_V_CALL ? value->count : 0;
  const kd_value **values = kd_pool_alloc(reader->pool, (size_t)count, sizeof *values);
  for (int i = 0; i < count; i++) values[i] = &value->items[i];
  bool named = reader->subject && *reader->subject;
  const char *subject = kd_pool_printf(reader->diag->pool, "%s%s%s %s", named ? reader->subject : "",
                                       named ? ": " : "", family->noun, kind->name);
  kd_origin origin = value->origin.file ? value->origin : reader->origin;
  object->kind = kind;
  object->value = value;
  object->options = kd_pool_alloc(reader->pool, 1, kind->options_size);
  return kd_options_fill(reader->pool, reader->diag, subject, origin, kind, count, value->keys, values,
                         object->options);
}

bool kd_object_make(kd_pool *pool, kd_diag *diag, const kd_family *family, const kd_value *value,
                    kd_object *object) {
  kd_option_reader reader = {pool, diag, NULL, value ? value->origin : (kd_origin){NULL, 0}};
  return kd_object_read(&reader, family, value, object);
}
