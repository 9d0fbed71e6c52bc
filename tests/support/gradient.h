/* Gradients of small graphs against 4-point differences, both computed in double precision by the plain
 * interpreter, so that only the gradient rules are in question. */
#ifndef KD_TEST_GRADIENT_H
#define KD_TEST_GRADIENT_H

#include "layers/graph/graph.h"

enum { TRIAL_SYMS = 4096, TRIAL_INPUTS = 8 };

typedef struct trial {
  kd_graph *g;
  double *values[TRIAL_SYMS]; /* by tensor */
  kd_sym wanted[TRIAL_INPUTS];
  int n_wanted;
  uint64_t key; /* of the random data */
} trial;

void trial_open(trial *t);
void trial_close(trial *t);
/* A float input whose gradient is checked. Its values are a shuffled grid of cell centres between low and
 * high: all differ by at least (high - low) / count, so that differences do not cross kinks of max or abs. */
kd_sym trial_input(trial *t, kd_shape shape, double low, double high);
/* A float input that is not differentiated, in the same way. */
kd_sym trial_constant(trial *t, kd_shape shape, double low, double high);
/* Integers, drawn from [low, high). */
kd_sym trial_integers(trial *t, kd_shape shape, int low, int high);
/* The random state of a step. */
kd_sym trial_rng(trial *t);
/* A float input that is differentiated, with these values. */
kd_sym trial_values(trial *t, kd_shape shape, const double *values);

/* Differentiates a weighted sum of y (random weights) by all inputs and compares each element. Fails the
 * test. */
void trial_check(trial *t, kd_sym y, const char *name);
/* Differentiates sum(y) by input `index` and compares with given numbers: for points without a derivative. */
void trial_expect(trial *t, kd_sym y, int index, const double *expected, const char *name);

#endif
