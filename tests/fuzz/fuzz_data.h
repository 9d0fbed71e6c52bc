/* Bytes of the fuzzer as a file, opened as a data set of the given format, and read. */
#ifndef KD_FUZZ_DATA_H
#define KD_FUZZ_DATA_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

/* libhdf5 asks for the sizes that damaged files name, handles a refusal, and leaks on its error paths. */
const char *__asan_default_options(void) {
  return "allocator_may_return_null=1:detect_leaks=0";
}

/* An anonymous file that is made once and filled anew for each input; returns its path. */
static inline const char *fuzz_file(const uint8_t *data, size_t size) {
  static int fd = -1;
  static char path[64];
  if (fd < 0) {
    fd = memfd_create("fuzz", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  }
  if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size) abort();
  return path;
}

/* All samples of the first and last positions of every field. */
static inline void fuzz_read(kd_dataset *data) {
  for (int f = 0; f < data->n_fields; f++) {
    if (data->fields[f].bytes > 1 << 20) continue;
    void *out = malloc(2 * data->fields[f].bytes + 1);
    int64_t index[2] = {data->count - 1, 0};
    if (kd_dataset_read(data, f, 2, index, out) == KD_OK && data->count < 4096)
      kd_dataset_check_labels(data, f, 10);
    free(out);
  }
}

/* Opens the bytes with one input, or with an input and an output in the same file; a set that opens must have
 * a manifest that opens too. */
static inline void fuzz_dataset(const char *format, int n_fields, const uint8_t *data, size_t size) {
  static const char *const names[] = {"x", "y"};
  if (size == 0) return;
  const char *path = fuzz_file(data, size);
  kd_data_source source = {.format = format,
                           .n_paths = 1,
                           .paths = &path,
                           .n_fields = n_fields,
                           .n_inputs = 1,
                           .field_names = names,
                           .origin = {"fuzz.ini", 1}};
  kd_diag *diag = kd_diag_create();
  kd_dataset *set = kd_dataset_open(&source, diag), *twin;
  if (!set && diag->count == 0) abort();
  if (set) {
    void *bytes;
    size_t length;
    if (kd_dataset_manifest(set, &bytes, &length) != KD_OK) abort();
    if (kd_dataset_open_manifest(bytes, length, &twin) != KD_OK) abort();
    fuzz_read(set);
    fuzz_read(twin);
    kd_dataset_close(twin);
    kd_dataset_close(set);
  }
  kd_diag_destroy(diag);
}

#endif
