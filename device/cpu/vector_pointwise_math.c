/* Steps of pointwise programs: elementary functions. */
#include "device/cpu/vector_math.h"
#include "device/cpu/vector_steps.h"

KD_STEP1(exp, v_exp(x))
KD_STEP1(expm1, v_expm1(x))
KD_STEP1(log, v_log(x))
KD_STEP1(log1p, v_log1p(x))
KD_STEP1(tanh, v_tanh(x))
KD_STEP1(sigmoid, v_sigmoid(x))
KD_STEP1(softplus, v_softplus(x))
KD_STEP1(erf, v_erf(x))
KD_STEP1(sin, v_sin(x))
KD_STEP1(cos, v_cos(x))
KD_STEP2(pow, v_pow(x, y))

kd_step_fn *KD_V(pointwise_math_step)(kd_pw op) {
  static kd_step_fn *const table[KD_N_PW] = {
      [KD_PW_EXP] = step_exp,           [KD_PW_EXPM1] = step_expm1, [KD_PW_LOG] = step_log,
      [KD_PW_LOG1P] = step_log1p,       [KD_PW_TANH] = step_tanh,   [KD_PW_SIGMOID] = step_sigmoid,
      [KD_PW_SOFTPLUS] = step_softplus, [KD_PW_ERF] = step_erf,     [KD_PW_SIN] = step_sin,
      [KD_PW_COS] = step_cos,           [KD_PW_POW] = step_pow,
  };
  return table[op];
}
