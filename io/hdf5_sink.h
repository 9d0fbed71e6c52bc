/* New HDF5 files whose write errors are kept apart from the library.
 *
 * When a disk is full, libhdf5 cannot close the file any more and keeps trying at exit. Here a virtual file
 * driver takes every write as done, remembers the first error, and kd_h5_finish reports it once the library
 * has closed the file in peace. */
#ifndef KD_IO_HDF5_SINK_H
#define KD_IO_HDF5_SINK_H

#include "io/hdf5_base.h"

typedef struct kd_h5_sink kd_h5_sink;

/* Creates `path` (an existing file is emptied) in the oldest format, as h5py does by default, with
 * `user_block` bytes in front (0, or a power of two from 512). KD_ERR_RUN when it cannot be created. Inside
 * kd_h5_enter/leave, like all of these. */
kd_status kd_h5_create(const char *path, hsize_t user_block, kd_h5_sink **sink, hid_t *file);
/* Closes the file and the sink. KD_ERR_RUN with path and reason when any write failed. */
kd_status kd_h5_finish(kd_h5_sink *sink, hid_t file);

/* A new contiguous data set, groups on the way to `name` included, without a time of creation: equal contents
 * give equal files. Negative on errors. */
hid_t kd_h5_create_set(hid_t file, const char *name, hid_t type, hid_t space);
/* Writes a contiguous data set, groups on the way to `name` included; rank 0 is a scalar. */
kd_status kd_h5_write(hid_t file, const char *name, kd_dtype dtype, int rank, const int64_t *dims,
                      const void *data);
/* A scalar text attribute of variable length, UTF-8, as h5py writes str. */
kd_status kd_h5_write_text(hid_t object, const char *name, const char *text);

#endif
