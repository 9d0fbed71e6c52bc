/* Configuration documents: an ordered list of sections with keys, each with its origin.
 *
 * The dialect: UTF-8; `[kind]` or `[kind name]`; `key = value`; case-sensitive; `#` or `;` starts a comment
 * line, `#` after white space ends a value; deeper-indented lines continue a value, joined by one space;
 * "..." quotes. Before the first section only `include = path, path` may stand. */
#ifndef KD_INI_H
#define KD_INI_H

#include <stdbool.h>

#include "device/base/diag.h"
#include "launch/name_index.h"
#include "launch/sources.h"

typedef enum kd_ini_state { KD_INI_RAW, KD_INI_BUSY, KD_INI_DONE, KD_INI_FAILED } kd_ini_state;

typedef struct kd_ini_key {
  const char *name;
  const char *text; /* as written: joined lines without comments, ${} not replaced */
  kd_origin origin;
  int source;           /* number of the file or override it came from; later ones win */
  kd_ini_state state;   /* of `resolved`, see interpolate.h */
  const char *resolved; /* text after ${} and $( ) */
} kd_ini_key;

typedef struct kd_ini_section {
  const char *kind;  /* "" before the first header */
  const char *name;  /* NULL for `[kind]` */
  const char *title; /* "layer fc1": for messages */
  kd_origin origin;
  int source;
  kd_ini_key *keys;
  int n_keys;
  size_t capacity;
  kd_name_index index;
} kd_ini_section;

typedef struct kd_ini {
  kd_pool *pool;
  kd_ini_section **sections; /* in order of first appearance */
  int n_sections;
  size_t capacity;
  kd_name_index index;
} kd_ini;

kd_ini *kd_ini_create(kd_pool *pool);
/* NULL when absent; name may be NULL. */
kd_ini_section *kd_ini_section_find(const kd_ini *ini, const char *kind, const char *name);
kd_ini_section *kd_ini_section_add(kd_ini *ini, const char *kind, const char *name, kd_origin origin,
                                   int source);
kd_ini_key *kd_ini_key_find(const kd_ini_section *section, const char *name);
/* Adds a key, or replaces the text of an existing one in its place. */
void kd_ini_key_set(kd_ini *ini, kd_ini_section *section, const char *name, const char *text,
                    kd_origin origin, int source);
/* Puts sections of `from` over `into`: equal keys are replaced, new ones appended. What was merged later has
 * a higher `source`. */
void kd_ini_merge_section(kd_ini *into, const kd_ini_section *section, int source);
void kd_ini_merge(kd_ini *into, const kd_ini *from, int source);

/* "train.epochs", "layer.fc1.units", "fc1.units" (a layer), "stage2.0/mix/conv.filters". False when the text
 * is no such path. Whether section and key exist is not looked at. */
typedef struct kd_ini_path {
  const char *kind, *name, *key;
} kd_ini_path;
bool kd_ini_split_path(kd_pool *pool, const char *text, kd_ini_path *path);

/* Reads the bytes of one file into an empty document. Errors (duplicates, NUL bytes, invalid UTF-8, lines
 * that are neither) go to diag. `file` must outlive the document. */
void kd_ini_scan(kd_ini *ini, kd_diag *diag, const char *file, const char *data, size_t bytes);

typedef struct kd_ini_request {
  const char *system_file, *user_file; /* only [distributed], [log], [serve]; NULL or missing: passed over */
  int n_files;
  const char *const *files; /* later ones override earlier ones */
  int n_overrides;
  const char *const *overrides; /* "section.key=value" */
  const char *overrides_name;   /* where they come from; NULL: "command line" */
  bool use_environment;         /* KDIST_SET */
} kd_ini_request;

/* Reads system file, user file, files with their includes, KDIST_SET and overrides, in this order. Unknown
 * section kinds and every other error go to diag. */
kd_ini *kd_ini_load(kd_pool *pool, kd_diag *diag, kd_sources *sources, const kd_ini_request *request);

/* ~/.config/kdist.ini, or NULL without a home. */
const char *kd_ini_user_file(kd_pool *pool);
#define KD_INI_SYSTEM_FILE "/etc/kdist.ini"

/* One "section.key=value" over the document; origin.file is "command line" or "KDIST_SET". */
void kd_ini_override(kd_ini *ini, kd_diag *diag, kd_origin origin, const char *text, int source);
/* All overrides of KDIST_SET: separated by white space outside quotes. */
void kd_ini_override_all(kd_ini *ini, kd_diag *diag, kd_origin origin, const char *text, int source);

/* Section kinds. */
typedef enum kd_ini_naming { KD_INI_UNNAMED, KD_INI_NAMED } kd_ini_naming;
/* False when there is no such kind. Kinds that start with x- are the user's own and take either. */
bool kd_ini_kind(const char *kind, kd_ini_naming *naming);
/* The nearest kind to a misspelt one; NULL when none is near. */
const char *kd_ini_kind_near(const char *kind);
/* Errors for unknown kinds, missing and needless names. */
void kd_ini_check_kinds(const kd_ini *ini, kd_diag *diag);

#endif
