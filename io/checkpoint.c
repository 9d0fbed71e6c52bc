#include "io/checkpoint.h"

#include "device/base/file.h"
#include "device/base/log.h"
#include "device/base/text.h"
#include "io/checkpoint_file.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME_LIMIT = 32 };

/* "step-0000001200.h5" to 1200; false for any other name. */
static bool parse_name(const char *name, int64_t *step) {
  char again[NAME_LIMIT];
  if (sscanf(name, "step-%" SCNd64 ".h5", step) != 1 || *step < 0) return false;
  snprintf(again, sizeof again, "step-%010" PRId64 ".h5", *step);
  return strcmp(name, again) == 0;
}

static char *step_path(kd_pool *pool, const char *folder, int64_t step) {
  return kd_pool_printf(pool, "%s/step-%010" PRId64 ".h5", folder, step);
}

static int newest_first(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x < y ? 1 : x > y ? -1 : 0;
}

/* Steps of all complete checkpoints of the folder, newest first. A folder that does not exist is empty. */
static kd_status list_steps(const char *folder, kd_pool *pool, size_t *count, int64_t **steps) {
  *count = 0;
  *steps = NULL;
  size_t capacity = 0;
  DIR *dir = opendir(folder);
  if (!dir && errno == ENOENT) return KD_OK;
  KD_CHECK(dir, KD_ERR_USAGE, "%s: cannot read the folder: %s", kd_quoted(folder), strerror(errno));
  int64_t step;
  for (struct dirent *entry; (entry = readdir(dir));) {
    if (!parse_name(entry->d_name, &step)) continue;
    *steps = kd_pool_grow(pool, *steps, *count, &capacity, sizeof **steps);
    (*steps)[(*count)++] = step;
  }
  closedir(dir);
  if (*count) qsort(*steps, *count, sizeof **steps, newest_first);
  return KD_OK;
}

int64_t kd_checkpoint_newest_step(const char *folder) {
  kd_pool *pool = kd_pool_create();
  size_t count;
  int64_t *steps, newest = -1;
  if (list_steps(folder, pool, &count, &steps) == KD_OK && count > 0) newest = steps[0];
  kd_pool_destroy(pool);
  return newest;
}

/* Keeps the newest `keep` up to the one just written. Later steps are left alone: they belong to a run that
 * went on from a damaged file and are no longer what would be continued. */
static kd_status remove_old(const char *folder, int64_t written, int keep, kd_pool *pool) {
  size_t count;
  int64_t *steps;
  KD_TRY(list_steps(folder, pool, &count, &steps));
  int kept = 0;
  for (size_t i = 0; i < count; i++)
    if (steps[i] <= written && ++kept > (keep < 1 ? 1 : keep)) {
      const char *path = step_path(pool, folder, steps[i]);
      KD_CHECK(unlink(path) == 0 || errno == ENOENT, KD_ERR_RUN, "%s: cannot remove: %s", kd_quoted(path),
               strerror(errno));
    }
  return KD_OK;
}

static kd_status write_file(const char *path, const char *temporary, const kd_checkpoint *checkpoint) {
  kd_status status = kd_checkpoint_file_write(temporary, checkpoint);
  if (status != KD_OK) {
    unlink(temporary);
    return kd_fail_context(status, "checkpoint %s", kd_quoted(path));
  }
  return kd_file_commit(temporary, path);
}

kd_status kd_checkpoint_write(const char *folder, const kd_checkpoint *checkpoint, int keep) {
  KD_CHECK(checkpoint->step >= 0, KD_ERR_INTERNAL, "checkpoint of step %lld", (long long)checkpoint->step);
  kd_pool *pool = kd_pool_create();
  const char *path = step_path(pool, folder, checkpoint->step);
  kd_status status = kd_make_folders(folder);
  if (status == KD_OK) status = write_file(path, kd_pool_printf(pool, "%s.tmp", path), checkpoint);
  if (status == KD_OK) status = remove_old(folder, checkpoint->step, keep, pool);
  kd_pool_destroy(pool);
  return status;
}

kd_status kd_checkpoint_read_newest(const char *folder, kd_pool *pool, kd_checkpoint **checkpoint,
                                    const char **path) {
  size_t count;
  int64_t *steps;
  *checkpoint = NULL;
  *path = NULL;
  KD_TRY(list_steps(folder, pool, &count, &steps));
  for (size_t i = 0; i < count; i++) {
    const char *file = step_path(pool, folder, steps[i]);
    kd_checkpoint *found = NULL;
    kd_status status = kd_checkpoint_file_read(file, pool, &found);
    if (status == KD_OK && found->step == steps[i]) {
      *checkpoint = found;
      *path = file;
      return KD_OK;
    }
    if (status == KD_OK)
      kd_fail(KD_ERR_USAGE, "%s: it holds step %lld", kd_quoted(file), (long long)found->step);
    kd_log(KD_LOG_WARNING, "%s%s", kd_status_text(),
           i + 1 < count ? "; the checkpoint before it is used" : "");
  }
  KD_CHECK(count == 0, KD_ERR_USAGE, "%s: none of the %zu checkpoints can be used: %s", kd_quoted(folder),
           count, kd_status_text());
  return KD_OK;
}

kd_status kd_checkpoint_sweep(const char *folder) {
  DIR *dir = opendir(folder);
  if (!dir && errno == ENOENT) return KD_OK;
  KD_CHECK(dir, KD_ERR_RUN, "%s: cannot read the folder: %s", kd_quoted(folder), strerror(errno));
  kd_pool *pool = kd_pool_create();
  kd_status status = KD_OK;
  for (struct dirent *entry; (entry = readdir(dir)) && status == KD_OK;) {
    size_t length = strlen(entry->d_name);
    if (length < 5 || strcmp(entry->d_name + length - 4, ".tmp") != 0) continue;
    const char *path = kd_path_join(pool, folder, entry->d_name);
    if (unlink(path) != 0 && errno != ENOENT)
      status = kd_fail(KD_ERR_RUN, "%s: cannot remove: %s", kd_quoted(path), strerror(errno));
  }
  closedir(dir);
  kd_pool_destroy(pool);
  return status;
}

const kd_record *kd_checkpoint_record(const kd_checkpoint *checkpoint, const char *name) {
  for (int i = 0; i < checkpoint->n_records; i++)
    if (strcmp(checkpoint->records[i].name, name) == 0) return &checkpoint->records[i];
  return NULL;
}

const char *kd_checkpoint_note(const kd_checkpoint *checkpoint, const char *name) {
  for (int i = 0; i < checkpoint->n_notes; i++)
    if (strcmp(checkpoint->notes[i].name, name) == 0) return checkpoint->notes[i].text;
  return NULL;
}
