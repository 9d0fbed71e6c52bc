/* gzip files read as a whole. */
#ifndef KD_IO_GZIP_FILE_H
#define KD_IO_GZIP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/base/status.h"

/* The first `want` decompressed bytes; *got tells how many there are. A file that is not compressed (by its
 * magic number) is read as it is. */
kd_status kd_gzip_head(const char *path, size_t want, unsigned char *out, size_t *got, bool *compressed);
/* Checks that the file decompresses to `bytes` bytes: by the size in its last four bytes, and by reading all
 * of it when that differs (truncated, damaged, or several members). */
kd_status kd_gzip_check_size(const char *path, int64_t file_size, int64_t bytes);
/* Decompresses the file: exactly `skip` bytes that are dropped, then `bytes` that go to out, then the end
 * with its checksum. KD_ERR_USAGE when it is damaged or shorter or longer. */
kd_status kd_gzip_read(const char *path, size_t skip, size_t bytes, void *out);
/* A lower bound for the compressed size of `bytes` bytes: deflate cannot do better than 1032 to 1. Guards
 * against headers that ask for far more memory than the file could fill. */
int64_t kd_gzip_least_size(int64_t bytes);

#endif
