/* A guard over all bytes of a file: 512 bytes in front (an HDF5 user block) that hold size and checksum.
 *
 * The text form can be read by `head -5`; the rest of the block is zeros. Any changed, missing or added byte
 * is found: the block must be exactly what the writer makes of the numbers in it, and the checksum covers the
 * rest. */
#ifndef KD_IO_FILE_GUARD_H
#define KD_IO_FILE_GUARD_H

#include <stdint.h>

#include "device/base/status.h"

enum { KD_GUARD_BYTES = 512 };

/* Fills the first 512 bytes of a file that is otherwise complete. `what`: one word that names the kind of
 * file ("checkpoint"). KD_ERR_RUN on failure. */
kd_status kd_guard_write(const char *path, const char *what, int64_t step);
/* KD_ERR_USAGE with the reason when the file is not exactly what was written. *step may be NULL. */
kd_status kd_guard_check(const char *path, const char *what, int64_t *step);

#endif
