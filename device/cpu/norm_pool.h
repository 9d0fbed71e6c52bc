/* What the kernel of NORM_POOL hands to its vector loops. */
#ifndef KD_CPU_NORM_POOL_H
#define KD_CPU_NORM_POOL_H

#include <stdint.h>

/* Images (height, width, channels) and their windows, which start at the first pixel and do not overlap.
 * Pixels behind the last whole window of an axis are normalised with the others, but belong to no result. */
typedef struct kd_norm_pool_shape {
  int64_t height, width, channels;
  int64_t window[2], out[2];
} kd_norm_pool_shape;

#endif
