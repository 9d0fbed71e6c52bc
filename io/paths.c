#include "io/file_set.h"

#include "device/base/file.h"
#include "device/base/text.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

static int by_bytes(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A path that exists is taken literally, also when it holds the characters of a glob. */
int kd_paths_expand(kd_pool *pool, const char *pattern, kd_diag *diag, kd_origin origin,
                    const char ***paths) {
  *paths = kd_pool_alloc(pool, 1, sizeof **paths);
  (*paths)[0] = kd_pool_strdup(pool, pattern);
  if (kd_path_exists(pattern) || !strpbrk(pattern, "*?[")) return 1;
  glob_t found;
  int count = 0;
  if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0) {
    count = (int)found.gl_pathc;
    *paths = kd_pool_alloc(pool, (size_t)count, sizeof **paths);
    for (int i = 0; i < count; i++) (*paths)[i] = kd_pool_strdup(pool, found.gl_pathv[i]);
    qsort(*paths, (size_t)count, sizeof **paths, by_bytes);
  }
  globfree(&found);
  if (count == 0) kd_diag_error(diag, origin, "%s: no file has a name like this", kd_quoted(pattern));
  return count;
}

/* "image, label" */
static const char *field_list(const kd_data_source *source, kd_pool *pool) {
  const char *list = "";
  for (int i = 0; i < source->n_fields; i++)
    list = kd_pool_printf(pool, "%s%s%s", list, i ? ", " : "", source->field_names[i]);
  return list;
}

void kd_open_per_field(kd_file_set *set, const kd_data_source *source, kd_diag *diag, kd_open_one *open_one) {
  if (source->n_paths != source->n_fields) {
    kd_diag_error(diag, source->origin, "format = %s takes one file for each of %s: %d files, not %d",
                  source->format, field_list(source, diag->pool), source->n_fields, source->n_paths);
    return;
  }
  for (int f = 0; f < source->n_fields; f++) {
    const char **paths;
    int count = kd_paths_expand(set->base.pool, source->paths[f], diag, source->origin, &paths);
    for (int i = 0; i < count; i++) open_one(set, f, paths[i], source, diag);
  }
}

void kd_open_shards(kd_file_set *set, const kd_data_source *source, kd_diag *diag,
                    kd_open_shard *open_shard) {
  if (source->n_paths == 0)
    kd_diag_error(diag, source->origin, "format = %s: no file is given", source->format);
  for (int p = 0; p < source->n_paths; p++) {
    const char **paths;
    int count = kd_paths_expand(set->base.pool, source->paths[p], diag, source->origin, &paths);
    for (int i = 0; i < count; i++) open_shard(set, paths[i], source, diag);
  }
}

int kd_item_names(const kd_data_source *source, int field, const char *names[2]) {
  bool input = field < source->n_inputs;
  bool only = (input ? source->n_inputs : source->n_fields - source->n_inputs - source->n_weights) == 1;
  if (source->mapped && source->mapped[field]) {
    names[0] = source->mapped[field];
    return 1;
  }
  names[0] = source->field_names[field];
  names[1] = input ? "x" : "y";
  return only ? 2 : 1;
}
