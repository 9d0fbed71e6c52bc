/* The sum over domains (hosts) of what each domain has summed in its shared memory, by messages.
 *
 * Rank number i of every domain carries slice i of a bucket: segment by segment, each domain receives the
 * others' partial sums of its share of the segment (reduce-scatter), joins them along the tree, and sends the
 * result to the others (all-gather), while the next segment is already on its way: both directions of a link
 * are busy. */
#ifndef KD_COMM_EXCHANGE_H
#define KD_COMM_EXCHANGE_H

#include "comm/memory.h"
#include "comm/tree.h"

typedef struct kd_exchange kd_exchange;

/* The sums of this rank's domain: evaluates `program` on floats [from, to) of the range; output k goes to
 * outputs[k * n_copies + c]. */
typedef void (*kd_local_sum)(void *context, int64_t from, int64_t to, float *const *outputs, int n_copies);

/* n_partials[d]: partial sums of domain d; root joins (domain, partial) to the whole sum. Both stay the
 * caller's. With a single member in the domain, its partial sums stand in its memory, `stride` floats apart;
 * else local_sum makes them. */
kd_status kd_exchange_create(kd_comm *comm, const kd_reduce_memory *memory, const int *n_partials,
                             const kd_tree_combine *root, int64_t stride, kd_local_sum local_sum,
                             void *context, kd_exchange **exchange);
void kd_exchange_destroy(kd_exchange *exchange);

/* Sums floats [from, to) over all domains; the result stands in the memory of all members of this domain. The
 * counterparts of all domains call it with the same range. `bucket` is for messages; urgent as in watchdog.h.
 */
kd_status kd_exchange_run(kd_exchange *exchange, int64_t from, int64_t to, int bucket,
                          const _Atomic bool *urgent);

#endif
