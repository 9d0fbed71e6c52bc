#include "launch/commands.h"
#include "launch/session.h"
#include "launch/summary.h"

static kd_status run_summary(kd_cli *cli) {
  kd_session session = {0};
  kd_status status = kd_session_open(&session, cli, KD_FOR_MODEL);
  if (status == KD_OK) {
    const kd_optimizer *optimizer = session.config->optimizer.kind ? &session.config->optimizer : NULL;
    if (kd_cli_flag(cli, "json"))
      kd_summary_json(stdout, session.model, optimizer);
    else
      kd_summary_print(stdout, session.model, optimizer, kd_terminal_columns());
  }
  kd_session_close(&session, status);
  return status;
}

static const kd_flag flags[] = {{.name = "json", .help = "one JSON object"}, {0}};

const kd_command kd_command_summary = {
    .name = "summary",
    .arguments = "FILE.ini [FILE2.ini ...] [section.key=value ...]",
    .help = "the table of layers, as Keras prints it",
    .flags = flags,
    .takes_files = true,
    .run = run_summary,
};
