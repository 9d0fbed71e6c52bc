/* Memory of reduced ranges: anonymous files that the ranks of a domain map together, with their progress
 * counters. */
#ifndef KD_COMM_MEMORY_H
#define KD_COMM_MEMORY_H

#include "comm/hidden.h"

/* What a rank shows to the others of its domain. Counters grow by one for each bucket that passes through the
 * memory, and each stands on a cache line of its own. */
typedef struct kd_progress {
  _Alignas(KD_ALIGNMENT) _Atomic uint64_t posted; /* buckets whose partial sums this rank has written */
  _Alignas(KD_ALIGNMENT) _Atomic uint64_t summed; /* buckets whose slice this rank has summed */
  _Alignas(KD_ALIGNMENT) _Atomic int failing;     /* a rank of the domain has begun to report a failure (rank
                                                     at place 0 only) */
  uint64_t mark;                                  /* says whose file this is */
} kd_progress;

struct kd_reduce_memory {
  void *base; /* where this rank's range starts */
  size_t bytes;
  bool shared;              /* mapped from files; else from kd_large_alloc */
  int members;              /* of the domain */
  const kd_domains *layout; /* of the communicator: which ranks share it */
  kd_progress **progress;   /* by place in the domain; NULL when that rank's file could not be mapped */
  float **part;             /* by place in the domain: where that rank's range starts, in this process */
  uint64_t rounds;          /* buckets that passed through, as far as finished by wait */
  kd_reduce_memory *next;
};

/* The record of a block from kd_comm_alloc_reduce, or NULL. */
kd_reduce_memory *kd_reduce_memory_find(const kd_comm *comm, const void *base);

#endif
