#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm/comm.h"
#include "device/base/log.h"
#include "device/base/text.h"
#include "launch/cli.h"

/* Ranks mostly make the same mistake: rank 0 tells it and ends, whereupon the launcher ends the others. Who
 * is still here then made a mistake of its own. */
static void let_rank_0_speak(void) {
  enum { PATIENCE_SECONDS = 3 };
  if (kd_comm_promised_rank() > 0) sleep(PATIENCE_SECONDS);
}

static int unknown_command(const char *name) {
  let_rank_0_speak();
  const char *near = NULL;
  int best = (int)strlen(name) / 3 < 1 ? 1 : (int)strlen(name) / 3;
  for (const kd_command *const *c = kd_commands; *c; c++) {
    int distance = kd_edit_distance(name, (*c)->name);
    if (distance > best) continue;
    best = distance - 1;
    near = (*c)->name;
  }
  fprintf(stderr, "kdist: there is no command '%s'%s%s%s; see 'kdist help'\n", kd_quoted(name),
          near ? "; did you mean '" : "", near ? near : "", near ? "'" : "");
  return 2;
}

static bool asks_help(int argc, char **argv) {
  for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
  return false;
}

/* Threads that wait in OpenMP spin by default, for a whole slice of the scheduler against the very thread
 * they wait for: 8-27 times slower steps were measured beside a loader or another rank. They spin for about
 * as long as falling asleep and waking up takes here: beside idle cores a step of the MLP on two threads took
 * 0.57 ms without spinning and 0.44 with it, beside a busy one 0.64 and 0.79. The library reads its policy
 * when it is loaded, so the program starts itself again with the policy set, once; a user's own choice stays.
 */
static void wait_briefly(char **argv) {
  if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT") || sysconf(_SC_NPROCESSORS_ONLN) < 2) return;
  setenv("GOMP_SPINCOUNT", "1000", 1);
  execv("/proc/self/exe", argv);
  kd_log(KD_LOG_WARNING, "cannot set GOMP_SPINCOUNT=1000; steps on several threads may be slow");
}

static int run(kd_pool *pool, int argc, char **argv) {
  if (argc < 2) {
    let_rank_0_speak();
    fputs(kd_cli_usage(pool, NULL), stderr);
    return 2;
  }
  const char *name = argv[1];
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
  if (strcmp(name, "--version") == 0) name = "version";
  const kd_command *command = kd_command_find(name);
  if (!command) return unknown_command(name);
  /* Commands that other ranks are not needed for are done by rank 0 alone. */
  if (!command->computes && kd_comm_promised_rank() > 0) return 0;
  if (command->computes) wait_briefly(argv);
  if (asks_help(argc - 2, argv + 2)) {
    fputs(kd_cli_usage(pool, command), stdout);
    return 0;
  }
  kd_cli cli = {0};
  kd_status status = kd_cli_parse(pool, command, argc - 2, argv + 2, &cli);
  if (status != KD_OK) let_rank_0_speak();
  if (status == KD_OK) status = command->run(&cli);
  if (status != KD_OK) kd_cli_report(&cli, status);
  return kd_status_exit_code(status);
}

int main(int argc, char **argv) {
  signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of the write, like a full disk */
  kd_pool *pool = kd_pool_create();
  int code = run(pool, argc, argv);
  kd_pool_destroy(pool);
  return code;
}
