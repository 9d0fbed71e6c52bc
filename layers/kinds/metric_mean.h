/* Metrics that are means of one value per sample: state (sum, count). */
#ifndef KD_METRIC_MEAN_H
#define KD_METRIC_MEAN_H

#include "layers/kinds/loss_table.h"

/* The state of a mean: values (rows, ...) are averaged per sample first, as Keras's Mean does. weight: per
 * row or KD_NO_SYM. */
kd_sym kd_mean_update(kd_graph *graph, kd_sym values, kd_sym weight);
int64_t kd_mean_n_state(const void *options, const kd_shape *y_pred);
/* 0 without samples */
double kd_mean_result(const void *options, int n_state, const double *state, int number);

#endif
