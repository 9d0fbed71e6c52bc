/* Host memory.
 *
 * Small objects come from kd_calloc or a pool; when the system refuses even those, the process ends
 * with a message (kd_out_of_memory), since nothing sensible can follow. Large blocks (arenas,
 * weights, batches) come from kd_large_alloc, which reports the failure. */
#ifndef KD_BASE_MEMORY_H
#define KD_BASE_MEMORY_H

#include <stdarg.h>
#include <stddef.h>

#include "device/base/status.h"

enum { KD_ALIGNMENT = 64 }; /* bytes: a cache line and an AVX-512 vector */

/* Zeroed memory for count objects; never NULL. Release with kd_free. */
void *kd_calloc(size_t count, size_t size);
/* As realloc, never NULL; the added part is not zeroed. */
void *kd_realloc(void *block, size_t count, size_t size);
char *kd_strdup(const char *text);
void kd_free(void *block);
_Noreturn void kd_out_of_memory(size_t bytes);

/* Zeroed, 2 MiB-aligned when large, huge pages asked for; KD_ERR_NOMEM with the size when refused.
 * Release with kd_large_free and the same size. */
kd_status kd_large_alloc(size_t bytes, void **block);
void kd_large_free(void *block, size_t bytes);

/* A pool hands out memory that is released all at once. Blocks are zeroed and 16-byte aligned. */
typedef struct kd_pool kd_pool;
kd_pool *kd_pool_create(void);
void kd_pool_destroy(kd_pool *pool); /* NULL is allowed */
void *kd_pool_alloc(kd_pool *pool, size_t count, size_t size);
char *kd_pool_strdup(kd_pool *pool, const char *text);
char *kd_pool_strndup(kd_pool *pool, const char *text, size_t length);
char *kd_pool_printf(kd_pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *kd_pool_vprintf(kd_pool *pool, const char *format, va_list args);

/* Makes room for one more element in a growing array of `size`-byte elements. `capacity` is updated. */
void *kd_grow(void *array, size_t used, size_t *capacity, size_t size);
/* The same inside a pool: the old block stays in the pool. */
void *kd_pool_grow(kd_pool *pool, void *array, size_t used, size_t *capacity, size_t size);

/* a * b and a + b for sizes that come from outside; KD_ERR_USAGE on overflow of int64 or negatives. */
kd_status kd_size_mul(long long a, long long b, long long *product);

#endif
