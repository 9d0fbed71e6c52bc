/* Prefetching loader: a thread reads the next rows of this rank into buffers while a step runs. */
#ifndef KD_LOADER_H
#define KD_LOADER_H

#include "io/dataset.h"
#include "io/sampler.h"

typedef struct kd_loader kd_loader;

/* Rows of one step on this rank. */
typedef struct kd_batch {
  int64_t step;        /* in the epoch */
  int64_t rows;        /* of this rank; may be 0 */
  int64_t first;       /* position of the first row in the global batch */
  int64_t global_rows; /* of the whole global batch */
  void **field;        /* one buffer per wanted field: rows samples, contiguous, 64-byte aligned */
} kd_batch;

typedef struct kd_loader_spec {
  kd_dataset *data;
  int n_fields;
  const int *fields;  /* field numbers of the data set, in the order of kd_batch.field */
  int64_t batch_size; /* global */
  int rank, ranks;
  /* The rows [begin, end) of a global batch of `rows` rows that this rank computes; NULL: kd_split over
   * ranks. (Under determinism = world: whole micro-shards.) */
  void (*share)(void *context, int64_t rows, int64_t *begin, int64_t *end);
  void *share_context;
  int depth; /* batches ahead, at least 2; more are read ahead when they are small */
  /* shard = coordinator: samples are fetched by this call in place of kd_dataset_read, on the loader's
   * thread; NULL: read. */
  kd_status (*fetch)(void *context, int field, int64_t count, const int64_t *index, void *out);
  void *fetch_context;
} kd_loader_spec;

kd_status kd_loader_create(const kd_loader_spec *spec, kd_loader **loader);
void kd_loader_destroy(kd_loader *loader); /* also in mid-epoch: stops the thread; NULL is allowed */
/* Starts an epoch at batch `first_step` (resume in mid-epoch). steps: number of batches to deliver, from
 * first_step on; at most what the order holds (ceil(count / batch_size)). */
kd_status kd_loader_start(kd_loader *loader, const kd_sampler *order, int64_t first_step, int64_t steps);
/* The next batch, valid until the next call; NULL after the last. Waits for the thread. An error of the
 * thread is returned here with its text. */
kd_status kd_loader_next(kd_loader *loader, const kd_batch **batch);
double kd_loader_wait_seconds(const kd_loader *loader); /* time next() has waited, since creation */

#endif
