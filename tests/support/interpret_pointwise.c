/* Pointwise programs, element by element. */
#include <math.h>

#include "device/base/rng.h"
#include "support/interpret_call.h"

static double unary(kd_pw op, double a) {
  switch (op) {
  case KD_PW_COPY:
    return a;
  case KD_PW_NEG:
    return -a;
  case KD_PW_ABS:
    return fabs(a);
  case KD_PW_SIGN:
    return a > 0 ? 1 : a < 0 ? -1 : a;
  case KD_PW_SQUARE:
    return a * a;
  case KD_PW_SQRT:
    return sqrt(a);
  case KD_PW_RSQRT:
    return 1 / sqrt(a);
  case KD_PW_RECIP:
    return 1 / a;
  case KD_PW_EXP:
    return exp(a);
  case KD_PW_EXPM1:
    return expm1(a);
  case KD_PW_LOG:
    return log(a);
  case KD_PW_LOG1P:
    return log1p(a);
  case KD_PW_TANH:
    return tanh(a);
  case KD_PW_SIGMOID:
    return 1 / (1 + exp(-a));
  case KD_PW_SOFTPLUS:
    return log1p(exp(-fabs(a))) + (a > 0 ? a : 0);
  case KD_PW_ERF:
    return erf(a);
  case KD_PW_SIN:
    return sin(a);
  case KD_PW_COS:
    return cos(a);
  case KD_PW_FLOOR:
    return floor(a);
  case KD_PW_ROUND:
    return rint(a);
  case KD_PW_RELU:
    return a > 0 ? a : isnan(a) ? a : 0;
  case KD_PW_NOT:
    return a == 0;
  case KD_PW_FINITE:
    return isfinite(a);
  case KD_PW_TO_BF16:
    return round_to(KD_BF16, a);
  case KD_PW_TO_F16:
    return round_to(KD_F16, a);
  default:
    return NAN;
  }
}

static double floored_mod(double a, double b) {
  double rest = fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static double binary(kd_pw op, double a, double b) {
  switch (op) {
  case KD_PW_ADD:
    return a + b;
  case KD_PW_SUB:
    return a - b;
  case KD_PW_MUL:
    return a * b;
  case KD_PW_DIV:
    return a / b;
  case KD_PW_MAX:
    return isnan(a) || isnan(b) ? NAN : a > b ? a : b;
  case KD_PW_MIN:
    return isnan(a) || isnan(b) ? NAN : a < b ? a : b;
  case KD_PW_POW:
    return pow(a, b);
  case KD_PW_MOD:
    return floored_mod(a, b);
  case KD_PW_LT:
    return a < b;
  case KD_PW_LE:
    return a <= b;
  case KD_PW_EQ:
    return a == b;
  case KD_PW_AND:
    return a != 0 && b != 0;
  case KD_PW_OR:
    return a != 0 || b != 0;
  default:
    return NAN;
  }
}

/* Element `flat` of a draw: device/pointwise.h says which word of which block it is. */
static double random_number(const kd_pw_step *step, const kd_shape *shape, int64_t flat,
                            const double *words) {
  uint32_t rng[KD_RNG_WORDS];
  for (int i = 0; i < KD_RNG_WORDS; i++) rng[i] = (uint32_t)words[i];
  int64_t row_size = shape->rank ? kd_shape_span(shape, 1, shape->rank) : 1;
  int64_t row = flat / row_size, e = flat % row_size;
  kd_philox block = kd_philox_block((uint64_t)(e / 4), (uint64_t)rng[KD_RNG_SAMPLE] + (uint64_t)row,
                                    kd_rng_key(rng, step->imm.node));
  if (step->op == KD_PW_UNIFORM) return (double)kd_uniform_f32(block.v[e % 4]);
  int pair = (int)(e % 4) / 2 * 2;
  double u0 = (double)kd_uniform_f32(block.v[pair]), u1 = (double)kd_uniform_f32(block.v[pair + 1]);
  double radius = sqrt(-2 * log(1 - u0)), angle = 2 * M_PI * u1;
  return e % 2 == 0 ? radius * cos(angle) : radius * sin(angle);
}

static double step_value(const call *c, const kd_pw_step *step, int64_t flat, const double *operand) {
  const kd_pointwise_attr *attr = c->attr;
  double a = operand[step->arg[0]], b = operand[step->arg[1]], d = operand[step->arg[2]];
  switch (step->op) {
  case KD_PW_CONST:
    return (double)step->imm.value;
  case KD_PW_UNIFORM:
  case KD_PW_NORMAL:
    return random_number(step, &attr->shape, flat, c->x[step->arg[0]]);
  case KD_PW_SELECT:
    return a != 0 ? b : d;
  case KD_PW_FMA:
    return a * b + d;
  default:
    break;
  }
  return kd_pw_operands((kd_pw)step->op) == 1 ? unary((kd_pw)step->op, a) : binary((kd_pw)step->op, a, b);
}

static bool reads_random_words(const kd_pointwise_attr *attr, int input) {
  for (int s = 0; s < attr->n_steps; s++)
    if ((attr->step[s].op == KD_PW_UNIFORM || attr->step[s].op == KD_PW_NORMAL) &&
        attr->step[s].arg[0] == input)
      return true;
  return false;
}

void interpret_pointwise(const call *c) {
  const kd_pointwise_attr *attr = c->attr;
  for (int64_t flat = 0; flat < kd_shape_count(&attr->shape); flat++) {
    double operand[KD_MAX_INPUTS + KD_MAX_STEPS] = {0};
    cell at = cell_of(&attr->shape, flat);
    for (int i = 0; i < c->n_inputs; i++)
      if (!reads_random_words(attr, i))
        operand[i] = c->x[i][broadcast_flat(&c->x_shape[i], &attr->shape, &at)];
    for (int s = 0; s < attr->n_steps; s++)
      operand[c->n_inputs + s] = step_value(c, &attr->step[s], flat, operand);
    for (int i = 0; i < c->n_outputs; i++) c->y[i][flat] = operand[attr->output[i]];
  }
}
