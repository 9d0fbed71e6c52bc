/* Checksums of whole files: what resume and the agreement between ranks remember of the data. */
#ifndef KD_IO_FINGERPRINT_H
#define KD_IO_FINGERPRINT_H

#include <stdint.h>

#include "device/base/status.h"

/* Size and XXH3 checksum of a regular file. Files below 64 MiB are read whole. Of larger ones the size, the
 * first and last MiB and 64 blocks of 64 KiB at equal distances are hashed, so that opening a large set stays
 * cheap; a change that avoids all of them is found only when the record itself is read. KD_ERR_USAGE when the
 * file is missing, unreadable, a folder or empty. */
kd_status kd_file_fingerprint(const char *path, int64_t *size, uint64_t *checksum);

#endif
