#include "comm/watchdog.h"

#include <stdio.h>

#include <sched.h>
#include <time.h>

#include "device/base/clock.h"

enum {
  SPIN_ROUNDS = 100,    /* some us: a rank on another core that is nearly there */
  YIELD_ROUNDS = 20000, /* some ms: then the core is better left to somebody else */
  NAP_NS = 100000,
};

static const double LIMIT_STEPS = 10, LEAST_DERIVED_LIMIT = 5, UNKNOWN_STEP_LIMIT = 600;

double kd_comm_limit(const kd_comm *comm) {
  const struct kd_comm_hidden *hidden = comm->hidden;
  double steps = LIMIT_STEPS * hidden->step_seconds;
  double least = hidden->timeout;
  if (least <= 0) least = hidden->step_seconds > 0 ? LEAST_DERIVED_LIMIT : UNKNOWN_STEP_LIMIT;
  return steps > least ? steps : least;
}

void kd_comm_set_timeout(kd_comm *comm, double seconds) {
  comm->hidden->timeout = seconds;
}

void kd_comm_expect_step(kd_comm *comm, double seconds) {
  comm->hidden->step_seconds = seconds;
}

void kd_comm_set_step(kd_comm *comm, int64_t step) {
  atomic_store_explicit(&comm->hidden->step, step, memory_order_relaxed);
}

void kd_watch_start(kd_watch *watch, const kd_comm *comm, kd_patience patience, const _Atomic bool *urgent) {
  double limit = kd_comm_limit(comm);
  if (patience == KD_WAIT_INDIRECT) limit = 1.5 * limit + 2;
  *watch = (kd_watch){
      .start = kd_now(), .limit = limit, .urgent = urgent, .oversubscribed = comm->hidden->oversubscribed};
}

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void nap(void) {
  struct timespec duration = {.tv_nsec = NAP_NS};
  nanosleep(&duration, NULL);
}

bool kd_watch_pause(kd_watch *watch) {
  bool active = !watch->urgent || atomic_load_explicit(watch->urgent, memory_order_relaxed);
  int round = watch->rounds;
  if (round < YIELD_ROUNDS) watch->rounds++;
  if (active && round < SPIN_ROUNDS && !watch->oversubscribed) {
    relax();
    return true;
  }
  if (active && round < YIELD_ROUNDS)
    sched_yield();
  else
    nap();
  return kd_now() - watch->start < watch->limit;
}

kd_status kd_watch_late(const kd_watch *watch, const kd_comm *comm, int rank, const char *what) {
  int64_t step = atomic_load_explicit(&comm->hidden->step, memory_order_relaxed);
  char where[64] = "";
  if (step >= 0) snprintf(where, sizeof where, " at step %lld", (long long)step);
  return kd_fail(
      KD_ERR_RUN,
      "rank %d @ %s is late: waited %.3g s for it in %s%s; it hangs, is stopped, or is much slower than the "
      "others (see its output); a longer limit is [distributed] timeout",
      rank, kd_comm_host(comm, rank), kd_now() - watch->start, what, where);
}

/* The rank to blame: the first whose message is missing. */
static int first_missing(int count, MPI_Request *requests, const int *peers) {
  for (int i = 0; i < count; i++)
    if (requests[i] != MPI_REQUEST_NULL) return peers[i];
  return peers[0];
}

kd_status kd_watch_requests(kd_watch *watch, const kd_comm *comm, int count, MPI_Request *requests,
                            const int *peers, const char *what) {
  int pending = 0; /* requests before it are complete */
  while (pending < count) {
    int done = 0;
    MPI_Status status;
    int code = MPI_Test(&requests[pending], &done, &status);
    if (code != MPI_SUCCESS) {
      kd_status failed = kd_comm_mpi_status(code, "a message");
      return kd_fail_context(failed, "with rank %d @ %s in %s", peers[pending],
                             kd_comm_host(comm, peers[pending]), what);
    }
    if (done) {
      pending++;
      continue;
    }
    if (!kd_watch_pause(watch)) {
      for (int i = pending; i < count; i++) MPI_Test(&requests[i], &done, MPI_STATUS_IGNORE);
      int late = first_missing(count, requests, peers);
      return kd_watch_late(watch, comm, late, what);
    }
  }
  return KD_OK;
}
