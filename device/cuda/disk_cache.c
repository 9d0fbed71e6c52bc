#include "device/cuda/disk_cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/base/file.h"
#include "device/base/hash.h"
#include "device/base/memory.h"

enum { MOST_KEY = 16 << 20 };

typedef struct header {
  char magic[16];
  uint64_t key_bytes, data_bytes, hash; /* of key and data */
} header;

static const char magic[16] = "kdist made 1\n";

static header header_of(const char *key, const void *data, size_t bytes) {
  header h = {
      .key_bytes = strlen(key), .data_bytes = bytes, .hash = kd_hash(data, bytes, kd_hash_text(key, 0))};
  memcpy(h.magic, magic, sizeof magic);
  return h;
}

/* NULL: there is no place for it. In the pool. */
static const char *path_of(kd_pool *pool, const char *kind, const char *key) {
  const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  if (!base || base[0] != '/') base = home && home[0] == '/' ? kd_path_join(pool, home, ".cache") : NULL;
  if (!base) return NULL;
  const char *folder = kd_path_join(pool, base, "kdist/cuda");
  if (kd_make_folders(folder) != KD_OK) return NULL;
  return kd_path_join(pool, folder, kd_pool_printf(pool, "%016" PRIx64 ".%s", kd_hash_text(key, 0), kind));
}

/* Exactly this key, and data as they were written. */
static bool holds(const char *file, size_t bytes, const char *key, size_t most, header *h) {
  if (bytes < sizeof *h) return false;
  memcpy(h, file, sizeof *h);
  size_t length = strlen(key);
  if (memcmp(h->magic, magic, sizeof magic) != 0 || h->key_bytes != length || h->data_bytes > most)
    return false;
  if (bytes != sizeof *h + length + h->data_bytes || memcmp(file + sizeof *h, key, length) != 0) return false;
  header wanted = header_of(key, file + sizeof *h + length, h->data_bytes);
  return memcmp(&wanted, h, sizeof wanted) == 0;
}

bool kd_disk_cache_find(const char *kind, const char *key, size_t most, char **data, size_t *bytes) {
  kd_pool *pool = kd_pool_create();
  const char *path = path_of(pool, kind, key);
  header h;
  char *file;
  size_t size;
  bool found = path && access(path, R_OK) == 0 &&
               kd_file_read(pool, path, most + MOST_KEY, &file, &size) == KD_OK &&
               holds(file, size, key, most, &h);
  if (found) {
    *bytes = h.data_bytes;
    *data = kd_calloc(*bytes + 1, 1);
    memcpy(*data, file + sizeof h + h.key_bytes, *bytes);
  }
  kd_pool_destroy(pool);
  return found;
}

void kd_disk_cache_keep(const char *kind, const char *key, const void *data, size_t bytes) {
  kd_pool *pool = kd_pool_create();
  const char *path = path_of(pool, kind, key);
  header h = header_of(key, data, bytes);
  const char *temporary = path ? kd_pool_printf(pool, "%s.%ld", path, (long)getpid()) : NULL;
  FILE *file = temporary ? fopen(temporary, "wbe") : NULL;
  if (file) {
    bool good = fwrite(&h, sizeof h, 1, file) == 1 && fwrite(key, h.key_bytes, 1, file) == 1 &&
                fwrite(data, 1, bytes, file) == bytes;
    good = fclose(file) == 0 && good;
    if (!good || rename(temporary, path) != 0) (void)unlink(temporary);
  }
  kd_pool_destroy(pool);
}
