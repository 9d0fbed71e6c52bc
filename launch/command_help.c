#include <stdio.h>

#include "device/base/text.h"
#include "launch/commands.h"

static kd_status run_help(kd_cli *cli) {
  const kd_command *command = NULL;
  if (cli->n_files > 0) {
    command = kd_command_find(cli->files[0]);
    KD_CHECK(command, KD_ERR_USAGE, "there is no command '%s'; see 'kdist help'", kd_quoted(cli->files[0]));
  }
  fputs(kd_cli_usage(cli->pool, command), stdout);
  return KD_OK;
}

const kd_command kd_command_help = {
    .name = "help",
    .arguments = "[COMMAND]",
    .help = "how to use kdist, or one command",
    .run = run_help,
};

static kd_status run_version(kd_cli *cli) {
  (void)cli;
  printf("kdist %s\n", KDIST_VERSION);
  return KD_OK;
}

const kd_command kd_command_version = {
    .name = "version",
    .arguments = "",
    .help = "the version, in one line",
    .run = run_version,
};
