/* Gradients of the single pointwise steps. Forms that use the result y are preferred, since y is often kept
 * anyway. Ties follow JAX: max and min give each of two equal operands half, relu gives 0 at 0; abs gives 0
 * at 0 as TensorFlow does. Steps that are constant almost everywhere have no gradient. */
#include <math.h>

#include "layers/op/pointwise.h"

static kd_sym one_minus(kd_graph *g, kd_sym x) {
  return kd_sub(g, kd_const(g, 1), x);
}

/* The factor dy/dx of a step with one operand; KD_NO_SYM: the gradient is 0. */
static kd_sym unary_factor(kd_graph *g, kd_pw op, kd_sym x, kd_sym y) {
  switch (op) {
  case KD_PW_ABS:
    return kd_unary(g, KD_PW_SIGN, x);
  case KD_PW_SQUARE:
    return kd_scale(g, x, 2);
  case KD_PW_SQRT:
    return kd_div(g, kd_const(g, 0.5), y);
  case KD_PW_RSQRT:
    return kd_scale(g, kd_mul(g, y, kd_unary(g, KD_PW_SQUARE, y)), -0.5);
  case KD_PW_RECIP:
    return kd_unary(g, KD_PW_NEG, kd_unary(g, KD_PW_SQUARE, y));
  case KD_PW_EXP:
    return y;
  case KD_PW_EXPM1:
    return kd_shift(g, y, 1);
  case KD_PW_LOG:
    return kd_unary(g, KD_PW_RECIP, x);
  case KD_PW_LOG1P:
    return kd_unary(g, KD_PW_RECIP, kd_shift(g, x, 1));
  case KD_PW_TANH:
    return one_minus(g, kd_unary(g, KD_PW_SQUARE, y));
  case KD_PW_SIGMOID:
    return kd_mul(g, y, one_minus(g, y));
  case KD_PW_SOFTPLUS:
    return kd_unary(g, KD_PW_SIGMOID, x);
  case KD_PW_ERF:
    return kd_scale(g, kd_unary(g, KD_PW_EXP, kd_unary(g, KD_PW_NEG, kd_unary(g, KD_PW_SQUARE, x))),
                    M_2_SQRTPI);
  case KD_PW_SIN:
    return kd_unary(g, KD_PW_COS, x);
  case KD_PW_COS:
    return kd_unary(g, KD_PW_NEG, kd_unary(g, KD_PW_SIN, x));
  default:
    return KD_NO_SYM;
  }
}

static kd_sym unary_grad(kd_graph *g, kd_pw op, kd_sym x, kd_sym y, kd_sym dy) {
  switch (op) {
  case KD_PW_COPY:
  case KD_PW_TO_BF16:
  case KD_PW_TO_F16:
    return dy;
  case KD_PW_NEG:
    return kd_unary(g, KD_PW_NEG, dy);
  case KD_PW_RELU:
    return kd_select(g, y, dy, kd_const(g, 0)); /* y is 0 exactly where the gradient is */
  default:
    break;
  }
  kd_sym factor = unary_factor(g, op, x, y);
  return factor == KD_NO_SYM ? KD_NO_SYM : kd_mul(g, dy, factor);
}

/* The share of dy that goes to operand `self` of max or min: all, half of a tie, nothing. */
static kd_sym extremum_grad(kd_graph *g, kd_pw op, kd_sym self, kd_sym other, kd_sym dy) {
  kd_sym wins = op == KD_PW_MAX ? kd_binary(g, KD_PW_LT, other, self) : kd_binary(g, KD_PW_LT, self, other);
  kd_sym tie = kd_select(g, kd_binary(g, KD_PW_EQ, self, other), kd_scale(g, dy, 0.5), kd_const(g, 0));
  return kd_select(g, wins, dy, tie);
}

/* d(a^b)/da = b a^(b-1), and 0 where b is 0 (a^-1 may be infinite there). */
static kd_sym pow_grad_base(kd_graph *g, kd_sym a, kd_sym b, kd_sym dy) {
  float constant;
  kd_sym slope = kd_mul(g, b, kd_binary(g, KD_PW_POW, a, kd_shift(g, b, -1)));
  if (!kd_sym_constant(g, b, &constant) || constant == 0) slope = kd_select(g, b, slope, kd_const(g, 0));
  return kd_mul(g, dy, slope);
}

/* d(a^b)/db = a^b log(a), and 0 where a <= 0: a^b is not differentiable in b there (TensorFlow's choice). */
static kd_sym pow_grad_exponent(kd_graph *g, kd_sym a, kd_sym y, kd_sym dy) {
  kd_sym zero = kd_const(g, 0);
  kd_sym slope = kd_mul(g, y, kd_unary(g, KD_PW_LOG, a));
  return kd_mul(g, dy, kd_select(g, kd_binary(g, KD_PW_LT, zero, a), slope, zero));
}

static kd_sym floored_quotient(kd_graph *g, kd_sym a, kd_sym b) {
  return kd_unary(g, KD_PW_FLOOR, kd_div(g, a, b));
}

static kd_sym grad_of_first(kd_graph *g, kd_pw op, const kd_sym *x, kd_sym dy) {
  switch (op) {
  case KD_PW_ADD:
  case KD_PW_SUB:
  case KD_PW_MOD:
    return dy;
  case KD_PW_MUL:
  case KD_PW_FMA:
    return kd_mul(g, dy, x[1]);
  case KD_PW_DIV:
    return kd_div(g, dy, x[1]);
  case KD_PW_MAX:
  case KD_PW_MIN:
    return extremum_grad(g, op, x[0], x[1], dy);
  case KD_PW_POW:
    return pow_grad_base(g, x[0], x[1], dy);
  default:
    return KD_NO_SYM;
  }
}

static kd_sym grad_of_second(kd_graph *g, kd_pw op, const kd_sym *x, kd_sym y, kd_sym dy) {
  switch (op) {
  case KD_PW_ADD:
    return dy;
  case KD_PW_SUB:
    return kd_unary(g, KD_PW_NEG, dy);
  case KD_PW_MUL:
  case KD_PW_FMA:
    return kd_mul(g, dy, x[0]);
  case KD_PW_DIV:
    return kd_unary(g, KD_PW_NEG, kd_div(g, kd_mul(g, dy, y), x[1]));
  case KD_PW_MAX:
  case KD_PW_MIN:
    return extremum_grad(g, op, x[1], x[0], dy);
  case KD_PW_POW:
    return pow_grad_exponent(g, x[0], y, dy);
  case KD_PW_MOD:
    return kd_unary(g, KD_PW_NEG, kd_mul(g, dy, floored_quotient(g, x[0], x[1])));
  case KD_PW_SELECT:
    return kd_select(g, x[0], dy, kd_const(g, 0));
  default:
    return KD_NO_SYM;
  }
}

static kd_sym grad_of_third(kd_graph *g, kd_pw op, const kd_sym *x, kd_sym dy) {
  return op == KD_PW_FMA ? dy : kd_select(g, x[0], kd_const(g, 0), dy);
}

void kd_pw_step_grad(kd_graph *g, kd_pw op, const kd_sym *x, kd_sym y, kd_sym dy, const bool *wanted,
                     kd_sym *dx) {
  int operands = kd_pw_operands(op);
  if (operands >= 1 && wanted[0])
    dx[0] = operands == 1 ? unary_grad(g, op, x[0], y, dy) : grad_of_first(g, op, x, dy);
  if (operands >= 2 && wanted[1]) dx[1] = grad_of_second(g, op, x, y, dy);
  if (operands >= 3 && wanted[2]) dx[2] = grad_of_third(g, op, x, dy);
}
