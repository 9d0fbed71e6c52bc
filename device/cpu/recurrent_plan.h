/* What both directions of a recurrent sequence share: rows dealt to threads, the products of each step with
 * the recurrent kernel in the library's layout, and memory.
 *
 * Rows of a batch do not know each other, so each chunk of rows is walked through all steps by one thread,
 * without waiting for others. A product has as many rows as the largest chunk: the rows behind a smaller
 * one's own are computed and not looked at. */
#ifndef KD_CPU_RECURRENT_PLAN_H
#define KD_CPU_RECURRENT_PLAN_H

#include "device/cpu/cpu.h"
#include "device/cpu/onednn.h"

/* Gates that are multiplied at once: wide (rows, count u) = narrow (rows, u) * columns of the kernel, or
 * backward narrow = wide * those columns transposed. */
typedef struct kd_recurrent_part {
  int first, count;
  kd_onednn **product; /* per chunk */
  kd_onednn *reorder;  /* NULL: the library takes the kernel as it is */
  size_t packed_at;    /* bytes, of the kernel in the library's layout */
  int64_t wide_at, narrow_at;
} kd_recurrent_part;

typedef struct kd_recurrent_plan {
  kd_recurrent_attr attr;
  int64_t batch, steps, units, gates;
  int64_t rows; /* of a chunk; the last one may have fewer */
  int chunks, n_parts;
  bool backward, kept; /* kept: packed kernels live in launch->state and are renewed in refresh */
  kd_recurrent_part part[KD_CELL_MAX_GATES];
  int64_t scratch_at, chunk_floats; /* places in a chunk's memory are in floats */
  size_t chunks_at, tail_at;        /* bytes in the workspace */
} kd_recurrent_plan;

/* Sets attr, sizes, products, and the launch's memory and note. n_blocks: matrices (rows, u) at the start of
 * each chunk's memory for the caller. Forward without dropout factors, the first part's narrow matrix is
 * block 0. tail_bytes: workspace for the caller at tail_at. The caller destroys *plan also after a failure.
 */
kd_status kd_recurrent_plan_prepare(kd_recurrent_plan *plan, kd_launch *launch, bool backward,
                                    int kernel_input, int64_t batch, int64_t steps, int n_blocks,
                                    size_t tail_bytes);
kd_status kd_recurrent_plan_bind(kd_recurrent_plan *plan, const kd_launch *launch, float *kernel);
kd_status kd_recurrent_plan_pack(const kd_recurrent_plan *plan);
/* Walks all chunks through their steps, after packing kernels that are not kept. */
typedef kd_status kd_recurrent_chunk_fn(const kd_launch *launch, int64_t chunk);
kd_status kd_recurrent_plan_run(const kd_recurrent_plan *plan, const kd_launch *launch,
                                kd_recurrent_chunk_fn *fn);
void kd_recurrent_plan_destroy(kd_recurrent_plan *plan);

/* The n-th block of rows x units floats, and a chunk's memory. */
int64_t kd_recurrent_block(const kd_recurrent_plan *plan, int n);
float *kd_recurrent_chunk(const kd_recurrent_plan *plan, const kd_launch *launch, int64_t chunk);
/* Rows begin .. end-1 of the batch belong to a chunk. */
void kd_recurrent_chunk_rows(const kd_recurrent_plan *plan, int64_t chunk, int64_t *begin, int64_t *end);
/* Points the gates of a step at the wide matrices of a chunk. */
void kd_recurrent_gates(const kd_recurrent_plan *plan, float *chunk, kd_recurrent_step *step);

#endif
