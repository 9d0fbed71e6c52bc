/* The sum of gradients over all ranks: memory that ranks of one host share, buckets, and the reducer.
 *
 * Every rank holds the same range of float32 (gradients, statistics, metric sums). After post and wait each
 * float of a bucket is the sum over all ranks, with the same bits on all ranks. The order of additions is a
 * fixed binary tree (tree.h): over the ranks (n_leaves = 0), or over the n_leaves micro-shards of the global
 * batch, in which case the bits do not depend on the number of ranks either. Where ranks run, which transport
 * is used and how buckets are cut never changes bits.
 *
 * A step: the compute thread posts each bucket when its last gradient is written; the reducer's thread sums
 * it meanwhile; wait finishes what is left. Nothing is allocated in post and wait. */
#ifndef KD_COMM_REDUCER_H
#define KD_COMM_REDUCER_H

#include "comm/comm.h"
#include "comm/tree.h"

/* Memory of this rank for reduced ranges: zeroed, KD_ALIGNMENT-aligned. A file mapped by all ranks of the
 * host, or plain memory (one rank per host, or the host refuses: a warning says so). KD_ERR_NOMEM when
 * neither is to be had, on all ranks. `bytes` may not differ between ranks. Collective. */
kd_status kd_comm_alloc_reduce(kd_comm *comm, size_t bytes, void **memory);
/* Collective; NULL is allowed (on all ranks). */
void kd_comm_free_reduce(kd_comm *comm, void *memory);

typedef struct kd_reduce_spec {
  int n_buckets;
  const int64_t *begin, *end; /* floats from the start of the memory; buckets do not overlap */
  int n_leaves;               /* 0: this rank gives one partial sum, at the start of the memory.
                                 V: the partial sums of tree.h's kd_tree_local(V, size, rank), number p of
                                 them at memory + p * stride. A rank without leaves gives none. */
  int n_late;                 /* buckets at the end of the list that are posted just before a wait: no thread
                                 is woken for them, nor for a last bucket */
  int64_t stride;             /* floats between partial sums, at least the largest end; unused for 0 */
} kd_reduce_spec;

typedef struct kd_reducer kd_reducer;

/* memory is from kd_comm_alloc_reduce and large enough for all partial sums. The spec's arrays are copied.
 * The specs of all ranks are compared (KD_ERR_USAGE when they differ). Several reducers may use one memory,
 * one after the other. Collective. */
kd_status kd_reducer_create(kd_comm *comm, void *memory, const kd_reduce_spec *spec, kd_reducer **reducer);
void kd_reducer_destroy(kd_reducer *reducer); /* not while buckets are in flight; NULL is allowed */

/* This rank's partial sums of the bucket are complete. Each bucket at most once before the next wait, in the
 * same order on all ranks. Returns at once; the bucket's floats belong to the reducer until wait. */
void kd_reducer_post(kd_reducer *reducer, int bucket);
/* The bucket has so many floats from now on, of those that its spec has room for; the same on all ranks. Not
 * while it is posted. */
void kd_reducer_shorten(kd_reducer *reducer, int bucket, int64_t floats);
/* Until every posted bucket holds its sum, at the start of the memory (partial 0) of every rank. KD_ERR_RUN
 * names the rank that is late, its host, the step and the bucket; then the job is to be ended with
 * kd_comm_fail. */
kd_status kd_reducer_wait(kd_reducer *reducer);

/* Seconds spent since the last call: in `exposed`, the caller waited; in `busy`, buckets were summed. */
void kd_reducer_times(kd_reducer *reducer, double *exposed, double *busy);
/* "self", "shared memory", "MPI" or "shared memory + MPI". */
const char *kd_reducer_transport(const kd_reducer *reducer);

#endif
