#include "io/bytes.h"

#include "io/element.h"

#include <string.h>

void kd_bytes_put(kd_bytes *bytes, const void *data, size_t count) {
  if (bytes->capacity - bytes->used < count) {
    size_t capacity = 2 * bytes->capacity + count + 256;
    unsigned char *bigger = kd_pool_alloc(bytes->pool, capacity, 1);
    if (bytes->used) memcpy(bigger, bytes->data, bytes->used);
    bytes->data = bigger;
    bytes->capacity = capacity;
  }
  if (count) memcpy(bytes->data + bytes->used, data, count);
  bytes->used += count;
}

void kd_bytes_put_i64(kd_bytes *bytes, int64_t value) {
  unsigned char word[8];
  for (int b = 0; b < 8; b++) word[b] = (unsigned char)((uint64_t)value >> 8 * b);
  kd_bytes_put(bytes, word, sizeof word);
}

void kd_bytes_put_text(kd_bytes *bytes, const char *text) {
  size_t length = text ? strlen(text) : 0;
  kd_bytes_put_i64(bytes, text ? (int64_t)length : -1);
  kd_bytes_put(bytes, text, length);
}

void kd_bytes_put_shape(kd_bytes *bytes, const kd_shape *shape) {
  kd_bytes_put_i64(bytes, shape->rank);
  for (int i = 0; i < shape->rank; i++) kd_bytes_put_i64(bytes, shape->dim[i]);
}

kd_status kd_bytes_get_i64(kd_byte_reader *reader, int64_t min, int64_t max, int64_t *value) {
  KD_CHECK(reader->left >= 8, KD_ERR_USAGE, "the bytes end too early");
  uint64_t word = 0;
  for (int b = 0; b < 8; b++) word |= (uint64_t)reader->at[b] << 8 * b;
  reader->at += 8;
  reader->left -= 8;
  *value = (int64_t)word;
  KD_CHECK(*value >= min && *value <= max, KD_ERR_USAGE, "%lld is not in [%lld, %lld]", (long long)*value,
           (long long)min, (long long)max);
  return KD_OK;
}

kd_status kd_bytes_get_text(kd_byte_reader *reader, const char **text) {
  int64_t length;
  KD_TRY(kd_bytes_get_i64(reader, -1, INT64_MAX, &length));
  *text = NULL;
  if (length < 0) return KD_OK;
  KD_CHECK((uint64_t)length <= reader->left, KD_ERR_USAGE, "the bytes end too early");
  *text = kd_pool_strndup(reader->pool, (const char *)reader->at, (size_t)length);
  reader->at += length;
  reader->left -= (size_t)length;
  return KD_OK;
}

kd_status kd_bytes_get_shape(kd_byte_reader *reader, kd_shape *shape) {
  int64_t rank, bytes;
  *shape = KD_SCALAR;
  KD_TRY(kd_bytes_get_i64(reader, 0, KD_MAX_RANK, &rank));
  shape->rank = (int)rank;
  for (int i = 0; i < shape->rank; i++) KD_TRY(kd_bytes_get_i64(reader, 0, INT64_MAX, &shape->dim[i]));
  return kd_array_bytes(8, shape->rank, shape->dim, &bytes);
}
