/* Adam's moments: slots 0 and 1 of every rule that is built on them. */
#ifndef KD_MOMENTS_H
#define KD_MOMENTS_H

#include "trainer/optimizer.h"

/* The slots "momentum" and "velocity"; has the form of kd_optimizer_kind.slots. */
int kd_moments_slots(const void *options, const char **names);
/* slot += (x - slot)(1 - beta): the mean of g, and that of its square. */
void kd_moments_mean(kd_graph *graph, double beta, kd_update *update);
void kd_moments_square(kd_graph *graph, double beta, kd_update *update);
/* Adam's rate at update t, where epsilon stands beside the uncorrected root. */
double kd_moments_rate(double beta_1, double beta_2, double rate, int64_t t);
/* 1 / (1 - beta^t): what makes a mean of the first t values one without its start at zero. */
double kd_moments_correction(double beta, int64_t t);
/* w -= alpha m / (sqrt(v) + epsilon) */
void kd_moments_step(kd_graph *graph, kd_sym alpha, kd_sym v, double epsilon, kd_update *update);

#endif
