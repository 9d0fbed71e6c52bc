/* Attention, with typed options: see kdist_layers.h. Made by api/generate.sh. */
#ifndef KDIST_LAYERS_ATTENTION_H
#define KDIST_LAYERS_ATTENTION_H

#include "kdist.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* MultiHeadAttention: attention by several heads; inputs: query, value, key (none: the value).
 * kd_multi_head_attention(query, value, num_heads, key_dim, ...) */
typedef struct kd_multi_head_attention_args {
  kd_out query, value;
  int64_t num_heads, key_dim, value_dim;
  double dropout;
  bool no_bias;
  const char *output_shape;
  int64_t attention_axes[KD_MAX_RANK], sliding_window;
  bool flash_attention;
  const char *kernel_initializer, *bias_initializer, *kernel_regularizer, *bias_regularizer,
      *activity_regularizer, *kernel_constraint, *bias_constraint;
  bool use_gate;
  int64_t seed;
  const char *name, *more;
  kd_out key, query_mask, value_mask, key_mask, attention_mask;
  bool return_attention_scores, use_causal_mask;
  const char *training;
} kd_multi_head_attention_args;
kd_out kd_multi_head_attention_call(kd_multi_head_attention_args args);
#define kd_multi_head_attention(query_, value_, num_heads_, ...)                                             \
  kd_multi_head_attention_call(KD_ARGS(kd_multi_head_attention_args, .query = (query_), .value = (value_),   \
                                       .num_heads = (num_heads_), .key_dim = __VA_ARGS__))

/* GroupQueryAttention: attention whose heads of queries share keys and values; inputs: query, value, key.
 * kd_group_query_attention(query, value, head_dim, num_query_heads, num_key_value_heads, ...) */
typedef struct kd_group_query_attention_args {
  kd_out query, value;
  int64_t head_dim, num_query_heads, num_key_value_heads;
  double dropout;
  bool no_bias;
  int64_t sliding_window;
  bool flash_attention;
  const char *kernel_initializer, *bias_initializer, *kernel_regularizer, *bias_regularizer,
      *activity_regularizer, *kernel_constraint, *bias_constraint;
  bool use_gate;
  int64_t seed;
  const char *name, *more;
  kd_out key, query_mask, value_mask, key_mask, attention_mask;
  bool return_attention_scores, use_causal_mask;
  const char *training;
} kd_group_query_attention_args;
kd_out kd_group_query_attention_call(kd_group_query_attention_args args);
#define kd_group_query_attention(query_, value_, head_dim_, num_query_heads_, ...)                           \
  kd_group_query_attention_call(KD_ARGS(kd_group_query_attention_args, .query = (query_), .value = (value_), \
                                        .head_dim = (head_dim_), .num_query_heads = (num_query_heads_),      \
                                        .num_key_value_heads = __VA_ARGS__))

/* Attention: dot-product attention; inputs: query, value, key (none: the value). kd_attention(query, value,
 * ...) */
typedef struct kd_attention_args {
  kd_out query, value, key;
  bool use_scale;
  const char *score_mode;
  double dropout;
  int64_t seed;
  const char *name, *more;
  kd_out mask[8];
  bool return_attention_scores, use_causal_mask;
  const char *training;
} kd_attention_args;
kd_out kd_attention_call(kd_attention_args args);
#define kd_attention(query_, ...)                                                                            \
  kd_attention_call(KD_ARGS(kd_attention_args, .query = (query_), .value = __VA_ARGS__))

/* AdditiveAttention: Bahdanau's attention; inputs: query, value, key (none: the value).
 * kd_additive_attention(query, value, ...) */
typedef struct kd_additive_attention_args {
  kd_out query, value, key;
  bool no_scale;
  double dropout;
  int64_t seed;
  const char *name, *more;
  kd_out mask[8];
  bool return_attention_scores, use_causal_mask;
  const char *training;
} kd_additive_attention_args;
kd_out kd_additive_attention_call(kd_additive_attention_args args);
#define kd_additive_attention(query_, ...)                                                                   \
  kd_additive_attention_call(KD_ARGS(kd_additive_attention_args, .query = (query_), .value = __VA_ARGS__))

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
