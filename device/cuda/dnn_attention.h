/* Attention of heads as one graph of cuDNN, without a matrix of scores in memory (device/attention.h):
 * forward and gradient, for factors of 16 bits. Every query sees a key: there are no masks, but later keys
 * may be hidden. */
#ifndef KD_CUDA_DNN_ATTENTION_H
#define KD_CUDA_DNN_ATTENTION_H

#include "device/cuda/dnn_plan.h"

typedef struct kd_dnn_attention {
  kd_dtype dtype; /* of q, k, v, y and gradients */
  bool gradient, causal;
  int64_t batch, queries, keys, heads, features, width; /* features of q and k, width of v and y */
  kd_dnn_wish wish;
} kd_dnn_attention;

/* KD_ERR_RUN when the library has no plan. */
kd_status kd_dnn_attention_plan(cudnnBackendDescriptor_t device, const kd_dnn_attention *attention,
                                kd_dnn_plan **plan);

/* With sums in any order dq is added up in float32 memory of the caller, else within the plan's workspace,
 * which then holds a number per query and key. */
static inline bool kd_dnn_attention_adds(const kd_dnn_attention *attention) {
  return attention->gradient && !attention->wish.ordered;
}

/* Numbers that a call reads from the host each time; they live as long as it. */
typedef struct kd_dnn_attention_values {
  float scale, hidden, one; /* hidden: the score of a key that is not seen; one: 1 */
} kd_dnn_attention_values;

/* Addresses of operands as (b, steps, heads, features), lse (b, h, tq) float32. */
typedef struct kd_dnn_attention_data {
  const void *q, *k, *v, *y, *lse;
  const void *dy, *dq, *dk, *dv; /* gradient, and these two as well: */
  const void *total;             /* room for a float per query and head */
  const void *sums;              /* (b, h, tq, features) float32, zeros before each run, when it adds */
} kd_dnn_attention_data;
kd_status kd_dnn_attention_bind(kd_dnn_call *call, const kd_dnn_attention *attention,
                                const kd_dnn_attention_data *data, const kd_dnn_attention_values *values,
                                void *workspace);

#endif
