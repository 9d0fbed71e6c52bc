/* The table of vector kernels: inner loops that are compiled once per instruction set (files vector_*.c) and
 * reached through the table that fits the processor (isa.h).
 *
 * A vector_*.c file names its functions with KD_V: `float KD_V(sum)(const float *x, int64_t n)` becomes
 * kd_sum_base, kd_sum_v3 and kd_sum_v4. device/cpu/vector.def lists them. Everything else in such a file is
 * static, and it calls no function of another file but those named by KD_V, libm and libmvec. */
#ifndef KD_CPU_VECTOR_H
#define KD_CPU_VECTOR_H

#include <stdint.h>

#include "device/cpu/attention_rows.h"
#include "device/cpu/batch_norm.h"
#include "device/cpu/norm_pool.h"
#include "device/cpu/pool_shape.h"
#include "device/cpu/recurrent_step.h"

#define KD_VECTOR_JOIN_(name, isa)  kd_##name##_##isa
#define KD_VECTOR_JOIN2_(name, isa) KD_VECTOR_JOIN_(name, isa)
#define KD_V(name)                  KD_VECTOR_JOIN2_(name, KD_ISA)

/* One step of a pointwise program over n floats. out may be any of the operands; unused operands are not
 * read. A value's bits do not depend on its position or on n. */
typedef void kd_step_fn(float *out, const float *a, const float *b, const float *c, int64_t n);
/* Conversion of n elements of some type to and from float. */
typedef void kd_load_fn(float *out, const void *from, int64_t n);
typedef void kd_store_fn(void *out, const float *from, int64_t n);

/* Counters of random blocks, word by word (device/base/rng.h: the low words count blocks of four numbers, the
 * high words name the sample). */
enum { KD_MAX_COUNTERS = 80 };
typedef struct kd_counters {
  uint32_t word[4][KD_MAX_COUNTERS];
} kd_counters;

/* Adam's rule over arrays that are equal or apart: m += (g - m) rise_m; v += (g^2 - v) rise_v;
 * w -= m alpha / (sqrt(v) + epsilon). used: not 0 for each row of `width` elements that has a gradient; g of
 * the others is zero and not read. NULL: all have one. */
typedef struct kd_adam_step {
  const float *w, *g, *m, *v, *used;
  int64_t width;
  float *new_w, *new_m, *new_v;
  float rise_m, rise_v, alpha, epsilon;
} kd_adam_step;

/* gelu: y = x u c with u = erf(x a) + 1, which is stored too unless new_u is NULL. With dy its gradient in y:
 * dy c u + dy c x exp(-(x a)^2) k a. */
typedef struct kd_gelu_step {
  const float *x, *u, *dy; /* u, dy: of the gradient, else NULL */
  float *y, *new_u;
  float a, c, k;
} kd_gelu_step;

typedef struct kd_vector_table {
#define KD_VECTOR(result, name, ...) result (*name)(__VA_ARGS__);
#include "device/cpu/vector.def"
#undef KD_VECTOR
} kd_vector_table;

#define KD_VECTOR(result, name, ...)                                                                         \
  result kd_##name##_base(__VA_ARGS__);                                                                      \
  result kd_##name##_v3(__VA_ARGS__);                                                                        \
  result kd_##name##_v4(__VA_ARGS__);
#include "device/cpu/vector.def"
#undef KD_VECTOR

#endif
