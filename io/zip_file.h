/* What every reader of zip archives shares. */
#ifndef KD_IO_ZIP_FILE_H
#define KD_IO_ZIP_FILE_H

#include <zip.h>

#include "device/base/status.h"

/* Opens an archive for reading; `what` for the message: ".npz". KD_ERR_USAGE when it is missing or no
 * archive. Release it with zip_discard. */
kd_status kd_zip_open(const char *path, const char *what, zip_t **archive);
/* Reads exactly `bytes` bytes of a member. KD_ERR_USAGE when there are fewer, or damaged ones. */
kd_status kd_zip_read(zip_file_t *member, const char *path, size_t bytes, void *out);
/* The member ends here: its checksum is compared. KD_ERR_USAGE when it goes on or is damaged. */
kd_status kd_zip_end(zip_file_t *member, const char *path, const char *name);

#endif
