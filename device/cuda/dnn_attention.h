/* Attention of heads as one graph of cuDNN, without a matrix of scores in memory (device/attention.h):
 * forward and gradient, for factors of 16 bits. Later keys may be hidden, others by numbers that are added to
 * scores; what becomes of a query that sees no key is the caller's. */
#ifndef KD_CUDA_DNN_ATTENTION_H
#define KD_CUDA_DNN_ATTENTION_H

#include "device/cuda/dnn_plan.h"

typedef struct kd_dnn_attention {
  kd_dtype dtype; /* of q, k, v, y and gradients */
  bool gradient, causal;
  int64_t batch, queries, keys, heads, groups; /* groups: heads of k and v */
  int64_t features, width;                     /* features of q and k, width of v and y */
  int64_t row_heads, row_groups;               /* in memory, of which these are some */
  int64_t bias[4]; /* sizes of what is added to scores: b or 1, h or 1, tq or 1, tk; all 0: nothing */
  kd_dnn_wish wish;
} kd_dnn_attention;

/* Bytes that a plan keeps for its scores, at most, by what plans of the library were seen to take. */
int64_t kd_dnn_attention_kept(const kd_dnn_attention *attention);

enum { KD_DNN_TILE = 128 }; /* scores that are kept are kept in tiles of so many rows and columns */

/* Where a number is kept for each score: makes `attention` one of `batch` x `heads` equal pieces that keep at
 * most `most` bytes each, or as few as can be; several of heads only where a piece is one sample. Else one
 * piece. */
void kd_dnn_attention_cut(kd_dnn_attention *attention, int64_t most, int64_t *batch, int64_t *heads);

/* KD_ERR_RUN when the library has no plan. */
kd_status kd_dnn_attention_plan(cudnnBackendDescriptor_t device, const kd_dnn_attention *attention,
                                kd_dnn_plan **plan);

/* With sums in any order dq is added up in float32 memory of the caller, else within the plan's workspace,
 * which then holds a number per query and key. */
static inline bool kd_dnn_attention_adds(const kd_dnn_attention *attention) {
  return attention->gradient && !attention->wish.ordered;
}

/* With fewer heads of keys than of queries their gradients are kept for each head of the queries, then added
 * up. */
static inline bool kd_dnn_attention_folds(const kd_dnn_attention *attention) {
  return attention->gradient && attention->groups < attention->heads;
}

static inline bool kd_dnn_attention_biased(const kd_dnn_attention *attention) {
  return attention->bias[3] > 0;
}

/* Numbers that a call reads from the host each time; they live as long as it. */
typedef struct kd_dnn_attention_values {
  float scale, hidden, one; /* hidden: the score of a key that is not seen; one: 1 */
} kd_dnn_attention_values;

/* Addresses of operands as (b, steps, heads, features), lse (b, h, tq) and bias float32. */
typedef struct kd_dnn_attention_data {
  const void *q, *k, *v, *y, *lse, *bias;
  const void *dy, *dq, *dk, *dv;   /* gradient, and these as well: */
  const void *total;               /* room for a float per query and head */
  const void *sums;                /* (b, h, tq, features) float32, zeros before each run, when it adds */
  const void *dk_heads, *dv_heads; /* room for (b, h, tk, features) and (b, h, tk, width) when it folds */
} kd_dnn_attention_data;
kd_status kd_dnn_attention_bind(kd_dnn_call *call, const kd_dnn_attention *attention,
                                const kd_dnn_attention_data *data, const kd_dnn_attention_values *values,
                                void *workspace);

#endif
