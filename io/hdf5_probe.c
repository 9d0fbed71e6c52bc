#include "io/hdf5_probe.h"

#include "device/base/text.h"
#include "io/hdf5_base.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS = 20, BYTES_PER_SECOND = 20 << 20 };

/* No handlers of the launcher or MPI, no core file, no child that outlives its parent, and an end in time. */
static void prepare_child(int64_t bytes) {
  static const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM, SIGTERM, SIGINT, SIGUSR1};
  sigset_t none;
  struct rlimit no_core = {0, 0};
  for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) signal(deadly[i], SIG_DFL);
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, NULL);
  setrlimit(RLIMIT_CORE, &no_core);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm((unsigned)(SECONDS + bytes / BYTES_PER_SECOND));
}

kd_status kd_h5_probe(const char *name, int64_t bytes, kd_status (*work)(void *context), void *context) {
  pid_t child = fork();
  if (child < 0) return KD_OK;
  if (child == 0) {
    prepare_child(bytes);
    work(context);
    _exit(0);
  }
  int state;
  while (waitpid(child, &state, 0) < 0)
    if (errno != EINTR) return KD_OK;
  if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return KD_OK;
  bool late = WIFSIGNALED(state) && WTERMSIG(state) == SIGALRM;
  return kd_fail(KD_ERR_USAGE, "%s: damaged: the HDF5 library %s it", kd_quoted(name),
                 late ? "does not come to an end with" : "crashes on");
}

kd_status kd_h5_probe_and_read(const char *name, int64_t bytes, kd_status (*work)(void *context), void *trial,
                               void *context) {
  kd_h5_enter();
  kd_status status = kd_h5_probe(name, bytes, work, trial);
  if (status == KD_OK) status = work(context);
  kd_h5_leave();
  return status;
}
