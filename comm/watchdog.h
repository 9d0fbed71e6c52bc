/* Waiting with a limit: every loop of comm/ that waits for another rank goes through here.
 *
 * There is no watchdog thread. Whoever waits knows for whom, so whoever waits too long can name the rank. */
#ifndef KD_COMM_WATCHDOG_H
#define KD_COMM_WATCHDOG_H

#include "comm/hidden.h"

typedef struct kd_watch {
  double start, limit;
  const _Atomic bool *urgent; /* NULL or true: somebody has nothing better to do, wait actively; false: nap */
  int rounds;
  bool oversubscribed;
} kd_watch;

/* How long a rank waits for one that itself may be waiting: longer, so that the rank next to the culprit is
 * the one that reports. */
typedef enum kd_patience { KD_WAIT_DIRECT, KD_WAIT_INDIRECT } kd_patience;

void kd_watch_start(kd_watch *watch, const kd_comm *comm, kd_patience patience, const _Atomic bool *urgent);
/* One round of waiting. False when the limit has passed. */
bool kd_watch_pause(kd_watch *watch);

/* "no word from rank 3 @ node02 for 600 s, in WHAT at step 17 ...": KD_ERR_RUN. */
kd_status kd_watch_late(const kd_watch *watch, const kd_comm *comm, int rank, const char *what);

/* Until all requests are complete. peers[i] is the rank at the other end of request i. Failed or late
 * requests stay unfinished: the job is to be ended. */
kd_status kd_watch_requests(kd_watch *watch, const kd_comm *comm, int count, MPI_Request *requests,
                            const int *peers, const char *what);

#endif
