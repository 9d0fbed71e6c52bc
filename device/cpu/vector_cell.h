/* Functions of recurrent cells and their derivatives from the result, for vector_recurrent*.c. */
#ifndef KD_CPU_VECTOR_CELL_H
#define KD_CPU_VECTOR_CELL_H

#include "device/cpu/vector_math.h"

KD_INLINE vf cell_function(kd_cell_fn fn, vf x) {
  vf one = v_set(1.0f);
  switch (fn) {
  case KD_CELL_FN_TANH:
    return v_tanh(x);
  case KD_CELL_FN_SIGMOID:
    return v_sigmoid(x);
  case KD_CELL_FN_RELU:
    return v_max(x, v_set(0.0f));
  case KD_CELL_FN_RELU6:
    return v_clamp(x, 0.0f, 6.0f);
  case KD_CELL_FN_HARD_SIGMOID:
    return v_clamp(x * v_set(1.0f / 6) + v_set(0.5f), 0.0f, 1.0f);
  case KD_CELL_FN_HARD_TANH:
    return v_clamp(x, -1.0f, 1.0f);
  case KD_CELL_FN_ELU:
    return v_select(v_lt(v_set(0.0f), x), x, v_expm1(v_min(x, v_set(0.0f))));
  case KD_CELL_FN_SOFTPLUS:
    return v_softplus(x);
  case KD_CELL_FN_SOFTSIGN:
    return x / (one + v_abs(x));
  case KD_CELL_FN_EXPONENTIAL:
    return v_exp(x);
  default:
    return x;
  }
}

/* 1 strictly between two numbers, else 0. */
KD_INLINE vf cell_inside(vf y, float low, float high) {
  return v_select(v_lt(v_set(low), y) & v_lt(y, v_set(high)), v_set(1.0f), v_set(0.0f));
}

KD_INLINE vf cell_slope(kd_cell_fn fn, vf y) {
  vf one = v_set(1.0f), rest;
  switch (fn) {
  case KD_CELL_FN_TANH:
    return one - y * y;
  case KD_CELL_FN_SIGMOID:
    return y * (one - y);
  case KD_CELL_FN_RELU:
    return v_select(v_lt(v_set(0.0f), y), one, v_set(0.0f));
  case KD_CELL_FN_RELU6:
    return cell_inside(y, 0.0f, 6.0f);
  case KD_CELL_FN_HARD_SIGMOID:
    return cell_inside(y, 0.0f, 1.0f) * v_set(1.0f / 6);
  case KD_CELL_FN_HARD_TANH:
    return cell_inside(y, -1.0f, 1.0f);
  case KD_CELL_FN_ELU:
    return v_select(v_lt(v_set(0.0f), y), one, y + one);
  case KD_CELL_FN_SOFTPLUS:
    return -v_expm1(-y);
  case KD_CELL_FN_SOFTSIGN:
    rest = one - v_abs(y);
    return rest * rest;
  case KD_CELL_FN_EXPONENTIAL:
    return y;
  default:
    return one;
  }
}

/* Calls part(arguments.., k, n) for all units of a row: whole vectors (n is a constant), then the rest. */
#define KD_UNITS(units, part, ...)                                                                           \
  do {                                                                                                       \
    int64_t k_ = 0;                                                                                          \
    for (; k_ + KD_W <= (units); k_ += KD_W) part(__VA_ARGS__, k_, KD_W);                                    \
    if (k_ < (units)) part(__VA_ARGS__, k_, (units)-k_);                                                     \
  } while (0)

#endif
