/* Where to cut the range of gradients into buckets. Pure. */
#ifndef KD_COMM_BUCKET_H
#define KD_COMM_BUCKET_H

#include <stdint.h>

#include "comm/comm.h"

/* Time of one bucket of b bytes: latency + b / bytes_per_second. */
typedef struct kd_bucket_cost {
  double latency; /* seconds */
  double bytes_per_second;
} kd_bucket_cost;

typedef struct kd_buckets {
  int count;
  const int64_t *begin, *end; /* floats; they cover [0, sum of sizes) in order */
  double finish;              /* when the last bucket is summed, seconds, by the model below */
} kd_buckets;

/* Cuts tensors that lie one behind the other in the order in which they become ready.
 * sizes: floats of each. ready: seconds after the start of the backward pass at which each is complete, not
 * falling; NULL: proportional to the floats so far, with the total taken as the time to send everything
 * twice. limit_bytes: no bucket is larger (a tensor is split when it must be); 0: no limit.
 * The cut has the least finish time F_K of F_k = max(F_(k-1), r_k) + c_k, r_k the ready time of the
 * bucket's last tensor and c_k its cost, over all cuts at tensor boundaries (reference: the overlap bound of
 * bucketed all-reduce, e.g. Li et al., PyTorch Distributed, VLDB 2020), and among those the fewest buckets.
 * Above 256 tensors small neighbours are treated as one. Memory from the pool; zero floats give zero buckets.
 * KD_ERR_USAGE for a limit below 4096 bytes. */
kd_status kd_bucket_plan(kd_pool *pool, int n_tensors, const int64_t *sizes, const double *ready,
                         kd_bucket_cost cost, int64_t limit_bytes, kd_buckets *buckets);

/* The cost to expect between these ranks: shared memory on one host, else a network of 10 Gbit/s. */
kd_bucket_cost kd_bucket_default_cost(const kd_comm *comm);

#endif
