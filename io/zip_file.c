#include "io/zip_file.h"

#include "device/base/text.h"

kd_status kd_zip_open(const char *path, const char *what, zip_t **archive) {
  int code = 0;
  *archive = zip_open(path, ZIP_RDONLY, &code);
  if (*archive) return KD_OK;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  kd_status status =
      kd_fail(KD_ERR_USAGE, "%s: cannot open as %s: %s", kd_quoted(path), what, zip_error_strerror(&error));
  zip_error_fini(&error);
  return status;
}

kd_status kd_zip_read(zip_file_t *member, const char *path, size_t bytes, void *out) {
  size_t done = 0;
  while (done < bytes) {
    zip_int64_t got = zip_fread(member, (char *)out + done, bytes - done);
    KD_CHECK(got >= 0, KD_ERR_USAGE, "%s: damaged: %s", kd_quoted(path),
             zip_error_strerror(zip_file_get_error(member)));
    KD_CHECK(got > 0, KD_ERR_USAGE, "%s: truncated inside a member", kd_quoted(path));
    done += (size_t)got;
  }
  return KD_OK;
}

kd_status kd_zip_end(zip_file_t *member, const char *path, const char *name) {
  char more;
  zip_int64_t got = zip_fread(member, &more, 1);
  KD_CHECK(got <= 0, KD_ERR_USAGE, "%s (%s): damaged: it is longer than the archive says", kd_quoted(path),
           kd_quoted(name));
  KD_CHECK(got == 0, KD_ERR_USAGE, "%s (%s): damaged: %s", kd_quoted(path), kd_quoted(name),
           zip_error_strerror(zip_file_get_error(member)));
  return KD_OK;
}
