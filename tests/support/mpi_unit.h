/* CMocka on several ranks. Use: KD_MPI_UNIT_MAIN(tests, seconds) as the whole main().
 *
 * Every rank returns the same code (the largest number of failures); a watchdog ends a rank with 97 after so
 * many seconds, since an assertion that fails on one rank leaves the others in a collective; assert_all fails
 * on all ranks when it fails on one. Only rank 0 writes CMocka's report; failures of all ranks go to stderr.
 */
#ifndef KD_TEST_MPI_UNIT_H
#define KD_TEST_MPI_UNIT_H

#include <mpi.h>
#include <signal.h>
#include <unistd.h>

#include "comm/comm.h"
#include "support/check.h"

static kd_comm *unit_comm; /* all ranks */

/* The least of all ranks' values, by plain MPI. */
static inline int unit_min(int value) {
  int least = value;
  if (unit_comm->size > 1) PMPI_Allreduce(&value, &least, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  return least;
}

#define assert_all(condition)                                                                                \
  do {                                                                                                       \
    int assert_all_mine_ = !!(condition);                                                                    \
    if (!unit_min(assert_all_mine_))                                                                         \
      fail_msg("rank %d: %s: false %s", unit_comm->rank, #condition,                                         \
               assert_all_mine_ ? "on another rank" : "here");                                               \
  } while (0)

static inline void unit_alarm(int number) {
  (void)number;
  static const char text[] = "mpi_unit: a test hangs (did a rank leave a collective?)\n";
  if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(96);
  _exit(97);
}

/* Joins the job. */
static inline void unit_begin(unsigned seconds) {
  signal(SIGALRM, unit_alarm);
  alarm(seconds);
  if (kd_comm_open(&unit_comm) != KD_OK) {
    fprintf(stderr, "%s\n", kd_status_text());
    exit(95);
  }
  if (unit_comm->rank != 0 && !freopen("/dev/null", "w", stdout)) exit(95);
}

/* Leaves the job with the verdict of all ranks. */
static inline int unit_end(int failures) {
  int worst = -unit_min(-failures);
  kd_comm_close(unit_comm);
  return worst > 90 ? 90 : worst;
}

#define KD_MPI_UNIT_MAIN(tests, seconds)                                                                     \
  int main(void) {                                                                                           \
    unit_begin(seconds);                                                                                     \
    return unit_end(cmocka_run_group_tests(tests, NULL, NULL));                                              \
  }

#endif
