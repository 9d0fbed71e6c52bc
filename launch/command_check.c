#include <stdio.h>

#include "io/onnx/export.h"
#include "io/saved_model/export.h"
#include "launch/commands.h"
#include "launch/session.h"
#include "launch/size_text.h"

static void print_data(const char *name, const kd_session_data *data) {
  if (!data->set) return;
  printf("  %-11s %lld rows", name, (long long)data->set->count);
  for (int i = 0; i < data->stream.n_fields; i++) {
    const kd_field *field = &data->set->fields[data->stream.fields[i]];
    char shape[KD_SHAPE_TEXT];
    printf("%s %s %s %s", i ? "," : ":", field->name, kd_dtype_name(field->dtype),
           kd_shape_text(&field->sample, shape));
  }
  printf("\n");
}

static void print_memory(const kd_replica_stats *stats, double needed, double available) {
  char a[32], b[32], c[32], d[32], e[32], f[32];
  printf("  memory      %s per rank of %s free: weights %s, optimizer %s, sums %s, activations and data %s\n",
         kd_bytes_text(needed, a), kd_bytes_text(available, b), kd_bytes_text((double)stats->weight_bytes, c),
         kd_bytes_text((double)stats->slot_bytes, d), kd_bytes_text((double)stats->reduce_bytes, e),
         kd_bytes_text((double)stats->plan_bytes, f));
}

static kd_status check(kd_session *s) {
  kd_forecast forecast;
  KD_TRY(kd_session_check_labels(s));
  KD_TRY(kd_session_check_memory(s, &forecast));
  const kd_export_options *exports = &s->config->run.exports;
  if (exports->onnx) KD_TRY(kd_onnx_check(s->model, (int)exports->opset));
  if (exports->savedmodel) KD_TRY(kd_saved_model_check(s->model, KD_SAVED_MODEL_LIMIT));
  const kd_replica_stats *stats = &forecast.stats;
  if (s->comm->rank != 0) return KD_OK;
  const kd_run_config *c = &s->config->run;
  printf("%s: good\n", s->model->name);
  printf("  parameters  %lld, of which %lld are trained\n", (long long)kd_model_count_params(s->model, false),
         (long long)kd_model_count_params(s->model, true));
  printf("  types       %s\n", kd_policy_name(s->model->policy));
  print_data("train", &s->train);
  print_data("validation", &s->validation);
  print_data("test", &s->test);
  printf("  steps       %lld per epoch, %lld epochs, batches of %lld rows on %d rank%s of %d thread%s\n",
         (long long)s->steps_per_epoch, (long long)c->train.epochs, (long long)c->train.batch_size,
         s->comm->size, s->comm->size == 1 ? "" : "s", s->device.threads, s->device.threads == 1 ? "" : "s");
  printf("  operations  %.3g per pass of a rank, in %d launches, %d bucket%s\n", stats->flops,
         stats->n_launches, stats->n_buckets, stats->n_buckets == 1 ? "" : "s");
  print_memory(stats, forecast.needed, forecast.available);
  return KD_OK;
}

static kd_status run_check(kd_cli *cli) {
  kd_session session = {.checkpoints = true};
  kd_status status = kd_session_open(&session, cli, KD_FOR_CHECK);
  if (status == KD_OK) status = check(&session);
  kd_session_close(&session, status);
  return status;
}

const kd_command kd_command_check = {
    .name = "check",
    .arguments = "FILE.ini [FILE2.ini ...] [section.key=value ...]",
    .help = "find every error before a run: shapes, data, memory, steps",
    .takes_files = true,
    .computes = true,
    .run = run_check,
};
