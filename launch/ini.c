/* Documents: look-up, adding, merging, and the list of section kinds. */
#include "launch/ini.h"

#include <string.h>

#include "device/base/text.h"

kd_ini *kd_ini_create(kd_pool *pool) {
  kd_ini *ini = kd_pool_alloc(pool, 1, sizeof *ini);
  ini->pool = pool;
  return ini;
}

static const char *title_of(kd_pool *pool, const char *kind, const char *name) {
  return name ? kd_pool_printf(pool, "%s %s", kind, name) : kd_pool_strdup(pool, kind);
}

kd_ini_section *kd_ini_section_find(const kd_ini *ini, const char *kind, const char *name) {
  int at = kd_name_find(&ini->index, name ? title_of(ini->pool, kind, name) : kind);
  return at < 0 ? NULL : ini->sections[at];
}

kd_ini_section *kd_ini_section_add(kd_ini *ini, const char *kind, const char *name, kd_origin origin,
                                   int source) {
  kd_ini_section *section = kd_pool_alloc(ini->pool, 1, sizeof *section);
  section->kind = kd_pool_strdup(ini->pool, kind);
  section->name = name ? kd_pool_strdup(ini->pool, name) : NULL;
  section->title = title_of(ini->pool, kind, name);
  section->origin = origin;
  section->source = source;
  size_t used = (size_t)ini->n_sections;
  ini->sections = kd_pool_grow(ini->pool, ini->sections, used, &ini->capacity, sizeof *ini->sections);
  ini->sections[used] = section;
  kd_name_add(&ini->index, ini->pool, section->title, ini->n_sections++);
  return section;
}

kd_ini_key *kd_ini_key_find(const kd_ini_section *section, const char *name) {
  int at = section ? kd_name_find(&section->index, name) : -1;
  return at < 0 ? NULL : &section->keys[at];
}

void kd_ini_key_set(kd_ini *ini, kd_ini_section *section, const char *name, const char *text,
                    kd_origin origin, int source) {
  kd_ini_key *key = kd_ini_key_find(section, name);
  if (!key) {
    size_t used = (size_t)section->n_keys;
    section->keys = kd_pool_grow(ini->pool, section->keys, used, &section->capacity, sizeof *section->keys);
    key = &section->keys[used];
    key->name = kd_pool_strdup(ini->pool, name);
    kd_name_add(&section->index, ini->pool, key->name, section->n_keys++);
  }
  key->text = text;
  key->origin = origin;
  key->source = source;
  key->state = KD_INI_RAW;
}

void kd_ini_merge_section(kd_ini *into, const kd_ini_section *section, int source) {
  kd_ini_section *target = kd_ini_section_find(into, section->kind, section->name);
  if (!target) target = kd_ini_section_add(into, section->kind, section->name, section->origin, source);
  for (int k = 0; k < section->n_keys; k++) {
    const kd_ini_key *key = &section->keys[k];
    kd_ini_key_set(into, target, key->name, key->text, key->origin, source);
  }
}

void kd_ini_merge(kd_ini *into, const kd_ini *from, int source) {
  for (int i = 0; i < from->n_sections; i++)
    if (from->sections[i]->kind[0]) kd_ini_merge_section(into, from->sections[i], source);
}

static const struct {
  const char *kind;
  kd_ini_naming naming;
} kinds[] = {
    {"run", KD_INI_UNNAMED},    {"input", KD_INI_NAMED},       {"layer", KD_INI_NAMED},
    {"layers", KD_INI_UNNAMED}, {"block", KD_INI_NAMED},       {"defaults", KD_INI_NAMED},
    {"output", KD_INI_NAMED},   {"model", KD_INI_UNNAMED},     {"data", KD_INI_UNNAMED},
    {"train", KD_INI_UNNAMED},  {"callbacks", KD_INI_UNNAMED}, {"distributed", KD_INI_UNNAMED},
    {"log", KD_INI_UNNAMED},    {"export", KD_INI_UNNAMED},    {"serve", KD_INI_UNNAMED},
    {"slurm", KD_INI_UNNAMED},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

bool kd_ini_kind(const char *kind, kd_ini_naming *naming) {
  for (size_t i = 0; i < N_KINDS; i++) {
    if (strcmp(kinds[i].kind, kind) != 0) continue;
    *naming = kinds[i].naming;
    return true;
  }
  return false;
}

bool kd_ini_split_path(kd_pool *pool, const char *text, kd_ini_path *path) {
  const char *dot = strchr(text, '.'), *last = strrchr(text, '.');
  if (!dot || dot == text || last[1] == '\0') return false;
  const char *first = kd_pool_strndup(pool, text, (size_t)(dot - text));
  kd_ini_naming naming;
  bool known = kd_ini_kind(first, &naming);
  if ((known && naming == KD_INI_UNNAMED) || !strncmp(first, "x-", 2)) {
    *path = (kd_ini_path){first, NULL, dot + 1};
    return true;
  }
  /* A layer's name may stand for layer.NAME. */
  const char *name = known ? dot + 1 : text;
  if (last <= name) return false;
  *path =
      (kd_ini_path){known ? first : "layer", kd_pool_strndup(pool, name, (size_t)(last - name)), last + 1};
  return true;
}

const char *kd_ini_kind_near(const char *kind) {
  return kd_nearest(kind, &kinds[0].kind, N_KINDS, sizeof kinds[0]);
}

static void unknown_kind(const kd_ini_section *section, kd_diag *diag) {
  const char *near = kd_ini_kind_near(section->kind);
  if (near) {
    kd_diag_error(diag, section->origin, "[%s]: unknown kind of section '%s'; did you mean '%s'?",
                  kd_quoted(section->title), kd_quoted(section->kind), near);
    return;
  }
  const char *list = "";
  for (size_t i = 0; i < N_KINDS; i++)
    list = kd_pool_printf(diag->pool, "%s%s%s", list, i ? ", " : "", kinds[i].kind);
  kd_diag_error(diag, section->origin, "[%s]: unknown kind of section '%s'; known are: %s",
                kd_quoted(section->title), kd_quoted(section->kind), list);
}

void kd_ini_check_kinds(const kd_ini *ini, kd_diag *diag) {
  for (int i = 0; i < ini->n_sections; i++) {
    const kd_ini_section *section = ini->sections[i];
    kd_ini_naming naming;
    if (!strncmp(section->kind, "x-", 2)) continue;
    if (!kd_ini_kind(section->kind, &naming))
      unknown_kind(section, diag);
    else if (naming == KD_INI_NAMED && !section->name)
      kd_diag_error(diag, section->origin, "[%s]: a name is missing: [%s NAME]", section->kind,
                    section->kind);
    else if (naming == KD_INI_UNNAMED && section->name)
      kd_diag_error(diag, section->origin, "[%s]: this kind of section has no name: [%s]",
                    kd_quoted(section->title), section->kind);
  }
}
