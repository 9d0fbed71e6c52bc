/* One checkpoint file.
 *
 * HDF5 with a guard (file_guard.h) as user block; h5py and h5dump read it as it is:
 *   records/NAME   the arrays (16-bit floats as raw uint16)
 *   notes/NAME     the texts, as bytes
 *   index          a binary list of names, types, shapes and checksums, in the order of the checkpoint */
#ifndef KD_IO_CHECKPOINT_FILE_H
#define KD_IO_CHECKPOINT_FILE_H

#include "io/checkpoint.h"

/* Writes the file in place; the caller renames it. KD_ERR_RUN on failure. */
kd_status kd_checkpoint_file_write(const char *path, const kd_checkpoint *checkpoint);
/* KD_ERR_USAGE when anything is not as it was written. Memory is the pool's. */
kd_status kd_checkpoint_file_read(const char *path, kd_pool *pool, kd_checkpoint **checkpoint);

#endif
