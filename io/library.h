/* The libraries behind io/, for `kdist info`. */
#ifndef KD_IO_LIBRARY_H
#define KD_IO_LIBRARY_H

/* "HDF5 1.10.8, libzip 1.7.3, json-c 0.16, zlib 1.2.13" */
const char *kd_io_library(void);

#endif
