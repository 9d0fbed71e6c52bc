/* Threads inside one rank. */
#ifndef KD_CPU_PARALLEL_H
#define KD_CPU_PARALLEL_H

#include "device/backend.h"

/* Does the items begin .. end-1. */
typedef void kd_range_fn(void *context, int64_t begin, int64_t end);

/* Calls fn over the items 0 .. n_items-1, cut into one range per thread of at least `grain` items; a single
 * range runs in the calling thread. An item's result must not depend on the range it is in: whoever sums
 * makes the whole sum (or a part whose borders depend on shapes only) one item. Then the number of threads
 * never changes bits. Waking threads costs 5 to 10 us: choose grain so that a range takes longer. */
void kd_cpu_parallel(const kd_device *device, int64_t n_items, int64_t grain, kd_range_fn *fn, void *context);

/* The grain for items that each move `bytes` bytes of memory or do about as much work. */
int64_t kd_cpu_grain(int64_t bytes);

#endif
