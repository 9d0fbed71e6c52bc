#include "trainer/feeder.h"

struct kd_feeder {
  kd_stream spec;
  kd_comm *comm;
  kd_replica *replica;
  kd_loader *loader; /* NULL on ranks that are streamed to */
  int64_t step;      /* of the epoch */
  void **received;   /* streamed rows of this rank, per field */
  size_t *received_bytes;
  int64_t *ranges; /* begin and end of every rank's rows */
};

static void whole_batch(void *context, int64_t rows, int64_t *begin, int64_t *end) {
  (void)context;
  *begin = 0;
  *end = rows;
}

/* Rows of `rank` in a batch of `rows`: the replica knows its own; rank 0 asks for the others by their ranges.
 */
static kd_status ranges(const kd_feeder *f, int64_t rows, int64_t *all) {
  int64_t mine[2];
  kd_replica_share(f->replica, rows, &mine[0], &mine[1]);
  return kd_comm_all_gather(f->comm, mine, sizeof mine, all);
}

static kd_status create_received(kd_feeder *f) {
  f->received = kd_calloc((size_t)f->spec.n_fields, sizeof *f->received);
  f->received_bytes = kd_calloc((size_t)f->spec.n_fields, sizeof *f->received_bytes);
  for (int i = 0; i < f->spec.n_fields; i++) {
    f->received_bytes[i] = (size_t)f->spec.batch_size * f->spec.sample_bytes[i];
    KD_TRY(kd_large_alloc(f->received_bytes[i], &f->received[i]));
  }
  return KD_OK;
}

static kd_status create_loader(kd_feeder *f) {
  const kd_stream *spec = &f->spec;
  kd_loader_spec loader = {.data = spec->data,
                           .n_fields = spec->n_fields,
                           .fields = spec->fields,
                           .batch_size = spec->batch_size,
                           .rank = f->comm->rank,
                           .ranks = f->comm->size,
                           .share = spec->coordinator ? whole_batch : kd_replica_share,
                           .share_context = f->replica,
                           .depth = 3};
  return kd_loader_create(&loader, &f->loader);
}

kd_status kd_feeder_open(kd_comm *comm, kd_replica *replica, const kd_stream *stream, kd_feeder **feeder) {
  kd_feeder *f = kd_calloc(1, sizeof *f);
  f->spec = *stream;
  f->comm = comm;
  f->replica = replica;
  if (comm->size == 1) f->spec.coordinator = false;
  f->ranges = kd_calloc(2 * (size_t)comm->size, sizeof *f->ranges);
  bool streamed = f->spec.coordinator && comm->rank != 0;
  kd_status status = streamed ? create_received(f) : create_loader(f);
  if (status != KD_OK) {
    kd_feeder_destroy(f);
    return status;
  }
  *feeder = f;
  return KD_OK;
}

void kd_feeder_destroy(kd_feeder *f) {
  if (!f) return;
  kd_loader_destroy(f->loader);
  for (int i = 0; f->received && i < f->spec.n_fields; i++)
    kd_large_free(f->received[i], f->received_bytes[i]);
  kd_free(f->received);
  kd_free(f->received_bytes);
  kd_free(f->ranges);
  kd_free(f);
}

int64_t kd_feeder_steps(const kd_feeder *f) {
  return (f->spec.count + f->spec.batch_size - 1) / f->spec.batch_size;
}

int64_t kd_feeder_count(const kd_feeder *f) {
  return f->spec.count;
}

kd_status kd_feeder_start(kd_feeder *f, const kd_sampler *order, int64_t first_step, int64_t steps) {
  f->step = first_step;
  return f->loader ? kd_loader_start(f->loader, order, first_step, steps) : KD_OK;
}

static int64_t batch_rows(const kd_feeder *f) {
  int64_t left = f->spec.count - f->step * f->spec.batch_size;
  return left < f->spec.batch_size ? left : f->spec.batch_size;
}

/* Rank 0 sends every rank its rows; its own stay where they are. */
static kd_status stream(kd_feeder *f, const kd_batch *batch, const int64_t *all) {
  for (int rank = 1; rank < f->comm->size; rank++) {
    int64_t begin = all[2 * rank], rows = all[2 * rank + 1] - begin;
    for (int i = 0; i < f->spec.n_fields && rows > 0; i++) {
      const char *first = (const char *)batch->field[i] + (size_t)begin * f->spec.sample_bytes[i];
      KD_TRY(kd_comm_send(f->comm, rank, first, (size_t)rows * f->spec.sample_bytes[i]));
    }
  }
  return KD_OK;
}

static kd_status receive(kd_feeder *f, int64_t rows) {
  for (int i = 0; i < f->spec.n_fields && rows > 0; i++)
    KD_TRY(kd_comm_receive(f->comm, 0, f->received[i], (size_t)rows * f->spec.sample_bytes[i]));
  return KD_OK;
}

static kd_status next_streamed(kd_feeder *f, kd_step_data *data) {
  const kd_comm *comm = f->comm;
  int64_t rows = batch_rows(f);
  int64_t *all = f->ranges;
  kd_status status = ranges(f, rows, all);
  *data = (kd_step_data){.rows = all[2 * comm->rank + 1] - all[2 * comm->rank],
                         .first = all[2 * comm->rank],
                         .global_rows = rows,
                         .field = f->received};
  const kd_batch *batch = NULL;
  if (status == KD_OK && f->loader) {
    status = kd_loader_next(f->loader, &batch);
    if (status == KD_OK) status = stream(f, batch, all);
    if (status == KD_OK) data->field = batch->field;
  } else if (status == KD_OK) {
    status = receive(f, data->rows);
  }
  f->step++;
  return status;
}

kd_status kd_feeder_next(kd_feeder *f, kd_step_data *data) {
  if (f->spec.coordinator) return next_streamed(f, data);
  const kd_batch *batch;
  KD_TRY(kd_loader_next(f->loader, &batch));
  KD_CHECK(batch, KD_ERR_INTERNAL, "the loader ended before the epoch");
  f->step++;
  *data = (kd_step_data){
      .rows = batch->rows, .first = batch->first, .global_rows = batch->global_rows, .field = batch->field};
  return KD_OK;
}
