#include "io/file_guard.h"

#include "device/base/hash.h"
#include "device/base/memory.h"
#include "device/base/text.h"
#include "io/file_table.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1 << 20 };

/* Checksum of all bytes behind the guard, block by block; the size is its start value. */
static kd_status hash_rest(int fd, const char *path, int64_t size, uint64_t *checksum) {
  void *block = kd_calloc(1, BLOCK);
  kd_status status = KD_OK;
  *checksum = (uint64_t)size;
  for (int64_t at = KD_GUARD_BYTES; at < size && status == KD_OK; at += BLOCK) {
    size_t some = size - at < BLOCK ? (size_t)(size - at) : BLOCK;
    status = kd_read_at(fd, path, at, some, block);
    if (status == KD_OK) *checksum = kd_hash(block, some, *checksum);
  }
  kd_free(block);
  return status;
}

/* The block for these numbers. Its own text is hashed too, so that the step is covered. */
static void print_guard(char guard[KD_GUARD_BYTES], const char *what, int64_t step, int64_t size,
                        uint64_t checksum) {
  memset(guard, 0, KD_GUARD_BYTES);
  int length =
      snprintf(guard, KD_GUARD_BYTES, "kdist %s 1\nstep %" PRId64 "\nsize %" PRId64 "\n", what, step, size);
  checksum = kd_hash(guard, (size_t)length, checksum);
  snprintf(guard + length, KD_GUARD_BYTES - (size_t)length, "xxh3 %016" PRIx64 "\n", checksum);
}

kd_status kd_guard_write(const char *path, const char *what, int64_t step) {
  int fd = open(path, O_RDWR | O_CLOEXEC);
  KD_CHECK(fd >= 0, KD_ERR_RUN, "%s: cannot open: %s", kd_quoted(path), strerror(errno));
  struct stat info = {0};
  char guard[KD_GUARD_BYTES];
  uint64_t checksum = 0;
  kd_status status = KD_OK;
  if (fstat(fd, &info) != 0 || info.st_size < KD_GUARD_BYTES)
    status = kd_fail(KD_ERR_RUN, "%s: too small to be complete", kd_quoted(path));
  else
    status = hash_rest(fd, path, info.st_size, &checksum);
  if (status == KD_OK) {
    print_guard(guard, what, step, info.st_size, checksum);
    if (pwrite(fd, guard, sizeof guard, 0) != (ssize_t)sizeof guard)
      status = kd_fail(KD_ERR_RUN, "%s: cannot write: %s", kd_quoted(path), strerror(errno));
  }
  if (close(fd) != 0 && status == KD_OK)
    status = kd_fail(KD_ERR_RUN, "%s: cannot write: %s", kd_quoted(path), strerror(errno));
  return status == KD_OK ? KD_OK : kd_fail(KD_ERR_RUN, "%s", kd_status_text());
}

static kd_status check(int fd, const char *path, const char *what, int64_t *step) {
  struct stat info;
  char guard[KD_GUARD_BYTES], expected[KD_GUARD_BYTES], kind[32];
  int64_t size;
  uint64_t checksum;
  KD_CHECK(fstat(fd, &info) == 0 && S_ISREG(info.st_mode), KD_ERR_USAGE, "not a file that can be read");
  KD_CHECK(info.st_size >= KD_GUARD_BYTES, KD_ERR_USAGE, "truncated: it has %lld bytes",
           (long long)info.st_size);
  KD_TRY(kd_read_at(fd, path, 0, sizeof guard, guard));
  guard[KD_GUARD_BYTES - 1] = '\0';
  KD_CHECK(sscanf(guard, "kdist %31s 1\nstep %" SCNd64 "\nsize %" SCNd64 "\n", kind, step, &size) == 3 &&
               strcmp(kind, what) == 0,
           KD_ERR_USAGE, "damaged, or not a %s of kdist", what);
  KD_CHECK(size == info.st_size, KD_ERR_USAGE, "%s: it should have %lld bytes and has %lld",
           size > info.st_size ? "truncated" : "damaged", (long long)size, (long long)info.st_size);
  KD_TRY(kd_read_at(fd, path, 0, sizeof guard, guard)); /* with its last byte */
  KD_TRY(hash_rest(fd, path, size, &checksum));
  print_guard(expected, what, *step, size, checksum);
  KD_CHECK(memcmp(guard, expected, sizeof guard) == 0, KD_ERR_USAGE, "damaged: its checksum is wrong");
  return KD_OK;
}

kd_status kd_guard_check(const char *path, const char *what, int64_t *step) {
  int64_t unused;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  KD_CHECK(fd >= 0, KD_ERR_USAGE, "%s: cannot open: %s", kd_quoted(path), strerror(errno));
  kd_status status = check(fd, path, what, step ? step : &unused);
  close(fd);
  return status == KD_OK ? KD_OK : kd_fail_context(status, "%s", kd_quoted(path));
}
