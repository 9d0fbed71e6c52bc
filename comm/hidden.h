/* What the files of comm/ share about a communicator. The only header that includes MPI. */
#ifndef KD_COMM_HIDDEN_H
#define KD_COMM_HIDDEN_H

#include <mpi.h>
#include <stdatomic.h>

#include "comm/comm.h"
#include "comm/layout.h"

typedef struct kd_reduce_memory kd_reduce_memory;

struct kd_comm_hidden {
  kd_pool *pool;
  bool mpi;                      /* false: one rank, no MPI call ever */
  bool finalize;                 /* we called MPI_Init, so we call MPI_Finalize */
  bool oversubscribed;           /* more ranks than processors: never spin */
  MPI_Comm control;              /* collectives of the control path */
  MPI_Comm reduce;               /* messages of reducers */
  MPI_Comm domain;               /* ranks that share memory with this one */
  char (*hosts)[KD_HOST_LENGTH]; /* by rank */
  kd_domains shared;             /* ranks that can share memory stand together */
  kd_domains single;             /* every rank for itself */
  double timeout, step_seconds;
  _Atomic int64_t step;
  kd_reduce_memory *memories;
};

/* Turns a failed MPI call into a status with MPI's text. */
kd_status kd_comm_mpi_status(int code, const char *what);
#define KD_MPI(call)                                                                                         \
  do {                                                                                                       \
    int kd_mpi_code_ = (call);                                                                               \
    if (kd_mpi_code_ != MPI_SUCCESS) return kd_comm_mpi_status(kd_mpi_code_, #call);                         \
  } while (0)

/* Only one rank of a host shall speak when several fail at the same time. True for the first one. */
bool kd_comm_claim_failure(kd_comm *comm);

#endif
