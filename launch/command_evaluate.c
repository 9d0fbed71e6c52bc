#include <stdio.h>
#include <string.h>

#include "device/base/clock.h"
#include "device/base/file.h"
#include "device/base/log.h"
#include "device/base/text.h"
#include "launch/commands.h"
#include "launch/evaluate.h"
#include "launch/json_text.h"
#include "launch/progress.h"

/* On all ranks what rank 0 sees. */
static kd_status exists(const kd_session *s, const char *path, bool *there) {
  *there = s->comm->rank == 0 && kd_path_exists(path);
  return kd_comm_broadcast(s->comm, there, sizeof *there);
}

static void say_source(const kd_session *s, const char *used, const char *other, const char *text) {
  if (s->comm->rank == 0)
    kd_log(KD_LOG_WARNING, "the weights are those of %s; --weights %s takes %s", kd_quoted(used),
           kd_quoted(other), text);
}

/* --weights, else [model] init_from, else what `fit` saved, else those of [model] file. The start weights
 * are there already. */
kd_status kd_session_trained_weights(kd_session *s) {
  const char *path = kd_cli_flag(s->cli, "weights");
  if (path) return kd_session_load_weights(s, path);
  const kd_model_options *model = &s->config->run.model;
  const char *saved = kd_path_join(s->pool, s->config->run.run.dir, "model.weights.h5");
  bool there;
  KD_TRY(exists(s, saved, &there));
  if (there && model->init_from) {
    say_source(s, model->init_from, saved, "what fit saved");
    return KD_OK;
  }
  if (there) {
    if (model->file) say_source(s, saved, model->file, "those of the model's file");
    return kd_session_load_weights(s, saved);
  }
  KD_CHECK(model->init_from || model->file, KD_ERR_USAGE,
           "%s: no such weights file; train with 'kdist fit' first, or give --weights FILE",
           kd_quoted(saved));
  return KD_OK;
}

static void print_json(const kd_log_entry *entries, int count) {
  for (int i = 0; i < count; i++) {
    char number[32];
    kd_json_number(entries[i].value, number);
    printf("%s", i ? "," : "{");
    kd_json_text(stdout, entries[i].name);
    printf(":%s", number);
  }
  printf("}\n");
}

static void print_line(const kd_log_entry *entries, int count, int64_t steps, double seconds) {
  printf("%lld/%lld - %.0fs - %.0fms/step", (long long)steps, (long long)steps, seconds,
         1e3 * seconds / (double)(steps ? steps : 1));
  for (int i = 0; i < count; i++) {
    char number[32];
    kd_progress_number(entries[i].value, number);
    printf(" - %s: %s", entries[i].name, number);
  }
  printf("\n");
}

static kd_status evaluate(kd_session *s) {
  KD_TRY(kd_session_check_labels(s));
  KD_TRY(kd_session_start(s));
  KD_TRY(kd_session_trained_weights(s));
  kd_trainer trainer = {.comm = s->comm, .replica = s->replica, .setup = &s->setup};
  kd_feeder *feeder;
  kd_totals totals;
  kd_totals_create(s->pool, &s->objective, &totals);
  KD_TRY(kd_feeder_open(s->comm, s->replica, &s->test.stream, &feeder));
  double start = kd_now();
  kd_status status = kd_session_guard(s, kd_trainer_evaluate(&trainer, feeder, 0, &totals));
  int64_t steps = kd_feeder_steps(feeder);
  kd_feeder_destroy(feeder);
  KD_TRY(status);
  if (s->comm->rank != 0) return KD_OK;
  int count = kd_totals_count(&s->objective);
  kd_log_entry *entries = kd_pool_alloc(s->pool, (size_t)count, sizeof *entries);
  kd_totals_logs(&totals, entries);
  if (kd_cli_flag(s->cli, "json"))
    print_json(entries, count);
  else
    print_line(entries, count, steps, kd_now() - start);
  return KD_OK;
}

static kd_status run_evaluate(kd_cli *cli) {
  kd_session session = {0};
  kd_status status = kd_session_open(&session, cli, KD_FOR_EVALUATION);
  if (status == KD_OK) status = evaluate(&session);
  kd_session_close(&session, status);
  return status;
}

static const kd_flag flags[] = {
    {.name = "weights", .value = "FILE", .help = "weights to use in place of the run folder's"},
    {.name = "json", .help = "one JSON object"},
    {0},
};

const kd_command kd_command_evaluate = {
    .name = "evaluate",
    .arguments = "FILE.ini [FILE2.ini ...] [--options] [section.key=value ...]",
    .help = "loss and metrics on the test data",
    .details = "Reads [data] test, or validation when there is no test.",
    .flags = flags,
    .takes_files = true,
    .computes = true,
    .run = run_evaluate,
};
