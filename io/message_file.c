#include "io/message_file.h"

#include <errno.h>
#include <protobuf-c/protobuf-c.h>
#include <string.h>
#include <unistd.h>

#include "device/base/file.h"

typedef struct sink {
  ProtobufCBuffer base; /* must be first */
  FILE *file;
} sink;

static void append(ProtobufCBuffer *buffer, size_t bytes, const uint8_t *data) {
  fwrite(data, 1, bytes, ((sink *)buffer)->file);
}

void kd_message_write(FILE *file, const void *message) {
  sink s = {.base = {append}, .file = file};
  protobuf_c_message_pack_to_buffer(message, &s.base);
}

static kd_status write_as(const char *temporary, const char *path,
                          void (*content)(FILE *file, const void *what), const void *what) {
  FILE *file = fopen(temporary, "wbe");
  KD_CHECK(file, KD_ERR_RUN, "%s: cannot create: %s", temporary, strerror(errno));
  content(file, what);
  bool good = !ferror(file);
  int reason = errno;
  good = fclose(file) == 0 && good;
  if (good) return kd_file_commit(temporary, path);
  unlink(temporary);
  return kd_fail(KD_ERR_RUN, "%s: cannot write: %s", path, strerror(reason ? reason : ENOSPC));
}

kd_status kd_stream_write(const char *path, void (*content)(FILE *file, const void *what), const void *what) {
  kd_pool *pool = kd_pool_create();
  kd_status status = write_as(kd_pool_printf(pool, "%s.tmp", path), path, content, what);
  kd_pool_destroy(pool);
  return status;
}
