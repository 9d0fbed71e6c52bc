#include <stdio.h>

#include "launch/commands.h"
#include "launch/session.h"
#include "launch/size_text.h"

static kd_status list(kd_session *s) {
  int promised;
  long long ranks;
  kd_forecast forecast;
  const char *text;
  KD_TRY(kd_comm_promised_size(&promised));
  KD_TRY(kd_cli_int(s->cli, "ranks", 1, promised, &ranks));
  s->described = kd_cli_flag(s->cli, "device");
  KD_TRY(kd_session_measure(s, (int)ranks, &forecast));
  KD_TRY(kd_replica_list(&s->setup, s->pool, &text));
  char needed[32], available[32];
  printf("%s: a pass of %lld rows of rank 0 of %lld, %s, %s\n%s", s->model->name,
         (long long)forecast.stats.pass_rows, ranks, s->setup.optimizer ? "training" : "prediction",
         s->device.backend->describe(&s->device), text);
  if (s->described)
    printf("memory: %s of %s\n", kd_bytes_text(forecast.needed, needed),
           kd_bytes_text(forecast.available, available));
  return KD_OK;
}

static kd_status run_plan(kd_cli *cli) {
  kd_session session = {0};
  kd_status status = kd_session_open(&session, cli, KD_FOR_MODEL);
  if (status == KD_OK) status = list(&session);
  kd_session_close(&session, status);
  return status;
}

static const kd_flag flags[] = {
    {.name = "ranks", .value = "N", .help = "the plan of rank 0 of N; else of as many as mpirun starts"},
    {.name = "device",
     .value = "NAME|FILE.json",
     .help = "for a GPU that is not here: h200, a100, a10, t4, or what cuDNN says of one"},
    {0},
};

const kd_command kd_command_plan = {
    .name = "plan",
    .arguments = "FILE.ini [FILE2.ini ...] [--options] [section.key=value ...]",
    .help = "what one pass launches: operations, kernels, memory",
    .details =
        "A line per launch: its number, the primitive, the layer, what it reads and writes with places "
        "in the arena, the steps of a pointwise program, {the library's implementation}, SLOW where "
        "the library fell to reference code. `mark N`: bucket N of the sums is complete. No data is read.",
    .flags = flags,
    .takes_files = true,
    .run = run_plan,
};
