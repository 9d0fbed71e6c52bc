/* One reduction of the middle axis of a view (outer, n, inner) of any type to (outer, inner) of float32. */
#ifndef KD_CPU_REDUCE_PASS_H
#define KD_CPU_REDUCE_PASS_H

#include "device/cpu/cpu.h"

/* Long sums are cut into blocks, whose results are reduced in turn. Where the cuts are depends on the shape
 * only, so any number of threads gives the same bits; and short chains of additions round less. Other types
 * than float32 are converted block by block, in blocks that fit the first-level cache. */
typedef struct kd_reduce_pass {
  kd_reduce_kind kind; /* MEAN sums */
  kd_dtype dtype;
  int64_t outer, n, inner;
  int64_t blocks, block;  /* of n: their number, and elements of one */
  int64_t pieces, piece;  /* of inner: columns that one item takes */
  int64_t wide;           /* columns of few elements: rows that are taken as one, else 1 */
  int64_t partial_floats; /* room that a run needs */
} kd_reduce_pass;

void kd_reduce_pass_plan(kd_reduce_pass *pass, kd_reduce_kind kind, kd_dtype dtype, int64_t outer, int64_t n,
                         int64_t inner);
void kd_reduce_pass_run(const kd_reduce_pass *pass, const kd_device *device, const void *x, float *y,
                        float *partial);

#endif
