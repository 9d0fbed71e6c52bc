#include "launch/commands.h"
#include "launch/summary.h"

static kd_status summary(kd_session *s) {
  int promised;
  long long depth, ranks;
  KD_TRY(kd_comm_promised_size(&promised));
  KD_TRY(kd_cli_int(s->cli, "depth", 1, 0, &depth));
  KD_TRY(kd_cli_int(s->cli, "ranks", 1, promised, &ranks));
  KD_CHECK(ranks <= s->config->run.train.batch_size || !kd_cli_flag(s->cli, "ranks"), KD_ERR_USAGE,
           "--ranks %lld: [train] batch_size is %lld, and every rank needs a row", ranks,
           (long long)s->config->run.train.batch_size);
  kd_costs costs;
  kd_costs_find(s, (int)ranks, &costs);
  const kd_outline *outline =
      kd_outline_make(s->pool, s->model, s->config->spec, (int)depth, costs.call_flops);
  kd_summary result = {.model = s->model,
                       .optimizer = s->config->optimizer.kind ? &s->config->optimizer : NULL,
                       .rows = kd_summary_rows_make(s->pool, outline),
                       .costs = &costs,
                       .depth = (int)depth,
                       .columns = kd_terminal_columns()};
  if (kd_cli_flag(s->cli, "json"))
    kd_summary_json(stdout, &result);
  else
    kd_summary_print(stdout, &result);
  return KD_OK;
}

static kd_status run_summary(kd_cli *cli) {
  kd_session session = {0};
  kd_status status = kd_session_open(&session, cli, KD_FOR_MODEL);
  if (status == KD_OK) status = summary(&session);
  kd_session_close(&session, status);
  return status;
}

static const kd_flag flags[] = {
    {.name = "depth", .value = "N", .help = "fold blocks below level N; open wrappers above it"},
    {.name = "ranks", .value = "N", .help = "memory of a rank of N; else of as many as mpirun starts"},
    {.name = "json", .help = "one JSON object"},
    {0},
};

const kd_command kd_command_summary = {
    .name = "summary",
    .arguments = "FILE.ini [FILE2.ini ...] [--options] [section.key=value ...]",
    .help = "the table of layers, as Keras prints it; operations and memory",
    .details = "Without --depth every layer has a row. --depth 1 gives each block one row, --depth 2 shows "
               "what stands in them, and so on; layers inside others (of Bidirectional, TimeDistributed, "
               "RNN) are one level below them. No data is read: memory is counted for inputs of their own "
               "dtype, `kdist check` counts the data as stored.",
    .flags = flags,
    .takes_files = true,
    .run = run_summary,
};
