/* What a model costs, before any run: operations and memory. */
#ifndef KD_COSTS_H
#define KD_COSTS_H

#include "launch/session.h"

typedef struct kd_costs {
  double *call_flops;   /* per call of the model, forward for one sample; NULL: unknown */
  double forward;       /* their sum */
  double training;      /* a training step, for one sample; 0: the configuration has no loss, or unknown */
  bool measured;        /* forecast is known */
  kd_forecast forecast; /* of rank 0 */
  int ranks;
  int64_t batch_size, rows; /* of the global batch; of the largest pass of a rank */
  const char *unknown;      /* why something is not known, or NULL */
} kd_costs;

/* For a session of KD_FOR_MODEL, once. Memory is the session's pool's. What cannot be found out stands in
 * costs->unknown. */
void kd_costs_find(kd_session *session, int ranks, kd_costs *costs);

#endif
