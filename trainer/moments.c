#include "trainer/moments.h"

#include <math.h>

int kd_moments_slots(const void *options, const char **names) {
  (void)options;
  names[0] = "momentum";
  names[1] = "velocity";
  return 2;
}

static kd_sym moved(kd_graph *g, kd_sym old, kd_sym seen, double beta) {
  return kd_add(g, old, kd_scale(g, kd_sub(g, seen, old), 1 - beta));
}

void kd_moments_mean(kd_graph *g, double beta, kd_update *u) {
  u->slot[0] = moved(g, u->slot[0], u->g, beta);
}

void kd_moments_square(kd_graph *g, double beta, kd_update *u) {
  u->slot[1] = moved(g, u->slot[1], kd_unary(g, KD_PW_SQUARE, u->g), beta);
}

double kd_moments_rate(double beta_1, double beta_2, double rate, int64_t t) {
  return rate * sqrt(1 - pow(beta_2, (double)t)) / (1 - pow(beta_1, (double)t));
}

double kd_moments_correction(double beta, int64_t t) {
  return 1 / (1 - pow(beta, (double)t));
}

void kd_moments_step(kd_graph *g, kd_sym alpha, kd_sym v, double epsilon, kd_update *u) {
  kd_sym root = kd_shift(g, kd_unary(g, KD_PW_SQRT, v), epsilon);
  u->w = kd_sub(g, u->w, kd_div(g, kd_mul(g, u->slot[0], alpha), root));
}
