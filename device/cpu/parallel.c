#include "device/cpu/parallel.h"

#include <omp.h>

/* At 40 GB/s, copies out of cache, this takes 25 us. Waking a thread that sleeps costs 5 to 10 us here and
 * more on busy machines: with a fourth of this a small model was slower on two threads than on one. */
enum { RANGE_BYTES = 1 << 20 };

int64_t kd_cpu_grain(int64_t bytes) {
  return bytes >= RANGE_BYTES ? 1 : RANGE_BYTES / (bytes > 0 ? bytes : 1);
}

void kd_cpu_parallel(const kd_device *device, int64_t n_items, int64_t grain, kd_range_fn *fn,
                     void *context) {
  if (n_items <= 0) return;
  int64_t ranges = n_items / (grain > 0 ? grain : 1);
  if (ranges > device->threads) ranges = device->threads;
  if (ranges <= 1) {
    fn(context, 0, n_items);
    return;
  }
#pragma omp parallel num_threads((int)ranges)
  {
    /* The system may give fewer threads than asked for: the ranges are dealt to those that came. */
    int64_t team = omp_get_num_threads(), share = n_items / team, rest = n_items % team;
    int64_t rank = omp_get_thread_num();
    int64_t begin = rank * share + (rank < rest ? rank : rest);
    fn(context, begin, begin + share + (rank < rest));
  }
}
