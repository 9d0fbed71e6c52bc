#include "device/base/half.h"

void kd_floats_read(kd_dtype type, const void *from, float *to, int64_t count) {
  const uint16_t *half = from;
  if (type == KD_F32) memcpy(to, from, (size_t)count * sizeof *to);
  for (int64_t i = 0; type == KD_BF16 && i < count; i++) to[i] = kd_bf16_value(half[i]);
  for (int64_t i = 0; type == KD_F16 && i < count; i++) to[i] = kd_f16_value(half[i]);
}

void kd_floats_write(kd_dtype type, const float *from, void *to, int64_t count) {
  uint16_t *half = to;
  if (type == KD_F32) memcpy(to, from, (size_t)count * sizeof *from);
  for (int64_t i = 0; type == KD_BF16 && i < count; i++) half[i] = kd_bf16_bits(from[i]);
  for (int64_t i = 0; type == KD_F16 && i < count; i++) half[i] = kd_f16_bits(from[i]);
}
