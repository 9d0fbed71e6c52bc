/* Code of generated kernels on disk. Nothing depends on it: a file that cannot be written is not, and one
 * that does not hold exactly this text with an intact code is not used. */
#include <errno.h>
#include <inttypes.h>
#include <nvrtc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/base/file.h"
#include "device/base/hash.h"
#include "device/cuda/module.h"

enum { LARGEST = 64 << 20 };

typedef struct header {
  char magic[16];
  uint64_t text_bytes, code_bytes, hash; /* of text and code */
  int32_t capability, compiler;          /* 1300: NVRTC 13.0 */
} header;

static const char magic[16] = "kdist code 1\n";

static header header_of(const char *text, int capability, const char *code, size_t bytes) {
  int major = 0, minor = 0;
  (void)nvrtcVersion(&major, &minor);
  header h = {.text_bytes = strlen(text), .code_bytes = bytes, .capability = capability};
  memcpy(h.magic, magic, sizeof magic);
  h.compiler = major * 100 + minor;
  h.hash = kd_hash(code, bytes, kd_hash_text(text, 0));
  return h;
}

/* NULL: there is no place for it. In the pool. */
static const char *path_of(kd_pool *pool, const char *text, int capability) {
  const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  int major = 0, minor = 0;
  (void)nvrtcVersion(&major, &minor);
  if (!base || base[0] != '/') base = home && home[0] == '/' ? kd_path_join(pool, home, ".cache") : NULL;
  if (!base) return NULL;
  const char *folder = kd_path_join(pool, base, "kdist/cuda");
  if (kd_make_folders(folder) != KD_OK) return NULL;
  uint64_t name = kd_hash_text(text, (uint64_t)(capability * 10000 + major * 100 + minor));
  return kd_path_join(pool, folder, kd_pool_printf(pool, "%016" PRIx64 ".cubin", name));
}

static bool holds(const char *data, size_t bytes, const char *text, int capability, header *h) {
  if (bytes < sizeof *h) return false;
  memcpy(h, data, sizeof *h);
  size_t length = strlen(text);
  if (memcmp(h->magic, magic, sizeof magic) != 0 || h->text_bytes != length || h->code_bytes > LARGEST)
    return false;
  if (bytes != sizeof *h + length + h->code_bytes || memcmp(data + sizeof *h, text, length) != 0)
    return false;
  header wanted = header_of(text, capability, data + sizeof *h + length, h->code_bytes);
  return memcmp(&wanted, h, sizeof wanted) == 0;
}

bool kd_module_find(const char *text, int capability, char **code, size_t *bytes) {
  kd_pool *pool = kd_pool_create();
  const char *path = path_of(pool, text, capability);
  header h;
  char *data;
  size_t size;
  bool found = path && access(path, R_OK) == 0 && kd_file_read(pool, path, LARGEST, &data, &size) == KD_OK &&
               holds(data, size, text, capability, &h);
  if (found) {
    *bytes = h.code_bytes;
    *code = kd_calloc(*bytes + 1, 1);
    memcpy(*code, data + sizeof h + h.text_bytes, *bytes);
  }
  kd_pool_destroy(pool);
  return found;
}

/* Under a name of this process first: several ranks may write the same file. */
void kd_module_keep(const char *text, int capability, const char *code, size_t bytes) {
  kd_pool *pool = kd_pool_create();
  const char *path = path_of(pool, text, capability);
  header h = header_of(text, capability, code, bytes);
  const char *temporary = path ? kd_pool_printf(pool, "%s.%ld", path, (long)getpid()) : NULL;
  FILE *file = temporary ? fopen(temporary, "wbe") : NULL;
  if (file) {
    bool good = fwrite(&h, sizeof h, 1, file) == 1 && fwrite(text, h.text_bytes, 1, file) == 1 &&
                fwrite(code, bytes, 1, file) == 1;
    good = fclose(file) == 0 && good;
    if (!good || rename(temporary, path) != 0) (void)unlink(temporary);
  }
  kd_pool_destroy(pool);
}
