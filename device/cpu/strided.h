/* Copies between two strided views of any element type: what transposition, broadcast, slicing and
 * concatenation come down to. */
#ifndef KD_CPU_STRIDED_H
#define KD_CPU_STRIDED_H

#include "device/cpu/cpu.h"

typedef enum kd_strided_way {
  KD_STRIDED_RUNS,   /* the last axis is contiguous on both sides */
  KD_STRIDED_REPEAT, /* the last axis repeats one element */
  KD_STRIDED_SQUARE, /* the last axis is contiguous in `to`, axis `across` in `from`: a transposition */
  KD_STRIDED_SINGLE, /* element by element */
} kd_strided_way;

/* Axes are merged and ordered as the caller gave them; strides are in bytes. */
typedef struct kd_strided {
  kd_strided_way way;
  int rank, across;
  size_t size; /* bytes of an element: 1, 2, 4 or 8 */
  int64_t dim[KD_MAX_RANK], from[KD_MAX_RANK], to[KD_MAX_RANK];
  int64_t items, strips; /* pieces of work: strips of axis `across` times the other axes but the last */
} kd_strided;

/* Strides in bytes of a dense tensor. */
void kd_dense_strides(const kd_shape *shape, size_t size, int64_t *stride);

void kd_strided_plan(kd_strided *copy, int rank, const int64_t *dim, const int64_t *from, const int64_t *to,
                     size_t size);
void kd_strided_run(const kd_strided *copy, const kd_device *device, const void *from, void *to);

#endif
