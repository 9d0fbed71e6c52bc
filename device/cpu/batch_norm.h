/* What the batch normalisation kernel hands to its vector loops. */
#ifndef KD_CPU_BATCH_NORM_H
#define KD_CPU_BATCH_NORM_H

#include "device/cpu/channel_fold.h"

/* Values per channel, repeated over the period of the fold. With n elements per channel and
 * r = 1/sqrt(var + eps):  y = (x - mean) scale + beta,  scale = gamma r;
 * dx = (dy - dy_mean - (x - mean) slope) scale,  dy_mean = sum(dy) / n,  slope = r^2 sum(dy (x - mean)) / n.
 */
typedef struct kd_batch_norm_places {
  float *mean, *scale, *beta, *dy_mean, *slope;
} kd_batch_norm_places;

#endif
