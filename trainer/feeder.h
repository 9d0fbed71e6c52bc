/* The rows of each step on this rank, from a loader of its own or streamed by rank 0. */
#ifndef KD_FEEDER_H
#define KD_FEEDER_H

#include "comm/comm.h"
#include "io/loader.h"
#include "trainer/replica.h"

/* Data of one purpose, as the fields that the model's inputs and outputs want. */
typedef struct kd_stream {
  kd_dataset *data;  /* NULL: none, or streamed by rank 0 */
  int64_t count;     /* samples, on all ranks; 0: no such data */
  const int *fields; /* of the data set: for the inputs, then for the outputs with labels */
  int n_fields;
  const size_t *sample_bytes; /* per field */
  int64_t batch_size;         /* global */
  int64_t chunk;              /* of the data set: samples that are stored together, see kd_sampler_start */
  bool coordinator;           /* shard = coordinator: rank 0 reads for all */
} kd_stream;

typedef struct kd_feeder kd_feeder;

/* The replica says which rows are whose. The stream must outlive the feeder. */
kd_status kd_feeder_open(kd_comm *comm, kd_replica *replica, const kd_stream *stream, kd_feeder **feeder);
void kd_feeder_destroy(kd_feeder *feeder);        /* NULL is allowed */
int64_t kd_feeder_steps(const kd_feeder *feeder); /* batches of one epoch: ceil(count / batch_size) */
int64_t kd_feeder_count(const kd_feeder *feeder); /* samples */
/* Starts an epoch at batch first_step with `steps` batches to come. order->count may be less than the set. */
kd_status kd_feeder_start(kd_feeder *feeder, const kd_sampler *order, int64_t first_step, int64_t steps);
/* Data of the next step, valid until the next call. KD_ERR_INTERNAL behind the last. Collective with
 * `coordinator`. */
kd_status kd_feeder_next(kd_feeder *feeder, kd_step_data *data);

#endif
