/* A first reading of a foreign HDF5 file in a child process.
 *
 * libhdf5 1.10 trusts some addresses and sizes inside a file: about one changed byte in 3000 of a small
 * weights file makes it crash or loop. A child that dies instead turns this into an error of the file. The
 * cost is one fork and a second reading from the page cache. */
#ifndef KD_IO_HDF5_PROBE_H
#define KD_IO_HDF5_PROBE_H

#include <stdint.h>

#include "device/base/status.h"

/* Runs work(context) in a child process; what it changes is lost. Errors that it returns are left for the
 * caller to find again. KD_ERR_USAGE when the child crashes or takes far longer than `bytes` bytes should;
 * `name` for the message. KD_OK too when no child can be made. Inside kd_h5_enter/leave. */
kd_status kd_h5_probe(const char *name, int64_t bytes, kd_status (*work)(void *context), void *context);
/* work(trial) in a child, then work(context) here; takes and leaves the lock. */
kd_status kd_h5_probe_and_read(const char *name, int64_t bytes, kd_status (*work)(void *context), void *trial,
                               void *context);

#endif
