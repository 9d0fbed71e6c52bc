/* From a request to one document: files, includes, the environment's and the command line's overrides. */
#include <stdlib.h>
#include <string.h>

#include "device/base/file.h"
#include "device/base/text.h"
#include "device/base/value.h"
#include "io/keras_archive.h"
#include "launch/ini.h"
#include "launch/interpolate.h"

enum { INCLUDE_DEPTH = 16, INCLUDE_COUNT = 256 };

typedef struct loader {
  kd_pool *pool;
  kd_diag *diag;
  kd_sources *sources;
  kd_ini *ini;
  const char *stack[INCLUDE_DEPTH]; /* files being read, outermost first */
  int depth, files, source;
} loader;

const char *kd_ini_user_file(kd_pool *pool) {
  const char *folder = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
  if (folder && *folder) return kd_path_join(pool, folder, "kdist.ini");
  return home && *home ? kd_path_join(pool, home, ".config/kdist.ini") : NULL;
}

/* Takes "./" and "x/.." out of a path, so that a file has one name on the include stack. */
static const char *normal_path(kd_pool *pool, const char *path) {
  char *out = kd_pool_alloc(pool, strlen(path) + 1, 1), *end = out;
  while (*path) {
    size_t length = strcspn(path, "/");
    size_t step = length + (path[length] == '/');
    if (length == 1 && path[0] == '.' && step == 2) {
      path += step;
      continue;
    }
    memcpy(end, path, step);
    end += step;
    path += step;
    if (length != 2 || step != 3 || memcmp(end - 3, "../", 3) != 0) continue;
    char *before = end - 4; /* the '/' that ends the part before ".." */
    if (before <= out) continue;
    char *part = before;
    while (part > out && part[-1] != '/') part--;
    if (part < before && !(before - part == 2 && !memcmp(part, "..", 2))) end = part;
  }
  *end = '\0';
  return out;
}

static const char *include_path(loader *l, const char *from, const char *name) {
  if (name[0] == '@') {
    const kd_source *folder = kd_sources_env(l->sources, "KDIST_TEMPLATES");
    return kd_pool_printf(l->pool, "%s/%s.ini", folder->data ? folder->data : KDIST_TEMPLATE_DIR, name + 1);
  }
  const char *slash = strrchr(from, '/');
  const char *base = slash ? kd_pool_strndup(l->pool, from, (size_t)(slash - from)) : NULL;
  if (slash == from) base = "/";
  return normal_path(l->pool, kd_path_join(l->pool, base, name));
}

static void load_file(loader *l, const char *path, kd_origin asked, kd_ini *into);

static bool on_stack(loader *l, const char *path, kd_origin asked) {
  for (int i = 0; i < l->depth; i++) {
    if (strcmp(l->stack[i], path) != 0) continue;
    const char *chain = "";
    for (int k = i; k < l->depth; k++) chain = kd_pool_printf(l->pool, "%s%s -> ", chain, l->stack[k]);
    kd_diag_error(l->diag, asked, "include: the file includes itself: %s%s", chain, path);
    return true;
  }
  return false;
}

static void load_includes(loader *l, const char *path, const kd_ini *file, kd_ini *into) {
  const kd_ini_section *top = kd_ini_section_find(file, "", NULL);
  for (int i = 0; top && i < top->n_keys; i++) {
    const kd_ini_key *key = &top->keys[i];
    if (!strncmp(key->name, "x-", 2)) continue;
    if (strcmp(key->name, "include") != 0) {
      kd_diag_error(l->diag, key->origin, "'%s' stands before the first section; only include may",
                    key->name);
      continue;
    }
    kd_interpolation context = {.pool = l->pool, .diag = l->diag, .sources = l->sources};
    const char *text = kd_interpolate(&context, NULL, key->origin, key->text);
    const kd_value *value = text ? kd_value_parse(l->pool, l->diag, key->origin, text, true) : NULL;
    int count = !value ? 0 : value->type == KD_V_LIST ? value->count : 1;
    for (int k = 0; k < count; k++) {
      const kd_value *name = value->type == KD_V_LIST ? &value->items[k] : value;
      if (name->type == KD_V_TEXT && name->text[0])
        load_file(l, include_path(l, path, name->text), key->origin, into);
      else
        kd_diag_error(l->diag, key->origin, "include: expected the path of a file");
    }
  }
}

/* A model that Keras saved, in place of a configuration file, is one that names it. */
static void name_model(kd_ini *file, const char *path) {
  kd_origin origin = {path, 0};
  kd_ini_section *model = kd_ini_section_add(file, "model", NULL, origin, 0);
  kd_ini_key_set(file, model, "file", kd_value_print(file->pool, kd_value_text(file->pool, path)), origin, 0);
}

/* Merges the file over `into`, after what it includes: an including file wins. */
static void load_file(loader *l, const char *path, kd_origin asked, kd_ini *into) {
  if (on_stack(l, path, asked)) return;
  if (l->depth == INCLUDE_DEPTH || l->files == INCLUDE_COUNT) {
    kd_diag_error(l->diag, asked, "include: more than %d files deep or more than %d files", INCLUDE_DEPTH,
                  INCLUDE_COUNT);
    return;
  }
  const kd_source *source = kd_sources_file(l->sources, path);
  if (!source->data) {
    kd_diag_error(l->diag, asked, "%s", source->failure);
    return;
  }
  l->files++;
  l->stack[l->depth++] = path;
  kd_ini *file = kd_ini_create(l->pool);
  if (kd_keras_is_model(path))
    name_model(file, path);
  else
    kd_ini_scan(file, l->diag, path, source->data, source->bytes);
  load_includes(l, path, file, into);
  kd_ini_merge(into, file, ++l->source);
  l->depth--;
}

static bool of_machine(const kd_ini_section *section) {
  static const char *const kinds[] = {"distributed", "log", "serve"};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (!strcmp(section->kind, kinds[i])) return true;
  return !strncmp(section->kind, "x-", 2);
}

/* System and user files set only what belongs to a machine, so that one file and its overrides tell a run. */
static void load_machine_file(loader *l, const char *path) {
  if (!path || !kd_sources_file(l->sources, path)->data) return;
  kd_ini *file = kd_ini_create(l->pool);
  load_file(l, path, (kd_origin){NULL, 0}, file);
  l->source++;
  for (int i = 0; i < file->n_sections; i++) {
    const kd_ini_section *section = file->sections[i];
    if (of_machine(section))
      kd_ini_merge_section(l->ini, section, l->source);
    else
      kd_diag_error(l->diag, section->origin,
                    "[%s]: a system or user file may have only [distributed], [log] and [serve]",
                    kd_quoted(section->title));
  }
}

kd_ini *kd_ini_load(kd_pool *pool, kd_diag *diag, kd_sources *sources, const kd_ini_request *request) {
  loader l = {.pool = pool, .diag = diag, .sources = sources, .ini = kd_ini_create(pool)};
  load_machine_file(&l, request->system_file);
  load_machine_file(&l, request->user_file);
  for (int i = 0; i < request->n_files; i++)
    load_file(&l, normal_path(pool, request->files[i]), (kd_origin){NULL, 0}, l.ini);
  kd_ini_check_kinds(l.ini, diag);
  const kd_source *set = request->use_environment ? kd_sources_env(sources, "KDIST_SET") : NULL;
  if (set && set->data) kd_ini_override_all(l.ini, diag, (kd_origin){"KDIST_SET", 0}, set->data, ++l.source);
  l.source++;
  const char *name = request->overrides_name ? request->overrides_name : "command line";
  for (int i = 0; i < request->n_overrides; i++)
    kd_ini_override(l.ini, diag, (kd_origin){name, 0}, request->overrides[i], l.source);
  return l.ini;
}
