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

/* Mean and biased variance per channel from total: the sums of x - shift, then of its square. shift: one
 * value per channel, any near the data. */
void kd_batch_norm_statistics(const kd_channel_fold *fold, const double *total, const float *shift,
                              float *mean, float *variance);

/* From total, the sums of dy, then of dy (x - mean), over n elements per channel: the gradients of gamma and
 * beta, and dy_mean and slope as above, one value per channel. */
void kd_batch_norm_gradients(int64_t channels, double n, float epsilon, const double *total,
                             const float *variance, float *dgamma, float *dbeta, float *dy_mean,
                             float *slope);

#endif
