/* Rows that every loss's and metric's option table holds. */
#ifndef KD_LOSS_TABLE_H
#define KD_LOSS_TABLE_H

#include "layers/loss.h"

#define KD_LOSS_COMMON(S)                                                                                    \
  {.name = "reduction",                                                                                      \
   .type = KD_OPT_CHOICE,                                                                                    \
   .offset = offsetof(S, common.reduction),                                                                  \
   .initial = "sum_over_batch_size",                                                                         \
   .help = "how the values of all samples become one",                                                       \
   .choices = "sum_over_batch_size|sum|mean|mean_with_sample_weight",                                        \
   .flags = KD_OPT_KEY_ONLY},                                                                                \
  {                                                                                                          \
    .name = "name", .type = KD_OPT_TEXT, .offset = offsetof(S, common.name), .initial = "none",              \
    .help = "name in logs", .flags = KD_OPT_NONE_OK | KD_OPT_KEY_ONLY                                        \
  }

#define KD_METRIC_COMMON(S)                                                                                  \
  {                                                                                                          \
    .name = "name", .type = KD_OPT_TEXT, .offset = offsetof(S, common.name), .initial = "none",              \
    .help = "name in logs", .flags = KD_OPT_NONE_OK | KD_OPT_KEY_ONLY                                        \
  }

/* Options of the cross-entropies, as losses and as metrics. */
typedef struct kd_xent_options {
  kd_loss_common common;
  bool from_logits;
  double label_smoothing;
} kd_xent_options;

#define KD_XENT_FROM_LOGITS(S)                                                                               \
  {                                                                                                          \
    .name = "from_logits", .type = KD_OPT_BOOL, .offset = offsetof(S, from_logits), .initial = "false",      \
    .help = "predictions are logits, not probabilities"                                                      \
  }
#define KD_XENT_SMOOTHING(S)                                                                                 \
  {                                                                                                          \
    .name = "label_smoothing", .type = KD_OPT_FLOAT, .offset = offsetof(S, label_smoothing),                 \
    .initial = "0.0", .help = "share of the label that goes to all classes", .min = 0, .max = 1              \
  }

#define KD_KERAS_EPSILON 1e-7 /* keras.config.epsilon() */

/* Mean over the last axis: the values of a loss whose terms stand in it. A rank-1 prediction keeps its
 * values. */
kd_sym kd_mean_last(kd_graph *graph, kd_sym terms);
kd_sym kd_sum_last(kd_graph *graph, kd_sym terms);

/* --- parts of the cross-entropies --- */
/* t (1 - smoothing) + smoothing / classes */
kd_sym kd_labels_smoothed(kd_graph *graph, kd_sym truth, double smoothing, double classes);
/* -(t log q + (1 - t) log(1 - q)), from logits unless they are KD_NO_SYM. */
kd_sym kd_binary_entropy(kd_graph *graph, kd_sym truth, kd_sym probability, kd_sym logits);
/* Probabilities divided by their sum and clipped to [epsilon, 1 - epsilon]. */
kd_sym kd_probability_normalised(kd_graph *graph, kd_sym probability);

#endif
