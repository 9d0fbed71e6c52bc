/* Everything outside the program that a configuration depends on: files and environment variables.
 *
 * All ranks must see the same bytes. Each rank reads what it needs through this record; the hashes are
 * compared, then rank 0's record is sent to the others (pack, unpack), which use it instead of their disk. */
#ifndef KD_SOURCES_H
#define KD_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "device/base/memory.h"
#include "launch/name_index.h"

enum { KD_SOURCE_LIMIT = 16 << 20 }; /* bytes of one file */

typedef struct kd_source {
  const char *name; /* path, or "$NAME" of an environment variable */
  const char *data; /* '\0' behind the last byte; NULL when there is no such file or variable */
  size_t bytes;
  const char *failure; /* why data is NULL */
} kd_source;

typedef struct kd_sources {
  kd_pool *pool;
  kd_source *items;
  size_t count, capacity;
  kd_name_index index;
  bool frozen; /* made by unpack: nothing is read any more */
} kd_sources;

kd_sources *kd_sources_create(kd_pool *pool);
/* A file that is only in memory: kd_sources_file of that name gives a copy of the text. */
void kd_sources_add_text(kd_sources *sources, const char *name, const char *text);
/* Never NULL; look at data. Valid until the next call. Of a model that Keras saved: its config.json. */
const kd_source *kd_sources_file(kd_sources *sources, const char *path);
const kd_source *kd_sources_env(kd_sources *sources, const char *variable);

uint64_t kd_sources_hash(const kd_sources *sources);
void kd_sources_pack(const kd_sources *sources, kd_pool *pool, char **data, size_t *bytes);
/* A frozen record from packed bytes; KD_ERR_INTERNAL when they are damaged. */
kd_status kd_sources_unpack(kd_pool *pool, const char *data, size_t bytes, kd_sources **sources);

#endif
