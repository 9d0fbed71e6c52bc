#include "trainer/trainer.h"

kd_status kd_trainer_evaluate(kd_trainer *t, kd_feeder *feeder, int64_t steps, kd_totals *totals) {
  kd_sampler order;
  int64_t all = kd_feeder_steps(feeder);
  if (steps <= 0 || steps > all) steps = all;
  kd_sampler_start(&order, kd_feeder_count(feeder), false, 1, 0, 0);
  KD_TRY(kd_feeder_start(feeder, &order, 0, steps));
  double penalty;
  KD_TRY(kd_replica_penalty(t->replica, &penalty));
  for (int64_t step = 0; step < steps; step++) {
    kd_step_data data;
    const float *tail;
    KD_TRY(kd_feeder_next(feeder, &data));
    kd_comm_set_step(t->comm, step);
    KD_TRY(kd_replica_evaluate(t->replica, &data, &tail));
    kd_totals_add(totals, tail, data.global_rows, penalty);
  }
  return KD_OK;
}

/* Rows of the whole global batch on rank 0. */
typedef struct gatherer {
  int64_t *rows;      /* of every rank */
  const float **mine; /* per output: rows of this rank */
  const void **all;   /* per output: rows of all ranks, in order */
  void **buffer;      /* rank 0, with several ranks: memory behind `all` */
  size_t *bytes;
} gatherer;

static gatherer gatherer_create(const kd_trainer *t) {
  size_t n = (size_t)t->setup->model->n_outputs;
  return (gatherer){.rows = kd_calloc((size_t)t->comm->size, sizeof(int64_t)),
                    .mine = kd_calloc(n, sizeof(float *)),
                    .all = kd_calloc(n, sizeof(void *)),
                    .buffer = kd_calloc(n, sizeof(void *)),
                    .bytes = kd_calloc(n, sizeof(size_t))};
}

static void gatherer_destroy(const kd_trainer *t, gatherer *g) {
  for (int o = 0; o < t->setup->model->n_outputs; o++) kd_large_free(g->buffer[o], g->bytes[o]);
  kd_free(g->rows);
  kd_free(g->mine);
  kd_free(g->all);
  kd_free(g->buffer);
  kd_free(g->bytes);
}

static kd_status gather_output(kd_trainer *t, gatherer *g, int o, int64_t global_rows) {
  kd_tap tap = t->setup->model->outputs[o].tap;
  const kd_shape *shape = &t->setup->model->calls[tap.call]->output_shape[tap.output];
  size_t row_bytes = (size_t)kd_shape_span(shape, 1, shape->rank) * sizeof(float);
  size_t need = (size_t)global_rows * row_bytes;
  g->all[o] = g->mine[o];
  if (t->comm->size == 1) return KD_OK;
  if (t->comm->rank == 0 && need > g->bytes[o]) {
    kd_large_free(g->buffer[o], g->bytes[o]);
    KD_TRY(kd_large_alloc(need, &g->buffer[o]));
    g->bytes[o] = need;
  }
  g->all[o] = g->buffer[o];
  return kd_comm_gather_rows(t->comm, g->mine[o], g->rows, row_bytes, g->buffer[o]);
}

static kd_status predict_step(kd_trainer *t, kd_feeder *feeder, gatherer *g, kd_rows_sink sink,
                              void *context) {
  kd_step_data data;
  KD_TRY(kd_feeder_next(feeder, &data));
  KD_TRY(kd_replica_predict(t->replica, &data, g->mine));
  KD_TRY(kd_comm_all_gather(t->comm, &data.rows, sizeof data.rows, g->rows));
  for (int o = 0; o < t->setup->model->n_outputs; o++) KD_TRY(gather_output(t, g, o, data.global_rows));
  return t->comm->rank == 0 ? sink(context, data.global_rows, g->all) : KD_OK;
}

kd_status kd_trainer_predict(kd_trainer *t, const kd_stream *stream, kd_rows_sink sink, void *context) {
  kd_feeder *feeder;
  kd_sampler order;
  KD_TRY(kd_feeder_open(t->comm, t->replica, stream, &feeder));
  kd_sampler_start(&order, stream->count, false, 1, 0, 0);
  int64_t steps = kd_feeder_steps(feeder);
  kd_status status = kd_feeder_start(feeder, &order, 0, steps);
  gatherer g = gatherer_create(t);
  for (int64_t step = 0; step < steps && status == KD_OK; step++)
    status = predict_step(t, feeder, &g, sink, context);
  gatherer_destroy(t, &g);
  kd_feeder_destroy(feeder);
  return status;
}
