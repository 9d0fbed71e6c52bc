/* Start values of weights: the fans rule and counter-based random numbers for initializers. */
#ifndef KD_INIT_H
#define KD_INIT_H

#include "device/base/rng.h"
#include "device/base/tensor.h"

/* Keras's compute_fans: rank 0: 1, 1; rank 1: n, n; rank 2: rows, columns; higher (convolution kernels):
 * receptive field times shape[-2], receptive field times shape[-1]. */
void kd_fans(const kd_shape *shape, double *fan_in, double *fan_out);

/* Each fills `count` values from the stream `key`; value i is a function of (key, i) alone. */
void kd_fill_constant(float *values, int64_t count, float value);
void kd_fill_uniform(float *values, int64_t count, uint64_t key, double low, double high);
void kd_fill_normal(float *values, int64_t count, uint64_t key, double mean, double deviation);
/* A normal distribution cut at two deviations on both sides (values outside are drawn again). */
void kd_fill_truncated_normal(float *values, int64_t count, uint64_t key, double mean, double deviation);

#endif
