#include "device/cpu/channel_fold.h"

#include <string.h>

enum { LANES = 16, FEW_CHANNELS = 64, BLOCK_FLOATS = 32768, MIN_ROWS = 64, MAX_ROWS = 512 };

kd_channel_fold kd_channel_fold_make(int64_t count, int64_t channels, bool fold) {
  kd_channel_fold self = {.count = count, .channels = channels, .period = channels};
  if (fold && channels < FEW_CHANNELS)
    while (self.period % LANES || self.period < FEW_CHANNELS) self.period += channels;
  self.block_rows = BLOCK_FLOATS / self.period;
  if (self.block_rows < MIN_ROWS) self.block_rows = MIN_ROWS;
  if (self.block_rows > MAX_ROWS) self.block_rows = MAX_ROWS;
  int64_t block = self.block_rows * self.period;
  self.n_blocks = (count + block - 1) / block;
  return self;
}

size_t kd_channel_fold_bytes(const kd_channel_fold *fold) {
  return (size_t)(fold->n_blocks * 2 * fold->period) * sizeof(float);
}

void kd_channel_fold_total(const kd_channel_fold *fold, const float *sums, double *total) {
  int64_t channels = fold->channels;
  memset(total, 0, (size_t)(2 * channels) * sizeof(double));
  for (int64_t block = 0; block < fold->n_blocks; block++)
    for (int kind = 0; kind < 2; kind++) {
      const float *part = sums + (block * 2 + kind) * fold->period;
      for (int64_t start = 0; start < fold->period; start += channels)
        for (int64_t c = 0; c < channels; c++) total[kind * channels + c] += (double)part[start + c];
    }
}

void kd_channel_fold_spread(const kd_channel_fold *fold, const float *channel, float *period) {
  for (int64_t start = 0; start < fold->period; start += fold->channels)
    memcpy(period + start, channel, (size_t)fold->channels * sizeof(float));
}
