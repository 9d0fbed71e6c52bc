/* Ranks: who we are, small collectives of the control path, agreement, and the end of the job.
 *
 * "Collective" means: called by all ranks, in the same order, from the main thread, while no bucket of a
 * reducer (reducer.h) is in flight. Every wait has a time limit; when it passes, the call fails with the
 * name of the rank that is missing. With one rank nothing of MPI is touched and every call is a copy or
 * nothing. MPI's types stay inside comm/. */
#ifndef KD_COMM_COMM_H
#define KD_COMM_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/base/memory.h"

enum { KD_HOST_LENGTH = 64 };

typedef struct kd_comm {
  int rank, size;             /* of the job */
  int local_rank, local_size; /* among the ranks of this host */
  int host_index, n_hosts;    /* hosts are counted by their lowest rank */
  char host[KD_HOST_LENGTH];  /* host name, cut to length */
  bool alone;                 /* no other rank is there */
  struct kd_comm_hidden *hidden;
} kd_comm;

/* Finds the launcher (mpirun, srun --mpi=pmix or none) and joins the job. Call it once per process, and only
 * in commands that need other ranks. KD_ERR_USAGE under a plain srun of several tasks; KD_ERR_RUN when MPI
 * does not start. Collective. */
kd_status kd_comm_open(kd_comm **comm);
/* One process that plans for `size` ranks of one host, as rank 0 of them, without starting MPI: for
 * measurements (kd_replica_measure). Of the collectives, reductions, broadcasts and agreements may be called
 * and do nothing. */
kd_comm *kd_comm_pretend(int size);
/* The normal end: waits for all ranks, MPI_Finalize. Reducers and their memory must be gone. Collective. */
void kd_comm_close(kd_comm *comm);
/* The number of ranks that the launcher's environment promises, without joining the job: 1 when alone.
 * KD_ERR_USAGE as kd_comm_open. */
kd_status kd_comm_promised_size(int *size);
/* The rank that the launcher's environment gives this process, without joining the job; 0 when alone. */
int kd_comm_promised_rank(void);

/* The MPI library's name and version, for `kdist info`; MPI need not be initialised. */
const char *kd_comm_library(void);

/* Ends the whole job now with that exit code; any thread of any rank. Prints nothing itself. */
_Noreturn void kd_comm_abort(kd_comm *comm, int exit_code);
/* This rank cannot go on while others wait for it: prints the present status text as an error of this rank
 * and ends the job with the exit code of `status`. When several ranks of a host fail together, one speaks.
 * With one rank the process ends the same way. */
_Noreturn void kd_comm_fail(kd_comm *comm, kd_status status);

/* The host of any rank. */
const char *kd_comm_host(const kd_comm *comm, int rank);

/* Seconds after which a silent rank ends the job (default 600). 0 derives it: 10 expected steps, at least
 * 5 s (600 s as long as no step time is known). The limit in force is never below 10 expected steps. */
void kd_comm_set_timeout(kd_comm *comm, double seconds);
void kd_comm_expect_step(kd_comm *comm, double seconds);
double kd_comm_limit(const kd_comm *comm);
/* The step that error messages name. Main thread, once a step; costs one store. */
void kd_comm_set_step(kd_comm *comm, int64_t step);

/* --- small collectives --- */

kd_status kd_comm_barrier(kd_comm *comm);
/* `bytes` from rank 0 to all; any size. */
kd_status kd_comm_broadcast(kd_comm *comm, void *data, size_t bytes);
/* Text of rank 0 into the pool of every rank (NULL stays NULL). */
kd_status kd_comm_broadcast_text(kd_comm *comm, kd_pool *pool, const char *text, const char **copy);
/* all = size blocks of `bytes`, by rank. Meant for small blocks. */
kd_status kd_comm_all_gather(kd_comm *comm, const void *mine, size_t bytes, void *all);
/* Rank 0 receives what every rank gives, one behind the other by rank, in a block from kd_calloc that it
 * releases with kd_free; sizes (size entries, may be NULL on other ranks) says how much came from each.
 * Other ranks get *all = NULL. */
kd_status kd_comm_gather(kd_comm *comm, const void *mine, size_t bytes, void **all, size_t *sizes);

typedef enum kd_comm_op { KD_COMM_SUM, KD_COMM_MIN, KD_COMM_MAX } kd_comm_op;
/* Element-wise over all ranks, in rank order, the same result on every rank. In place. */
kd_status kd_comm_reduce_i64(kd_comm *comm, kd_comm_op op, int64_t *values, int count);
kd_status kd_comm_reduce_f64(kd_comm *comm, kd_comm_op op, double *values, int count);

/* Point to point, main thread, matched in order; the receiver knows the size. A different size is
 * KD_ERR_INTERNAL on the receiver. Sending to oneself is not allowed. */
kd_status kd_comm_send(kd_comm *comm, int to, const void *data, size_t bytes);
kd_status kd_comm_receive(kd_comm *comm, int from, void *data, size_t bytes);
/* Rows for predict: rank 0 gets the rows of all ranks in rank order, rows[r] of them from rank r (known on
 * all ranks), row_bytes each, straight into `all` (rank 0 only; it may hold its own rows in place at the
 * front). */
kd_status kd_comm_gather_rows(kd_comm *comm, const void *mine, const int64_t *rows, size_t row_bytes,
                              void *all);

/* --- agreement --- */

/* Fails on all ranks with KD_ERR_USAGE when a rank's hash differs from rank 0's; the text names the first
 * such rank, its host and `what` ("configuration"). Collective. */
kd_status kd_comm_agree(kd_comm *comm, const char *what, uint64_t hash);
/* Every rank gives its own status (with its status text when it is not KD_OK). KD_OK when all are; else all
 * ranks return the status of the lowest failing rank with the text "[rank 3 @ node02] text". Rank 0 reads the
 * configuration and the data's headers for all: its KD_ERR_USAGE has no such prefix. Collective. */
kd_status kd_comm_all_ok(kd_comm *comm, kd_status mine);

#endif
