/* `section.key=value` from the command line and from KDIST_SET. */
#include <ctype.h>
#include <string.h>

#include "device/base/text.h"
#include "launch/ini.h"

/* The nearest of all sections and layers that the document spells out. */
static const char *nearest_target(const kd_ini *ini, const char *name) {
  size_t count = 0, room = 0;
  const char **names = NULL;
  for (int i = 0; i < ini->n_sections; i++) {
    const kd_ini_section *section = ini->sections[i];
    int lines = !strcmp(section->kind, "layers") ? section->n_keys : 0;
    for (int k = -1; k < lines; k++) {
      names = kd_pool_grow(ini->pool, names, count, &room, sizeof *names);
      names[count++] = k >= 0 ? section->keys[k].name : section->name ? section->name : section->kind;
    }
  }
  const char *near = kd_nearest(name, names, count, sizeof *names);
  return near ? near : kd_ini_kind_near(name);
}

/* "stage2.0/mix/conv" belongs to the line "stage2": what stands before the first '.' or '/'. */
static bool layer_exists(const kd_ini *ini, const char *name) {
  if (kd_ini_section_find(ini, "layer", name)) return true;
  const char *root = kd_pool_strndup(ini->pool, name, strcspn(name, "./"));
  return kd_ini_section_find(ini, "layer", root) ||
         kd_ini_key_find(kd_ini_section_find(ini, "layers", NULL), root);
}

static bool target_exists(const kd_ini *ini, kd_diag *diag, kd_origin origin, const char *text,
                          const kd_ini_path *path) {
  kd_ini_naming naming;
  const char *quoted = kd_quoted(text);
  if (!strcmp(path->kind, "layer")) {
    if (layer_exists(ini, path->name)) return true;
    const char *near = nearest_target(ini, path->name);
    kd_diag_error(diag, origin, "override '%s': no section or layer is called '%s'%s%s%s", quoted,
                  kd_quoted(path->name), near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return false;
  }
  bool named = kd_ini_kind(path->kind, &naming) && naming == KD_INI_NAMED;
  /* [output N] and [defaults T] may come from an override alone; an input or block cannot. */
  bool must_exist = named && (!strcmp(path->kind, "input") || !strcmp(path->kind, "block"));
  if (!must_exist || kd_ini_section_find(ini, path->kind, path->name)) return true;
  kd_diag_error(diag, origin, "override '%s': there is no [%s %s]", quoted, path->kind,
                kd_quoted(path->name));
  return false;
}

void kd_ini_override(kd_ini *ini, kd_diag *diag, kd_origin origin, const char *text, int source) {
  const char *equals = strchr(text, '=');
  if (!equals) {
    kd_diag_error(diag, origin, "override '%s': expected section.key=value", kd_quoted(text));
    return;
  }
  if (!kd_valid_utf8(text, strlen(text))) {
    kd_diag_error(diag, origin, "override '%s': invalid UTF-8", kd_quoted(text));
    return;
  }
  const char *start = text, *end = equals;
  while (isspace((unsigned char)*start)) start++;
  while (end > start && isspace((unsigned char)end[-1])) end--;
  kd_ini_path path;
  if (!kd_ini_split_path(ini->pool, kd_pool_strndup(ini->pool, start, (size_t)(end - start)), &path)) {
    kd_diag_error(diag, origin, "override '%s': expected section.key=value, or layer.key=value",
                  kd_quoted(text));
    return;
  }
  if (!target_exists(ini, diag, origin, text, &path)) return;
  kd_ini_section *section = kd_ini_section_find(ini, path.kind, path.name);
  if (!section) section = kd_ini_section_add(ini, path.kind, path.name, origin, source);
  const char *value = equals + 1;
  while (isspace((unsigned char)*value)) value++;
  kd_ini_key_set(ini, section, path.key, kd_pool_strdup(ini->pool, value), origin, source);
}

void kd_ini_override_all(kd_ini *ini, kd_diag *diag, kd_origin origin, const char *text, int source) {
  while (*text) {
    while (isspace((unsigned char)*text)) text++;
    const char *start = text;
    bool quoted = false;
    for (; *text && (quoted || !isspace((unsigned char)*text)); text++) {
      if (*text == '"') quoted = !quoted;
      if (*text == '\\' && quoted && text[1]) text++;
    }
    if (text > start)
      kd_ini_override(ini, diag, origin, kd_pool_strndup(ini->pool, start, (size_t)(text - start)), source);
  }
}
