#include "device/base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device/base/log.h"

enum { HUGE_PAGE = 2 << 20, CHUNK = 16 << 10, POOL_ALIGNMENT = 16 };

_Noreturn void kd_out_of_memory(size_t bytes) {
  kd_log(KD_LOG_ERROR, "kdist: out of memory while asking for %zu bytes", bytes);
  fflush(NULL);
  _exit(1);
}

static size_t checked_size(size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX) kd_out_of_memory(SIZE_MAX);
  return bytes;
}

void *kd_calloc(size_t count, size_t size) {
  size_t bytes = checked_size(count, size);
  void *block = calloc(bytes ? bytes : 1, 1);
  if (!block) kd_out_of_memory(bytes);
  return block;
}

void *kd_realloc(void *block, size_t count, size_t size) {
  size_t bytes = checked_size(count, size);
  void *bigger = realloc(block, bytes ? bytes : 1);
  if (!bigger) kd_out_of_memory(bytes);
  return bigger;
}

char *kd_strdup(const char *text) {
  size_t length = strlen(text) + 1;
  return memcpy(kd_calloc(length, 1), text, length);
}

void kd_free(void *block) {
  free(block);
}

/* Large blocks are mapped; the mapping is widened so that its start can be cut to a huge page. */
kd_status kd_large_alloc(size_t bytes, void **block) {
  *block = NULL;
  if (bytes == 0) bytes = 1;
  KD_CHECK(bytes <= PTRDIFF_MAX - HUGE_PAGE, KD_ERR_NOMEM, "not enough memory: %zu bytes were asked for",
           bytes);
  size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : 4096;
  size_t wide = bytes + align;
  char *map = mmap(NULL, wide, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  KD_CHECK(map != MAP_FAILED, KD_ERR_NOMEM,
           "not enough memory: %.1f MiB were asked for; use a smaller batch_size or micro_batch",
           (double)bytes / (1 << 20));
  size_t head = (align - (size_t)map % align) % align;
  size_t keep = (bytes + 4095) / 4096 * 4096;
  if (head) munmap(map, head);
  if (wide > head + keep) munmap(map + head + keep, wide - head - keep);
  if (align == HUGE_PAGE) madvise(map + head, keep, MADV_HUGEPAGE);
  *block = map + head;
  return KD_OK;
}

void kd_large_free(void *block, size_t bytes) {
  if (block) munmap(block, ((bytes ? bytes : 1) + 4095) / 4096 * 4096);
}

typedef struct chunk {
  struct chunk *next;
  size_t used, size;
  _Alignas(POOL_ALIGNMENT) char data[];
} chunk;

struct kd_pool {
  chunk *first;
};

kd_pool *kd_pool_create(void) {
  return kd_calloc(1, sizeof(kd_pool));
}

void kd_pool_destroy(kd_pool *pool) {
  if (!pool) return;
  for (chunk *c = pool->first; c;) {
    chunk *next = c->next;
    free(c);
    c = next;
  }
  free(pool);
}

void *kd_pool_alloc(kd_pool *pool, size_t count, size_t size) {
  size_t bytes = (checked_size(count, size) + POOL_ALIGNMENT - 1) / POOL_ALIGNMENT * POOL_ALIGNMENT;
  chunk *c = pool->first;
  if (!c || c->size - c->used < bytes) {
    size_t room = bytes > CHUNK ? bytes : CHUNK;
    c = kd_calloc(1, sizeof(chunk) + room);
    c->size = room;
    c->next = pool->first;
    pool->first = c;
  }
  void *block = c->data + c->used;
  c->used += bytes;
  return block;
}

char *kd_pool_strndup(kd_pool *pool, const char *text, size_t length) {
  char *copy = kd_pool_alloc(pool, length + 1, 1);
  memcpy(copy, text, length);
  return copy;
}

char *kd_pool_strdup(kd_pool *pool, const char *text) {
  return kd_pool_strndup(pool, text, strlen(text));
}

char *kd_pool_vprintf(kd_pool *pool, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int length = vsnprintf(NULL, 0, format, args);
  if (length < 0) length = 0;
  char *text = kd_pool_alloc(pool, (size_t)length + 1, 1);
  vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

char *kd_pool_printf(kd_pool *pool, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = kd_pool_vprintf(pool, format, args);
  va_end(args);
  return text;
}

void *kd_grow(void *array, size_t used, size_t *capacity, size_t size) {
  if (used < *capacity) return array;
  *capacity = *capacity ? 2 * *capacity : 8;
  return kd_realloc(array, *capacity, size);
}

void *kd_pool_grow(kd_pool *pool, void *array, size_t used, size_t *capacity, size_t size) {
  if (used < *capacity) return array;
  *capacity = *capacity ? 2 * *capacity : 8;
  void *bigger = kd_pool_alloc(pool, *capacity, size);
  if (used) memcpy(bigger, array, used * size);
  return bigger;
}

kd_status kd_size_mul(long long a, long long b, long long *product) {
  KD_CHECK(a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, product), KD_ERR_USAGE,
           "a size of %lld times %lld is too large", a, b);
  return KD_OK;
}
