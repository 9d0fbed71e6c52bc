/* The rows of each step on this rank, from a loader of its own or streamed by rank 0. */
#ifndef KD_FEEDER_H
#define KD_FEEDER_H

#include "comm/comm.h"
#include "io/loader.h"
#include "trainer/replica.h"

typedef struct kd_feeder_spec {
  kd_comm *comm;
  kd_replica *replica; /* says which rows are whose */
  kd_dataset *data;    /* NULL on ranks other than 0 with `coordinator` */
  int n_fields;
  const int *fields;
  const size_t *sample_bytes; /* per field */
  int64_t count;              /* samples of the set, on all ranks */
  int64_t batch_size;
  bool coordinator; /* shard = coordinator: rank 0 reads for all */
} kd_feeder_spec;

typedef struct kd_feeder kd_feeder;

kd_status kd_feeder_create(const kd_feeder_spec *spec, kd_feeder **feeder);
void kd_feeder_destroy(kd_feeder *feeder); /* NULL is allowed */
int64_t kd_feeder_steps(const kd_feeder *feeder); /* batches of one epoch: ceil(count / batch_size) */
/* Starts an epoch at batch first_step with `steps` batches to come. order->count may be less than the set. */
kd_status kd_feeder_start(kd_feeder *feeder, const kd_sampler *order, int64_t first_step, int64_t steps);
/* Data of the next step, valid until the next call. KD_ERR_INTERNAL behind the last. Collective with `coordinator`. */
kd_status kd_feeder_next(kd_feeder *feeder, kd_step_data *data);

#endif
