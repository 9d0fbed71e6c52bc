/* A block of queries of one head and which keys they see: what the kernels of attention share with their
 * inner loops. Score (i, j) stands at i * stride + j. */
#ifndef KD_CPU_ATTENTION_ROWS_H
#define KD_CPU_ATTENTION_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "device/attention.h"

typedef struct kd_attention_rows {
  int64_t first, count; /* queries */
  int64_t keys; /* whose scores were computed; those behind them are not seen by any query of the block */
  int64_t stride;
  bool causal;
  int64_t window; /* 0: none */
  int n_masks;
  const float *mask[KD_ATTENTION_MASKS]; /* of the first query and key 0 */
  int64_t mask_row[KD_ATTENTION_MASKS];  /* from query to query; 0: one row for all */
  bool mask_keys[KD_ATTENTION_MASKS];    /* one number per key, else one per query */
  kd_unseen unseen;
  float dropout;
  const float *numbers; /* uniform, placed as the scores; NULL: nothing is dropped */
} kd_attention_rows;

/* What the gradient reads beside the scores: y and its gradient, `width` features per query. */
typedef struct kd_attention_slopes {
  const float *y, *dy;
  int64_t width, row; /* row: from query to query */
} kd_attention_slopes;

#endif
