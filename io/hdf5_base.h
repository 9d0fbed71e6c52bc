/* What every user of libhdf5 shares: one thread inside at a time, no printed errors, short reasons. */
#ifndef KD_IO_HDF5_BASE_H
#define KD_IO_HDF5_BASE_H

#include <hdf5.h>

#include "io/element.h"

/* Between these two calls the thread may call HDF5; automatic printing of errors is off. May be nested. */
void kd_h5_enter(void);
void kd_h5_leave(void);

/* KD_FAIL for the last HDF5 call that failed: "TEXT: innermost reason of the library". The library's error
 * stack is cleared. */
kd_status kd_h5_fail(kd_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Opens a file for reading. KD_ERR_USAGE when it is missing, truncated or no HDF5 file. */
kd_status kd_h5_open(const char *path, hid_t *file);
/* The same for a file that is in memory; `name` for messages. The bytes are copied by the library. */
kd_status kd_h5_open_image(const char *name, const void *bytes, size_t size, hid_t *file);

/* The element that a type stands for; false for text, structures and unusual numbers. */
bool kd_h5_element(hid_t type, kd_element *element);
/* The library's type of a plain little-endian dtype. Half types, which HDF5 has not or only as
 * a made-up type, are raw 16-bit words. Not to be closed. */
hid_t kd_h5_type(kd_dtype dtype);
/* Sizes of a data set. KD_ERR_USAGE for more than `max` axes. */
kd_status kd_h5_dims(hid_t set, const char *what, int max, int *rank, hsize_t *dims);
/* False for chunks far larger than the data: the library allocates them whole when it reads. */
bool kd_h5_chunks_sane(hid_t set);

#endif
