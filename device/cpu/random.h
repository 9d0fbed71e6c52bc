/* Random numbers of consecutive elements, by the rule of UNIFORM and NORMAL (device/pointwise.h). */
#ifndef KD_CPU_RANDOM_H
#define KD_CPU_RANDOM_H

#include "device/cpu/vector.h"

/* Elements start .. start+n-1 of a tensor with row_elements elements per sample, whose first sample is
 * first_sample; key: kd_rng_key. */
void kd_cpu_draw(const kd_vector_table *vector, bool normal, uint64_t key, uint64_t first_sample,
                 int64_t row_elements, int64_t start, int64_t n, float *out);

#endif
