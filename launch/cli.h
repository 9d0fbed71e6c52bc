/* The command line: kdist COMMAND FILE.ini [FILE2.ini ...] [--flags] [section.key=value ...] */
#ifndef KD_CLI_H
#define KD_CLI_H

#include <stdbool.h>

#include "device/base/memory.h"

typedef struct kd_flag {
  const char *name; /* without dashes: "progress"; NULL ends a table */
  char letter;      /* short form, or 0 */
  const char
      *value; /* name of its value in the help: "FILE"; NULL: a switch; "[MODE]": the value may be left out */
  const char *help;
  const char *choices; /* "a|b|c", or NULL */
} kd_flag;

typedef struct kd_cli kd_cli;

typedef struct kd_command {
  const char *name;
  const char *arguments; /* "FILE.ini ... [section.key=value ...]" */
  const char *help;      /* one line */
  const char *details;   /* paragraphs for `kdist help NAME`; NULL: none */
  const kd_flag *flags;
  bool takes_files;    /* configuration files and overrides; else plain words */
  bool files_optional; /* the command itself asks for them */
  bool computes;       /* runs kernels: threads must not spin, see main.c */
  kd_status (*run)(kd_cli *cli);
} kd_command;

struct kd_cli {
  kd_pool *pool;
  const kd_command *command;
  int n_files; /* or plain words */
  const char **files;
  int n_overrides;
  const char **overrides;
  int n_flags;
  const kd_flag **flags;
  const char **flag_values; /* "" when a switch or an optional value was left out */
  int argc;
  char **argv;
  bool silent; /* the error is told already, or another rank tells it */
};

extern const kd_command *const kd_commands[]; /* ends with NULL */
const kd_command *kd_command_find(const char *name);

/* Reads argv behind the command's name. KD_ERR_USAGE with the nearest right flag. */
kd_status kd_cli_parse(kd_pool *pool, const kd_command *command, int argc, char **argv, kd_cli *cli);
/* The value of a flag; NULL when it was not given. The last one given wins. */
const char *kd_cli_flag(const kd_cli *cli, const char *name);
/* An integer flag >= least, or `initial` when it was not given. */
kd_status kd_cli_int(const kd_cli *cli, const char *name, long long least, long long initial,
                     long long *value);
/* Tells the user the present status text, once; not when another rank does. */
void kd_cli_report(kd_cli *cli, kd_status status);
/* Usage of one command, or of all with NULL, in the pool. */
const char *kd_cli_usage(kd_pool *pool, const kd_command *command);

#endif
