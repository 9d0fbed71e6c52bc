/* How channels-last tensors are summed per channel.
 *
 * A tensor of few channels is read as rows of `period` floats, a whole number of pixels, so that vectors are
 * full. Rows are cut into blocks whose size depends on the shape only; each block gives one partial sum per
 * place of the period, and the partial sums are added in the order of the blocks in double precision. So
 * neither the number of threads nor their speed changes a bit. */
#ifndef KD_CPU_CHANNEL_FOLD_H
#define KD_CPU_CHANNEL_FOLD_H

#include "device/op.h"

typedef struct kd_channel_fold {
  int64_t count, channels; /* floats of the tensor; its last axis */
  int64_t period;          /* a multiple of channels; of 16 when below 64 channels */
  int64_t block_rows;      /* rows of `period` floats in a block; the last block and row may be shorter */
  int64_t n_blocks;
} kd_channel_fold;

/* fold: false keeps period = channels, for kernels that need whole rows. */
kd_channel_fold kd_channel_fold_make(int64_t count, int64_t channels, bool fold);

/* Bytes of a step's partial sums: two floats per place of the period and block. */
size_t kd_channel_fold_bytes(const kd_channel_fold *fold);

/* Adds the partial sums of all blocks: total[0 .. channels-1] of the first kind, then as many of the second.
 */
void kd_channel_fold_total(const kd_channel_fold *fold, const float *sums, double *total);

/* Repeats one value per channel over the period. */
void kd_channel_fold_spread(const kd_channel_fold *fold, const float *channel, float *period);

#endif
