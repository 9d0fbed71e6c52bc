/* The rows of a summary: one per layer, as in Keras, or per folded block. */
#ifndef KD_SUMMARY_ROWS_H
#define KD_SUMMARY_ROWS_H

#include "launch/outline.h"

/* A tensor that a row takes, as Keras writes it: name[call][output]. */
typedef struct kd_summary_source {
  const char *name;
  int row;
  int call;   /* which call of the layer; 0 of a folded block */
  int output; /* of a folded block: the number of the tensor among those that leave it */
} kd_summary_source;

typedef struct kd_summary_row {
  const char *name, *type;
  int copies;          /* of a folded block, at least 1; 0: a layer */
  int layer, level;    /* as in kd_outline_node */
  const kd_call *last; /* the call whose outputs are shown */
  int64_t params, trained;
  double flops; /* forward, of all calls, for one sample */
  int n_calls, n_sources;
  const int *calls;
  kd_summary_source *sources;
} kd_summary_row;

typedef struct kd_summary_rows {
  int n;
  kd_summary_row *v;
  bool chain; /* every row takes the one before, and no layer is called twice: Keras's Sequential */
} kd_summary_rows;

/* In Keras's order of layers. All memory is the pool's or the outline's. */
kd_summary_rows kd_summary_rows_make(kd_pool *pool, const kd_outline *outline);

#endif
