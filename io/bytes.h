/* Little-endian serialisation: a growing writer, and a reader that checks every length and range. */
#ifndef KD_IO_BYTES_H
#define KD_IO_BYTES_H

#include <stdint.h>

#include "device/base/memory.h"
#include "device/base/tensor.h"

typedef struct kd_bytes {
  kd_pool *pool;
  unsigned char *data;
  size_t used, capacity;
} kd_bytes;

void kd_bytes_put(kd_bytes *bytes, const void *data, size_t count);
void kd_bytes_put_i64(kd_bytes *bytes, int64_t value);
void kd_bytes_put_text(kd_bytes *bytes, const char *text); /* NULL is kept */
void kd_bytes_put_shape(kd_bytes *bytes, const kd_shape *shape);

typedef struct kd_byte_reader {
  const unsigned char *at;
  size_t left;
  kd_pool *pool; /* texts are copied into it */
} kd_byte_reader;

/* KD_ERR_USAGE when the bytes end too early or a value lies outside [min, max]. */
kd_status kd_bytes_get_i64(kd_byte_reader *reader, int64_t min, int64_t max, int64_t *value);
kd_status kd_bytes_get_text(kd_byte_reader *reader, const char **text);
kd_status kd_bytes_get_shape(kd_byte_reader *reader, kd_shape *shape);

#endif
