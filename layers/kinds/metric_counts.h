/* Metrics of yes-or-no decisions at thresholds: how many samples stand on which side.
 *
 * State: for each label, and for b = 0 .. n, the weights of the samples whose prediction is above exactly b
 * of the n thresholds: of those with label 0, then of those with label 1. Sums of such counts are sums of
 * samples, so states of passes and ranks add up, and unweighted ones are exact. The four counts at a
 * threshold are sums over b. */
#ifndef KD_METRIC_COUNTS_H
#define KD_METRIC_COUNTS_H

#include "layers/kinds/loss_table.h"

typedef struct kd_count_spec {
  int n;                   /* thresholds */
  const double *threshold; /* n values in any order; NULL: i / (n - 1) */
  bool open;               /* without `threshold`: the first one is below 0 */
  int64_t top_k, class_id; /* KD_UNSET_INT: none */
  bool by_label;           /* counts of each label (last axis) by itself */
  kd_floats label_weights; /* of the last axis; count 0: none */
} kd_count_spec;

/* Whether Keras takes thresholds as i / (n - 1), which decides what becomes of predictions beside [0, 1]. */
bool kd_thresholds_even(int n, const double *threshold);

int64_t kd_counts_n_state(const kd_count_spec *spec, const kd_shape *y_pred);
/* weight: per row (or row and step), or KD_NO_SYM. Labels other than 0 are 1. */
kd_sym kd_counts_update(kd_graph *graph, const kd_count_spec *spec, kd_sym y_true, kd_sym y_pred,
                        kd_sym weight);

typedef struct kd_counts {
  double tp, fp, tn, fn;
} kd_counts;
/* At a threshold above all predictions; then lowered below bucket b of one label's state: called for
 * b = n .. i + 1 it gives the counts at the i-th threshold from below. */
kd_counts kd_counts_above(int n, const double *state);
void kd_counts_lower(kd_counts *counts, int b, const double *state);
/* The counts at threshold number i of the spec. */
kd_counts kd_counts_at(const kd_count_spec *spec, int i, const double *state);

/* a / b, 0 where b is 0. */
static inline double kd_ratio(double a, double b) {
  return b != 0 ? a / b : 0;
}

#define KD_METRIC_CLASS_ID(S)                                                                                \
  {                                                                                                          \
    .name = "class_id", .type = KD_OPT_INT, .offset = offsetof(S, class_id), .initial = "none",              \
    .help = "look at that class alone", .min = 0, .max = 1e9, .flags = KD_OPT_NONE_OK                        \
  }
#define KD_METRIC_THRESHOLDS(S)                                                                              \
  {                                                                                                          \
    .name = "thresholds", .type = KD_OPT_FLOATS, .offset = offsetof(S, thresholds), .initial = "none",       \
    .help = "predictions above it mean yes; none: 0.5; several give a value each, NAME.0, NAME.1 ...",       \
    .min = 0, .max = 1, .flags = KD_OPT_NONE_OK                                                              \
  }
#define KD_METRIC_NUM_THRESHOLDS(S, least)                                                                   \
  {                                                                                                          \
    .name = "num_thresholds", .type = KD_OPT_INT, .offset = offsetof(S, num_thresholds), .initial = "200",   \
    .help = "thresholds spread evenly over [0, 1]", .min = least, .max = 1e6                                 \
  }

#endif
