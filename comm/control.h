/* Messages under the small collectives (control.c) that agree.c uses too. */
#ifndef KD_COMM_CONTROL_H
#define KD_COMM_CONTROL_H

#include "comm/comm.h"

/* Rank 0 receives `bytes` (the same on all ranks) from every rank into `all`, by rank; others only send. */
kd_status kd_comm_to_root(kd_comm *comm, const void *mine, size_t bytes, void *all, const char *what);
/* `bytes` from rank 0 to all others. */
kd_status kd_comm_from_root(kd_comm *comm, void *data, size_t bytes, const char *what);
/* One message with a limit; `what` is for the error text. */
kd_status kd_comm_put(kd_comm *comm, int to, const void *data, size_t bytes, const char *what);
kd_status kd_comm_get(kd_comm *comm, int from, void *data, size_t bytes, const char *what);

#endif
