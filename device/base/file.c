#include "device/base/file.h"

#include "device/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static kd_status sync_path(const char *path, int flags) {
  int fd = open(path, flags | O_CLOEXEC);
  KD_CHECK(fd >= 0, KD_ERR_RUN, "%s: cannot open to sync: %s", path, strerror(errno));
  int failed = fsync(fd);
  int reason = errno;
  close(fd);
  /* Some file systems cannot sync a folder; the rename is still atomic there. */
  KD_CHECK(!failed || reason == EINVAL, KD_ERR_RUN, "%s: cannot sync: %s", path, strerror(reason));
  return KD_OK;
}

static kd_status commit(const char *temporary, const char *path) {
  KD_TRY(sync_path(temporary, O_RDONLY));
  KD_CHECK(rename(temporary, path) == 0, KD_ERR_RUN, "%s: cannot rename to %s: %s", temporary, path,
           strerror(errno));
  char *copy = kd_strdup(path);
  kd_status status = sync_path(dirname(copy), O_RDONLY | O_DIRECTORY);
  kd_free(copy);
  return status;
}

kd_status kd_file_commit(const char *temporary, const char *path) {
  kd_status status = commit(temporary, path);
  if (status != KD_OK) unlink(temporary);
  return status;
}

static kd_status write_all(const char *path, const char *data, size_t bytes) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  KD_CHECK(fd >= 0, KD_ERR_RUN, "%s: cannot create: %s", path, strerror(errno));
  kd_status status = KD_OK;
  while (bytes > 0 && status == KD_OK) {
    ssize_t written = write(fd, data, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      status = kd_fail(KD_ERR_RUN, "%s: cannot write: %s", path, strerror(written < 0 ? errno : ENOSPC));
    } else {
      data += written;
      bytes -= (size_t)written;
    }
  }
  if (close(fd) != 0 && status == KD_OK)
    status = kd_fail(KD_ERR_RUN, "%s: cannot write: %s", path, strerror(errno));
  return status;
}

kd_status kd_file_write(const char *path, const void *data, size_t bytes) {
  size_t length = strlen(path);
  char *temporary = kd_calloc(length + 5, 1);
  memcpy(temporary, path, length);
  memcpy(temporary + length, ".tmp", 5);
  kd_status status = write_all(temporary, data, bytes);
  if (status == KD_OK)
    status = kd_file_commit(temporary, path);
  else
    unlink(temporary);
  kd_free(temporary);
  return status;
}

kd_status kd_file_read(kd_pool *pool, const char *path, size_t limit, char **data, size_t *bytes) {
  FILE *file = fopen(path, "rbe");
  KD_CHECK(file, KD_ERR_USAGE, "%s: cannot open: %s", kd_quote(pool, path), strerror(errno));
  struct stat info;
  kd_status status = KD_OK;
  if (fstat(fileno(file), &info) != 0 || S_ISDIR(info.st_mode))
    status = kd_fail(KD_ERR_USAGE, "%s: not a file that can be read", path);
  size_t capacity = 4096, used = 0;
  char *text = kd_calloc(capacity, 1);
  while (status == KD_OK) {
    size_t got = fread(text + used, 1, capacity - used - 1, file);
    used += got;
    if (got == 0) break;
    if (used > limit)
      status = kd_fail(KD_ERR_USAGE, "%s: larger than the %zu bytes that such a file may have", path, limit);
    if (capacity - used < 2) text = kd_realloc(text, capacity *= 2, 1);
  }
  if (status == KD_OK && ferror(file)) status = kd_fail(KD_ERR_USAGE, "%s: cannot read", path);
  fclose(file);
  if (status == KD_OK) {
    *data = kd_pool_strndup(pool, text, used);
    *bytes = used;
  }
  kd_free(text);
  return status;
}

kd_status kd_make_folders(const char *path) {
  char *copy = kd_strdup(path);
  kd_status status = KD_OK;
  for (char *c = copy + 1; status == KD_OK; c++) {
    if (*c != '/' && *c != '\0') continue;
    char end = *c;
    *c = '\0';
    if (mkdir(copy, 0755) != 0 && errno != EEXIST)
      status = kd_fail(KD_ERR_RUN, "%s: cannot create folder: %s", path, strerror(errno));
    *c = end;
    if (end == '\0') break;
  }
  kd_free(copy);
  return status;
}

kd_status kd_make_folder_of(const char *path) {
  size_t length = strlen(path);
  while (length > 0 && path[length - 1] == '/') length--;
  const char *slash = memrchr(path, '/', length);
  if (!slash || slash == path) return KD_OK;
  char *folder = kd_strdup(path);
  folder[slash - path] = '\0';
  kd_status status = kd_make_folders(folder);
  kd_free(folder);
  return status;
}

bool kd_path_exists(const char *path) {
  return access(path, F_OK) == 0;
}

char *kd_path_join(kd_pool *pool, const char *folder, const char *name) {
  if (!folder || !*folder || name[0] == '/') return kd_pool_strdup(pool, name);
  return kd_pool_printf(pool, "%s/%s", folder, name);
}
