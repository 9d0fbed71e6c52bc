/* Counts allocations of a program: it replaces malloc and its kin, and mmap. For one source file of a test
 * program. What a library does inside its own calls is beyond us (oneDNN makes a small map of arguments each
 * time) and is counted apart, in library_calls. Not for builds with a sanitizer, which has its own malloc. */
#ifndef KD_TEST_COUNT_ALLOC_H
#define KD_TEST_COUNT_ALLOC_H

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc's own functions below the public names, which this program replaces. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

static atomic_bool counting;
static _Thread_local bool in_library; /* this thread is inside a foreign library */
static atomic_int calls, library_calls;

static void count(void) {
  if (atomic_load(&counting)) atomic_fetch_add(in_library ? &library_calls : &calls, 1);
}

/* The library's entry points of a step, which this program stands before. */
int dnnl_primitive_execute(const void *primitive, void *stream, int n, const void *arguments);
int dnnl_sgemm(char transa, char transb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
               int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

static int (*real_execute)(const void *, void *, int, const void *);
static int (*real_sgemm)(char, char, int64_t, int64_t, int64_t, float, const float *, int64_t, const float *,
                         int64_t, float, float *, int64_t);

int dnnl_primitive_execute(const void *primitive, void *stream, int n, const void *arguments) {
  in_library = true;
  int status = real_execute(primitive, stream, n, arguments);
  in_library = false;
  return status;
}

int dnnl_sgemm(char transa, char transb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
               int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
  in_library = true;
  int status = real_sgemm(transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  in_library = false;
  return status;
}

/* To be called first. */
static void count_alloc_prepare(void) {
  *(void **)&real_execute = dlsym(RTLD_NEXT, "dnnl_primitive_execute");
  *(void **)&real_sgemm = dlsym(RTLD_NEXT, "dnnl_sgemm");
  if (!real_execute || !real_sgemm) exit(1);
}

void *malloc(size_t bytes) {
  count();
  return __libc_malloc(bytes);
}

void *calloc(size_t number, size_t bytes) {
  count();
  return __libc_calloc(number, bytes);
}

void *realloc(void *block, size_t bytes) {
  count();
  return __libc_realloc(block, bytes);
}

void *memalign(size_t alignment, size_t bytes) {
  count();
  return __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
  count();
  return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **block, size_t alignment, size_t bytes) {
  count();
  *block = __libc_memalign(alignment, bytes);
  return *block ? 0 : ENOMEM;
}

void *mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset) {
  count();
  return (void *)syscall(SYS_mmap, address, bytes, protection, flags, file, offset); /* NOLINT */
}

#endif
