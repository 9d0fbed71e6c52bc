/* kd_evaluate, kd_predict. */
#include <string.h>

#include "api/net.h"

static void adjust(const void *numbers, kd_run_config *config) {
  int64_t batch_size = *(const int64_t *)numbers;
  kd_train_options *t = &config->train;
  if (batch_size) t->batch_size = t->validation_batch_size = batch_size;
}

static kd_status open_data(kd_net_call *call, const kd_data *data, const int64_t *batch_size) {
  KD_CHECK(*batch_size >= 0, KD_ERR_USAGE, "%s: batch_size = %lld is negative", call->config.file,
           (long long)*batch_size);
  call->data[KD_DATA_TEST] = data;
  call->adjust = adjust;
  call->numbers = batch_size;
  return kd_call_open(call);
}

static kd_trainer trainer_of(const kd_net *net) {
  return (kd_trainer){
      .comm = net->session.comm, .replica = net->session.replica, .setup = &net->session.setup};
}

static kd_status evaluate(kd_net_call *call) {
  kd_net *net = call->net;
  kd_feeder *feeder;
  KD_TRY(kd_net_prepare(net, call, false));
  KD_TRY(kd_feeder_open(net->session.comm, net->session.replica, &call->session.test.stream, &feeder));
  kd_trainer trainer = trainer_of(net);
  kd_totals_reset(&net->totals);
  kd_status status = kd_trainer_evaluate(&trainer, feeder, 0, &net->totals);
  kd_feeder_destroy(feeder);
  if (status == KD_OK) kd_net_show_totals(net);
  return status;
}

kd_status kd_evaluate(kd_net *net, const kd_data *data, int64_t batch_size) {
  kd_net_call call;
  KD_TRY(kd_net_ready(net, "kd_evaluate"));
  KD_TRY(kd_net_check_loss(net, "kd_evaluate"));
  kd_call_begin(net, KD_FOR_EVALUATION, "kd_evaluate", &call);
  kd_status status = open_data(&call, data, &batch_size);
  if (status == KD_OK) status = evaluate(&call);
  kd_call_end(&call);
  return status;
}

/* --- predictions --- */

typedef struct collector {
  float *const *outputs;
  size_t *row; /* floats of one sample, per output */
  int n_outputs;
  int64_t done; /* samples */
} collector;

static kd_status collect(void *context, int64_t rows, const void *const *outputs) {
  collector *c = context;
  for (int o = 0; o < c->n_outputs; o++)
    if (c->outputs[o])
      memcpy(c->outputs[o] + (size_t)c->done * c->row[o], outputs[o],
             (size_t)rows * c->row[o] * sizeof(float));
  c->done += rows;
  return KD_OK;
}

static kd_status measure_rows(const kd_net *net, kd_pool *pool, collector *c) {
  const kd_model *model = net->session.model;
  c->n_outputs = model->n_outputs;
  c->row = kd_pool_alloc(pool, (size_t)model->n_outputs, sizeof *c->row);
  for (int o = 0; o < model->n_outputs; o++) {
    kd_tap tap = model->outputs[o].tap;
    const kd_shape *shape = &model->calls[tap.call]->output_shape[tap.output];
    char text[KD_SHAPE_TEXT];
    int64_t count = 1;
    for (int i = 1; i < shape->rank && count > 0; i++) count *= shape->dim[i];
    KD_CHECK(count > 0, KD_ERR_USAGE,
             "kd_predict: output %s has the open shape %s: give the inputs fixed shapes",
             model->outputs[o].name, kd_shape_text(shape, text));
    c->row[o] = (size_t)count;
  }
  return KD_OK;
}

static kd_status predict(kd_net_call *call, float *const *outputs) {
  kd_net *net = call->net;
  collector c = {.outputs = outputs};
  KD_TRY(measure_rows(net, call->session.pool, &c));
  KD_TRY(kd_net_prepare(net, call, false));
  kd_trainer trainer = trainer_of(net);
  return kd_trainer_predict(&trainer, &call->session.test.stream, collect, &c);
}

kd_status kd_predict(kd_net *net, const kd_data *data, int64_t batch_size, float *const *outputs) {
  kd_net_call call;
  KD_TRY(kd_net_ready(net, "kd_predict"));
  KD_CHECK(outputs || net->session.comm->rank != 0, KD_ERR_USAGE, "kd_predict: outputs is NULL on rank 0");
  kd_call_begin(net, KD_FOR_PREDICTION, "kd_predict", &call);
  kd_status status = open_data(&call, data, &batch_size);
  if (status == KD_OK) status = predict(&call, outputs);
  kd_call_end(&call);
  return status;
}
