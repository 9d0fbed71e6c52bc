/* Activations that layers use directly, and the options that the family shares. */
#ifndef KD_ACTIVATIONS_H
#define KD_ACTIVATIONS_H

#include "layers/kinds/kinds.h"

/* Each activation fills the fields of its own table. */
typedef struct kd_activation_options {
  double alpha, negative_slope, max_value, threshold, default_value, b;
  bool approximate;
  int64_t axis;
} kd_activation_options;

/* keras.activations.relu with all its arguments; max_value KD_UNSET_FLOAT: no limit. */
kd_sym kd_relu(kd_graph *g, kd_sym x, double slope, double max_value, double threshold);
kd_sym kd_leaky_relu(kd_graph *g, kd_sym x, double slope);
kd_sym kd_elu(kd_graph *g, kd_sym x, double alpha);
/* Softmax over several axes together. */
/* mask (broadcasts to x; not 0: counts): the others get 0; all of them where none counts. KD_NO_SYM: none. */
kd_sym kd_softmax_masked(kd_graph *g, kd_sym x, kd_sym mask, int n_axes, const int64_t *axes);
kd_sym kd_softmax_axes(kd_graph *g, kd_sym x, int n_axes, const int64_t *axes);

/* apply functions of activations_axis.c */
kd_sym kd_glu(kd_graph *g, const void *options, kd_sym x);
kd_sym kd_softmax_activation(kd_graph *g, const void *options, kd_sym x);
kd_sym kd_log_softmax_activation(kd_graph *g, const void *options, kd_sym x);
kd_sym kd_sparsemax(kd_graph *g, const void *options, kd_sym x);

#endif
