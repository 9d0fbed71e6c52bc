/* What was made with much work, on disk under ~/.cache/kdist/cuda (XDG_CACHE_HOME), found by a text that says
 * all that it depends on. Nothing depends on it: a file that cannot be written is not, and one that does not
 * hold exactly this text with intact data is not used. */
#ifndef KD_CUDA_DISK_CACHE_H
#define KD_CUDA_DISK_CACHE_H

#include <stdbool.h>
#include <stddef.h>

/* kind: the ending of the file's name. At most `most` bytes; *data is released with kd_free. False: not
 * there. */
bool kd_disk_cache_find(const char *kind, const char *key, size_t most, char **data, size_t *bytes);
/* Under a name of this process first: several ranks may write the same file. */
void kd_disk_cache_keep(const char *kind, const char *key, const void *data, size_t bytes);

#endif
