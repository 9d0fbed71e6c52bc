/* What a reducer holds; shared by its creation (reducer_create.c) and its run (reducer.c). */
#ifndef KD_COMM_REDUCER_HIDDEN_H
#define KD_COMM_REDUCER_HIDDEN_H

#include <pthread.h>

#include "comm/exchange.h"
#include "comm/memory.h"
#include "comm/reducer.h"

enum { KD_REDUCER_TEXT = 1024 };

struct kd_reducer {
  kd_comm *comm;
  kd_reduce_memory *memory;
  kd_pool *pool;
  int n_buckets, n_late;
  int64_t *begin, *end;
  int domain, place, members; /* of this rank in the layout of the memory */

  kd_tree_combine local; /* the partial sums of the domain's ranks to those of the domain */
  const float **starts;  /* by op of local: where that partial sum's range starts */
  const float **inputs;  /* by op of local, for the floats at hand */
  float **outputs;       /* one for each member */
  kd_tree_combine root;  /* the partial sums of the domains to the whole sum */
  kd_exchange *exchange; /* NULL with one domain */

  int *queue;                 /* buckets in the order of posting */
  _Atomic int posted;         /* entries of the queue; written by the compute thread */
  int summed;                 /* entries done; under work */
  kd_status status;           /* the first failure; under work */
  char text[KD_REDUCER_TEXT]; /* and its text, since status texts belong to a thread */
  double busy, exposed;

  pthread_t thread;
  bool has_thread;
  pthread_mutex_t work; /* who holds it sums buckets: the reducer's thread, or wait */
  pthread_cond_t more;
  _Atomic bool asleep;   /* the thread waits for `more` */
  _Atomic bool draining; /* wait has taken over, and has nothing better to do */
  bool stop;
};

/* The sums of this rank's domain over floats [from, to): a kd_local_sum whose context is the reducer. */
void kd_reducer_sum_local(void *reducer, int64_t from, int64_t to, float *const *outputs, int n_copies);
kd_status kd_reducer_start_thread(kd_reducer *reducer);
void kd_reducer_stop_thread(kd_reducer *reducer);

#endif
