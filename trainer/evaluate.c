#include "trainer/trainer.h"

kd_status kd_evaluate(kd_trainer *t, kd_feeder *feeder, int64_t steps, kd_totals *totals) {
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

typedef struct gatherer {
  kd_comm *comm;
  int64_t *rows; /* of every rank */
  void *all;     /* rank 0: rows of the global batch */
  size_t bytes;
} gatherer;

static kd_status hand_over(kd_trainer *t, gatherer *g, int output, size_t row_bytes, int64_t global_rows,
                           const float *mine, kd_rows_sink sink, void *context) {
  size_t need = (size_t)global_rows * row_bytes;
  if (t->comm->size == 1) return sink(context, output, global_rows, mine);
  if (t->comm->rank == 0 && need > g->bytes) {
    kd_large_free(g->all, g->bytes);
    KD_TRY(kd_large_alloc(need, &g->all));
    g->bytes = need;
  }
  KD_TRY(kd_comm_gather_rows(t->comm, mine, g->rows, row_bytes, g->all));
  return t->comm->rank == 0 ? sink(context, output, global_rows, g->all) : KD_OK;
}

static kd_status predict_step(kd_trainer *t, kd_feeder *feeder, gatherer *g, const float **output,
                              kd_rows_sink sink, void *context) {
  const kd_model *model = t->setup->model;
  kd_step_data data;
  KD_TRY(kd_feeder_next(feeder, &data));
  KD_TRY(kd_replica_predict(t->replica, &data, output));
  KD_TRY(kd_comm_all_gather(t->comm, &data.rows, sizeof data.rows, g->rows));
  for (int o = 0; o < model->n_outputs; o++) {
    kd_tap tap = model->outputs[o].tap;
    const kd_shape *shape = &model->calls[tap.call]->output_shape[tap.output];
    size_t row_bytes = (size_t)kd_shape_span(shape, 1, shape->rank) * sizeof(float);
    KD_TRY(hand_over(t, g, o, row_bytes, data.global_rows, output[o], sink, context));
  }
  return KD_OK;
}

kd_status kd_predict(kd_trainer *t, const kd_stream *stream, kd_rows_sink sink, void *context) {
  kd_feeder *feeder;
  kd_sampler order;
  KD_TRY(kd_feeder_open(t->comm, t->replica, stream, &feeder));
  kd_sampler_start(&order, stream->count, false, 1, 0, 0);
  int64_t steps = kd_feeder_steps(feeder);
  kd_status status = kd_feeder_start(feeder, &order, 0, steps);
  gatherer g = {.comm = t->comm, .rows = kd_calloc((size_t)t->comm->size, sizeof(int64_t))};
  const float **output = kd_calloc((size_t)t->setup->model->n_outputs, sizeof *output);
  for (int64_t step = 0; step < steps && status == KD_OK; step++)
    status = predict_step(t, feeder, &g, output, sink, context);
  kd_large_free(g.all, g.bytes);
  kd_free(g.rows);
  kd_free(output);
  kd_feeder_destroy(feeder);
  return status;
}
