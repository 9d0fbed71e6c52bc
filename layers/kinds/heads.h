/* What layers with attention heads share: projections to heads and back, masks, the attention itself. */
#ifndef KD_HEADS_H
#define KD_HEADS_H

#include "layers/kinds/kinds.h"

/* Options of all projections of a layer. */
typedef struct kd_projection {
  bool use_bias;
  kd_object kernel_initializer, bias_initializer;
  kd_object kernel_regularizer, bias_regularizer, activity_regularizer;
  kd_object kernel_constraint, bias_constraint;
} kd_projection;

/* Options of the attention between the projections. */
typedef struct kd_heads_options {
  double dropout;
  int64_t sliding_window; /* KD_UNSET_INT: none */
  bool flash_attention;
  bool use_gate;
  int64_t seed;
  kd_projection projection;
} kd_heads_options;

#define KD_HEADS_ROWS_DROPOUT(S)                                                                             \
  {.name = "dropout",                                                                                        \
   .type = KD_OPT_FLOAT,                                                                                     \
   .offset = offsetof(S, heads.dropout),                                                                     \
   .initial = "0.0",                                                                                         \
   .help = "share of the attention probabilities that are dropped in training",                              \
   .max = 1,                                                                                                 \
   .flags = KD_OPT_OPEN_MAX},                                                                                \
  {                                                                                                          \
    .name = "use_bias", .type = KD_OPT_BOOL, .offset = offsetof(S, heads.projection.use_bias),               \
    .initial = "true", .help = "add a bias in the projections"                                               \
  }
#define KD_HEADS_ROWS_WINDOW(S)                                                                              \
  {.name = "sliding_window",                                                                                 \
   .type = KD_OPT_INT,                                                                                       \
   .offset = offsetof(S, heads.sliding_window),                                                              \
   .initial = "none",                                                                                        \
   .help = "steps see only others at a distance below this",                                                 \
   .min = 1,                                                                                                 \
   .max = KD_SIZE_LIMIT,                                                                                     \
   .flags = KD_OPT_NONE_OK},                                                                                 \
  {                                                                                                          \
    .name = "flash_attention", .type = KD_OPT_BOOL, .offset = offsetof(S, heads.flash_attention),            \
    .initial = "false",                                                                                      \
    .help = "scores are never stored whole, with this option or without; needs dropout 0"                    \
  }
#define KD_HEADS_OBJECT_(S, field, start, text, fam)                                                         \
  {                                                                                                          \
    .name = #field, .type = KD_OPT_OBJECT, .offset = offsetof(S, heads.projection.field), .initial = start,  \
    .help = text, .flags = KD_OPT_NONE_OK, .family = &fam                                                    \
  }
#define KD_HEADS_ROWS_PROJECTION(S)                                                                          \
  KD_HEADS_OBJECT_(S, kernel_initializer, "glorot_uniform", "start values", kd_initializer_family),          \
      KD_HEADS_OBJECT_(S, bias_initializer, "zeros", "start values", kd_initializer_family),                 \
      KD_HEADS_OBJECT_(S, kernel_regularizer, "none", "penalty added to the loss", kd_regularizer_family),   \
      KD_HEADS_OBJECT_(S, bias_regularizer, "none", "penalty added to the loss", kd_regularizer_family),     \
      KD_HEADS_OBJECT_(S, activity_regularizer, "none", "penalty of each projection's result",               \
                       kd_regularizer_family),                                                               \
      KD_HEADS_OBJECT_(S, kernel_constraint, "none", "what kernels are made to hold after each update",      \
                       kd_constraint_family),                                                                \
      KD_HEADS_OBJECT_(S, bias_constraint, "none", "what biases are made to hold after each update",         \
                       kd_constraint_family),                                                                \
      {.name = "use_gate",                                                                                   \
       .type = KD_OPT_BOOL,                                                                                  \
       .offset = offsetof(S, heads.use_gate),                                                                \
       .initial = "false",                                                                                   \
       .help = "multiply the heads by a sigmoid of another projection of the query"},                        \
  {                                                                                                          \
    .name = "seed", .type = KD_OPT_INT, .offset = offsetof(S, heads.seed), .initial = "none",                \
    .help = "own stream of random numbers", .flags = KD_OPT_NONE_OK                                          \
  }

/* Reports options that do not go together. */
void kd_heads_check(const kd_heads_options *options, kd_diag *diag, kd_origin origin);

/* The tensors and masks of a call (query, value, key = value), as floats. */
typedef struct kd_heads_call {
  kd_sym query, key, value;
  kd_sym query_mask, key_mask, value_mask; /* (batch, steps), from the tensors or the call; KD_NO_SYM: none */
  kd_sym attention_mask; /* (batch, query steps, key steps) or with heads; KD_NO_SYM: none */
  bool causal, gives_scores;
} kd_heads_call;
extern const kd_call_arg kd_heads_call_args[]; /* for kd_layer_kind.call_args */
kd_status kd_heads_call_read(const kd_build *build, int n_inputs, const kd_sym *inputs, kd_heads_call *call);

/* x (.., features) to (.., heads, size). part: the group of the weights in Keras's files. */
kd_sym kd_heads_project(kd_build *build, const kd_projection *o, const char *part, kd_sym x, int64_t heads,
                        int64_t size);
/* x (.., heads, size) to (.., sizes), over both axes. */
kd_sym kd_heads_join(kd_build *build, const kd_projection *o, const char *part, kd_sym x,
                     const kd_shape *sizes);

/* Attention over `axes` (positions among the axes of the queries; 1, rank - 3 for one axis of steps): q
 * (batch, .., heads, size); the other axes of q, k and v are equal and attend by themselves. zero: a query
 * that sees no key gives 0 instead of the mean. scores: (batch, other axes, heads, query axes, key axes), set
 * when the call gives them: before dropout. */
kd_status kd_heads_attend(kd_build *build, const kd_heads_options *o, const kd_heads_call *call, int n_axes,
                          const int *axes, bool zero, kd_sym q, kd_sym k, kd_sym v, kd_sym *result,
                          kd_sym *scores);
/* heads_scores.c: the same with scores (batch, heads, query steps, key steps), for q, k, v (batch, steps,
 * heads, size); a query that sees no key gives 0. */
kd_sym kd_heads_scores(kd_build *build, const kd_attention_attr *attr, const kd_sym *masks, kd_sym q,
                       kd_sym k, kd_sym v, kd_sym *scores);

#endif
