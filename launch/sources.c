#include "launch/sources.h"

#include <stdlib.h>
#include <string.h>

#include "device/base/file.h"
#include "device/base/hash.h"
#include "io/keras_archive.h"

kd_sources *kd_sources_create(kd_pool *pool) {
  kd_sources *sources = kd_pool_alloc(pool, 1, sizeof *sources);
  sources->pool = pool;
  return sources;
}

static kd_source *add(kd_sources *sources, const char *name) {
  sources->items =
      kd_pool_grow(sources->pool, sources->items, sources->count, &sources->capacity, sizeof *sources->items);
  kd_source *source = &sources->items[sources->count];
  *source = (kd_source){.name = kd_pool_strdup(sources->pool, name)};
  kd_name_add(&sources->index, sources->pool, source->name, (int)sources->count++);
  return source;
}

void kd_sources_add_text(kd_sources *sources, const char *name, const char *text) {
  kd_source *source = add(sources, name);
  source->data = kd_pool_strdup(sources->pool, text);
  source->bytes = strlen(text);
}

const kd_source *kd_sources_file(kd_sources *sources, const char *path) {
  int known = kd_name_find(&sources->index, path);
  if (known >= 0) return &sources->items[known];
  kd_source *source = add(sources, path);
  if (sources->frozen) {
    source->failure = "not among the files of rank 0";
    return source;
  }
  char *data;
  bool model = kd_keras_is_model(path);
  if ((model ? kd_keras_read_config : kd_file_read)(sources->pool, path, KD_SOURCE_LIMIT, &data,
                                                    &source->bytes) == KD_OK)
    source->data = data;
  else
    source->failure = kd_pool_strdup(sources->pool, kd_status_text());
  kd_status_clear();
  return source;
}

const kd_source *kd_sources_env(kd_sources *sources, const char *variable) {
  const char *name = kd_pool_printf(sources->pool, "$%s", variable);
  int known = kd_name_find(&sources->index, name);
  if (known >= 0) return &sources->items[known];
  kd_source *source = add(sources, name);
  const char *text = sources->frozen ? NULL : getenv(variable);
  source->failure = "not set";
  if (text) {
    source->data = kd_pool_strdup(sources->pool, text);
    source->bytes = strlen(text);
  }
  return source;
}

uint64_t kd_sources_hash(const kd_sources *sources) {
  uint64_t hash = 0;
  for (size_t i = 0; i < sources->count; i++) {
    const kd_source *source = &sources->items[i];
    hash = kd_hash_text(source->name, hash);
    hash = source->data ? kd_hash(source->data, source->bytes, hash) : kd_hash("", 0, hash + 1);
  }
  return hash;
}

/* Packed form, per source: name and '\0', one byte "has data", then 8 bytes of length and the bytes. */
void kd_sources_pack(const kd_sources *sources, kd_pool *pool, char **data, size_t *bytes) {
  size_t total = 0;
  for (size_t i = 0; i < sources->count; i++)
    total += strlen(sources->items[i].name) + 2 + sizeof(uint64_t) + sources->items[i].bytes;
  char *at = *data = kd_pool_alloc(pool, total, 1);
  *bytes = total;
  for (size_t i = 0; i < sources->count; i++) {
    const kd_source *source = &sources->items[i];
    uint64_t length = source->data ? source->bytes : 0;
    at = stpcpy(at, source->name) + 1;
    *at++ = source->data != NULL;
    memcpy(at, &length, sizeof length);
    if (length) memcpy(at + sizeof length, source->data, length);
    at += sizeof length + length;
  }
}

kd_status kd_sources_unpack(kd_pool *pool, const char *data, size_t bytes, kd_sources **sources) {
  kd_sources *made = kd_sources_create(pool);
  made->frozen = true;
  const char *end = data + bytes;
  while (data < end) {
    size_t name = strnlen(data, (size_t)(end - data));
    KD_CHECK(name + 2 + sizeof(uint64_t) <= (size_t)(end - data), KD_ERR_INTERNAL,
             "packed configuration is cut");
    kd_source *source = add(made, data);
    data += name + 1;
    bool present = *data++;
    uint64_t length;
    memcpy(&length, data, sizeof length);
    data += sizeof length;
    KD_CHECK(length <= (size_t)(end - data), KD_ERR_INTERNAL, "packed configuration is cut in %s",
             source->name);
    source->bytes = length;
    source->data = present ? kd_pool_strndup(pool, data, length) : NULL;
    source->failure = source->name[0] == '$' ? "not set" : "cannot be read";
    data += length;
  }
  *sources = made;
  return KD_OK;
}
