#include "io/gzip_file.h"

#include "device/base/memory.h"
#include "device/base/text.h"
#include "io/file_table.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { BUFFER = 256 << 10, BLOCK = 64 << 10, DEFLATE_RATIO = 1032 };

int64_t kd_gzip_least_size(int64_t bytes) {
  return bytes / DEFLATE_RATIO;
}

static kd_status open_gzip(const char *path, gzFile *file) {
  *file = gzopen(path, "rbe");
  KD_CHECK(*file, KD_ERR_USAGE, "%s: cannot open: %s", kd_quoted(path), strerror(errno));
  gzbuffer(*file, BUFFER);
  return KD_OK;
}

/* Up to `want` bytes. zlib reports a file that ends too early only at the end of the data. */
static kd_status read_some(gzFile file, const char *path, size_t want, unsigned char *out, size_t *got) {
  *got = 0;
  while (*got < want) {
    size_t some = want - *got < (size_t)1 << 30 ? want - *got : (size_t)1 << 30;
    int n = gzread(file, out + *got, (unsigned)some);
    int code;
    const char *reason = gzerror(file, &code);
    KD_CHECK(n >= 0 && (code == Z_OK || code == Z_STREAM_END), KD_ERR_USAGE, "%s: damaged or truncated: %s",
             kd_quoted(path), code == Z_ERRNO ? strerror(errno) : reason);
    if (n == 0) break;
    *got += (size_t)n;
  }
  return KD_OK;
}

kd_status kd_gzip_head(const char *path, size_t want, unsigned char *out, size_t *got, bool *compressed) {
  gzFile file;
  KD_TRY(open_gzip(path, &file));
  kd_status status = read_some(file, path, want, out, got);
  *compressed = !gzdirect(file);
  gzclose_r(file);
  return status;
}

static kd_status drop(gzFile file, const char *path, size_t count) {
  unsigned char block[BLOCK];
  while (count > 0) {
    size_t got, some = count < BLOCK ? count : BLOCK;
    KD_TRY(read_some(file, path, some, block, &got));
    count -= got;
    KD_CHECK(got == some, KD_ERR_USAGE, "%s: truncated: %zu more bytes are promised by its header",
             kd_quoted(path), count);
  }
  return KD_OK;
}

kd_status kd_gzip_read(const char *path, size_t skip, size_t bytes, void *out) {
  gzFile file;
  unsigned char more;
  size_t got = 0;
  KD_TRY(open_gzip(path, &file));
  kd_status status;
  KD_TRY_GOTO(drop(file, path, skip), status, done);
  if (bytes) KD_TRY_GOTO(read_some(file, path, bytes, out, &got), status, done);
  if (got < bytes) {
    status = kd_fail(KD_ERR_USAGE, "%s: truncated: its header promises %zu bytes, %zu are there",
                     kd_quoted(path), skip + bytes, skip + got);
    goto done;
  }
  KD_TRY_GOTO(read_some(file, path, 1, &more, &got), status, done);
  if (got) status = kd_fail(KD_ERR_USAGE, "%s: holds more data than its header promises", kd_quoted(path));
done:
  gzclose_r(file);
  return status;
}

kd_status kd_gzip_check_size(const char *path, int64_t file_size, int64_t bytes) {
  unsigned char tail[4] = {0};
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  KD_CHECK(fd >= 0, KD_ERR_USAGE, "%s: cannot open: %s", kd_quoted(path), strerror(errno));
  kd_status status = KD_OK;
  if (file_size > 4) status = kd_read_at(fd, path, file_size - 4, sizeof tail, tail);
  close(fd);
  KD_TRY(status);
  uint32_t size = tail[0] | (uint32_t)tail[1] << 8 | (uint32_t)tail[2] << 16 | (uint32_t)tail[3] << 24;
  if (size == (uint32_t)bytes) return KD_OK;
  return kd_gzip_read(path, (size_t)bytes, 0, NULL);
}
