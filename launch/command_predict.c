#include <string.h>

#include "io/array_file.h"
#include "launch/commands.h"
#include "launch/evaluate.h"

static kd_status write_rows(void *context, int64_t rows, const void *const *outputs) {
  return kd_array_file_append(context, rows, outputs);
}

static const kd_array_output *describe_outputs(kd_session *s) {
  const kd_model *model = s->model;
  kd_array_output *outputs = kd_pool_alloc(s->pool, (size_t)model->n_outputs, sizeof *outputs);
  for (int o = 0; o < model->n_outputs; o++) {
    kd_tap tap = model->outputs[o].tap;
    const kd_shape *shape = &model->calls[tap.call]->output_shape[tap.output];
    outputs[o] = (kd_array_output){
        .name = model->outputs[o].name, .dtype = KD_F32, .sample = {.rank = shape->rank - 1}};
    memcpy(outputs[o].sample.dim, shape->dim + 1, (size_t)outputs[o].sample.rank * sizeof(int64_t));
  }
  return outputs;
}

static kd_status predict(kd_session *s) {
  const char *path = kd_cli_flag(s->cli, "output");
  KD_CHECK(path, KD_ERR_USAGE,
           "kdist predict needs a file for the predictions: -o FILE (.npy, .npz, .h5 or .csv)");
  const kd_array_output *outputs = describe_outputs(s);
  kd_array_file *file = NULL;
  KD_TRY(kd_array_file_create(path, s->model->n_outputs, outputs, s->test.stream.count, NULL));
  KD_TRY(kd_session_start(s));
  KD_TRY(kd_session_trained_weights(s));
  kd_status status = KD_OK;
  if (s->comm->rank == 0)
    status = kd_array_file_create(path, s->model->n_outputs, outputs, s->test.stream.count, &file);
  KD_TRY(kd_comm_all_ok(s->comm, status));
  kd_trainer trainer = {.comm = s->comm, .replica = s->replica, .setup = &s->setup};
  status = kd_trainer_predict(&trainer, &s->test.stream, write_rows, file);
  if (file && status == KD_OK) status = kd_array_file_finish(file);
  kd_array_file_destroy(file);
  return kd_session_guard(s, status);
}

static kd_status run_predict(kd_cli *cli) {
  kd_session session = {0};
  kd_status status = kd_session_open(&session, cli, KD_FOR_PREDICTION);
  if (status == KD_OK) status = predict(&session);
  kd_session_close(&session, status);
  return status;
}

static const kd_flag flags[] = {
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "file for the predictions: .npy, .npz, .h5 or .csv"},
    {.name = "weights", .value = "FILE", .help = "weights to use in place of the run folder's"},
    {0},
};

const kd_command kd_command_predict = {
    .name = "predict",
    .arguments = "FILE.ini [FILE2.ini ...] -o FILE [--options] [section.key=value ...]",
    .help = "the model's outputs for the test data",
    .details = "Reads [data] test in file order and writes every row, on any number of ranks.",
    .flags = flags,
    .takes_files = true,
    .computes = true,
    .run = run_predict,
};
