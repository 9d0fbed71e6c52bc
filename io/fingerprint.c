#include "io/fingerprint.h"

#include "device/base/hash.h"
#include "device/base/memory.h"
#include "device/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 64 << 10, END = 1 << 20, SAMPLES = 64, WHOLE_LIMIT = 64 << 20 };

/* Continues the hash with [begin, end) of the file, block by block. */
static kd_status hash_range(int fd, const char *path, void *block, int64_t begin, int64_t end,
                            uint64_t *checksum) {
  while (begin < end) {
    size_t want = end - begin < BLOCK ? (size_t)(end - begin) : BLOCK;
    ssize_t got = pread(fd, block, want, begin);
    if (got < 0 && errno == EINTR) continue;
    KD_CHECK(got >= 0, KD_ERR_USAGE, "%s: cannot read: %s", kd_quoted(path), strerror(errno));
    KD_CHECK((size_t)got == want, KD_ERR_USAGE, "%s: became shorter while it was read", kd_quoted(path));
    *checksum = kd_hash(block, want, *checksum);
    begin += got;
  }
  return KD_OK;
}

static kd_status hash_file(int fd, const char *path, int64_t size, uint64_t *checksum) {
  void *block = kd_calloc(1, BLOCK);
  *checksum = (uint64_t)size;
  kd_status status;
  if (size < WHOLE_LIMIT) {
    KD_TRY_GOTO(hash_range(fd, path, block, 0, size, checksum), status, done);
  } else {
    KD_TRY_GOTO(hash_range(fd, path, block, 0, END, checksum), status, done);
    for (int64_t i = 0; i < SAMPLES; i++) {
      int64_t at = END + (size - 2 * END - BLOCK) / SAMPLES * i;
      KD_TRY_GOTO(hash_range(fd, path, block, at, at + BLOCK, checksum), status, done);
    }
    KD_TRY_GOTO(hash_range(fd, path, block, size - END, size, checksum), status, done);
  }
done:
  kd_free(block);
  return status;
}

kd_status kd_file_fingerprint(const char *path, int64_t *size, uint64_t *checksum) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  KD_CHECK(fd >= 0, KD_ERR_USAGE, "%s: cannot open: %s", kd_quoted(path), strerror(errno));
  struct stat info;
  kd_status status;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    status = kd_fail(KD_ERR_USAGE, "%s: not a regular file", kd_quoted(path));
  } else if (info.st_size == 0) {
    status = kd_fail(KD_ERR_USAGE, "%s: the file is empty", kd_quoted(path));
  } else {
    *size = info.st_size;
    status = hash_file(fd, path, *size, checksum);
  }
  close(fd);
  return status;
}
