#include "layers/init.h"

#include <math.h>

void kd_fans(const kd_shape *shape, double *fan_in, double *fan_out) {
  if (shape->rank == 0) {
    *fan_in = *fan_out = 1;
  } else if (shape->rank == 1) {
    *fan_in = *fan_out = (double)shape->dim[0];
  } else {
    double field = (double)kd_shape_span(shape, 0, shape->rank - 2);
    *fan_in = field * (double)shape->dim[shape->rank - 2];
    *fan_out = field * (double)shape->dim[shape->rank - 1];
  }
}

void kd_fill_constant(float *values, int64_t count, float value) {
  for (int64_t i = 0; i < count; i++) values[i] = value;
}

void kd_fill_uniform(float *values, int64_t count, uint64_t key, double low, double high) {
  for (int64_t i = 0; i < count; i += 4) {
    kd_philox block = kd_philox_block((uint64_t)(i / 4), 0, key);
    for (int64_t k = 0; k < 4 && i + k < count; k++)
      values[i + k] = (float)(low + (high - low) * (double)kd_uniform_f32(block.v[k]));
  }
}

/* Four standard normal numbers of one block (Box-Muller). */
static void normal_block(uint64_t counter, uint64_t attempt, uint64_t key, float normal[4]) {
  const float two_pi = 6.2831853071795864769f;
  kd_philox block = kd_philox_block(counter, attempt, key);
  for (int pair = 0; pair < 4; pair += 2) {
    float radius = sqrtf(-2.0f * logf(1.0f - kd_uniform_f32(block.v[pair])));
    float angle = two_pi * kd_uniform_f32(block.v[pair + 1]);
    normal[pair] = radius * cosf(angle);
    normal[pair + 1] = radius * sinf(angle);
  }
}

void kd_fill_normal(float *values, int64_t count, uint64_t key, double mean, double deviation) {
  for (int64_t i = 0; i < count; i += 4) {
    float normal[4];
    normal_block((uint64_t)(i / 4), 0, key, normal);
    for (int64_t k = 0; k < 4 && i + k < count; k++)
      values[i + k] = (float)(mean + deviation * (double)normal[k]);
  }
}

/* One standard normal number within two deviations, from later attempts of the same block. */
static float redraw(int64_t element, uint64_t key) {
  for (uint64_t attempt = 1;; attempt++) {
    float normal[4];
    normal_block((uint64_t)(element / 4), attempt, key, normal);
    if (fabsf(normal[element % 4]) <= 2.0f) return normal[element % 4];
  }
}

void kd_fill_truncated_normal(float *values, int64_t count, uint64_t key, double mean, double deviation) {
  for (int64_t i = 0; i < count; i += 4) {
    float normal[4];
    normal_block((uint64_t)(i / 4), 0, key, normal);
    for (int64_t k = 0; k < 4 && i + k < count; k++) {
      float value = fabsf(normal[k]) <= 2.0f ? normal[k] : redraw(i + k, key);
      values[i + k] = (float)(mean + deviation * (double)value);
    }
  }
}
