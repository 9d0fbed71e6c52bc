/* Files that are complete or absent: written under a temporary name, synced, then renamed. */
#ifndef KD_BASE_FILE_H
#define KD_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/base/memory.h"

/* Makes the file durable and gives it its name: fsync, rename, fsync of the folder. KD_ERR_RUN on failure
 * (the temporary file is removed then). */
kd_status kd_file_commit(const char *temporary, const char *path);
/* Writes all bytes to path as above, by way of "path.tmp". */
kd_status kd_file_write(const char *path, const void *data, size_t bytes);
/* The whole file with a '\0' behind it, in the pool. KD_ERR_USAGE when it is missing, unreadable or larger
 * than limit. */
kd_status kd_file_read(kd_pool *pool, const char *path, size_t limit, char **data, size_t *bytes);
/* mkdir -p. */
kd_status kd_make_folders(const char *path);
/* The same for the folder in which a file of that path lies, or a folder if the path ends in a slash. */
kd_status kd_make_folder_of(const char *path);
bool kd_path_exists(const char *path);
/* folder/name, or name alone when it is absolute or folder is NULL or empty. */
char *kd_path_join(kd_pool *pool, const char *folder, const char *name);

#endif
