/* Pointwise programs: the one primitive behind activations, losses, dropout, merges and optimizers.
 *
 * A program is a list of steps in static single assignment: operand numbers below n_inputs name inputs,
 * number n_inputs + i names the result of step i. All values are float32 while they are computed; inputs
 * and outputs are converted from and to their types. Every output has the program's full shape (the
 * broadcast of all inputs, or attr.shape). */
#ifndef KD_DEVICE_POINTWISE_H
#define KD_DEVICE_POINTWISE_H

#include "device/base/tensor.h"

enum { KD_MAX_INPUTS = 24, KD_MAX_OUTPUTS = 12, KD_MAX_STEPS = 96 };

/* KD_PW(ID, name, operands) */
#define KD_PW_LIST                                                                                           \
  KD_PW(COPY, copy, 1)                                                                                       \
  KD_PW(NEG, neg, 1)                                                                                         \
  KD_PW(ABS, abs, 1)                                                                                         \
  KD_PW(SIGN, sign, 1) /* -1, 0, 1 */                                                                        \
  KD_PW(SQUARE, square, 1)                                                                                   \
  KD_PW(SQRT, sqrt, 1)                                                                                       \
  KD_PW(RSQRT, rsqrt, 1)                                                                                     \
  KD_PW(RECIP, recip, 1)                                                                                     \
  KD_PW(EXP, exp, 1)                                                                                         \
  KD_PW(EXPM1, expm1, 1)                                                                                     \
  KD_PW(LOG, log, 1)                                                                                         \
  KD_PW(LOG1P, log1p, 1)                                                                                     \
  KD_PW(TANH, tanh, 1)                                                                                       \
  KD_PW(SIGMOID, sigmoid, 1)                                                                                 \
  KD_PW(SOFTPLUS, softplus, 1) /* log(1 + exp(x)), safe at both ends */                                      \
  KD_PW(ERF, erf, 1)                                                                                         \
  KD_PW(SIN, sin, 1)                                                                                         \
  KD_PW(COS, cos, 1)                                                                                         \
  KD_PW(FLOOR, floor, 1)                                                                                     \
  KD_PW(ROUND, round, 1) /* half to even */                                                                  \
  KD_PW(RELU, relu, 1)                                                                                       \
  KD_PW(NOT, not, 1)         /* 1 where x == 0, else 0 */                                                    \
  KD_PW(FINITE, finite, 1)   /* 1 where x is finite, else 0 */                                               \
  KD_PW(TO_BF16, to_bf16, 1) /* rounded to a value of the type, made by fusion; the gradient passes */       \
  KD_PW(TO_F16, to_f16, 1)                                                                                   \
  KD_PW(ADD, add, 2)                                                                                         \
  KD_PW(SUB, sub, 2)                                                                                         \
  KD_PW(MUL, mul, 2)                                                                                         \
  KD_PW(DIV, div, 2)                                                                                         \
  KD_PW(MAX, max, 2) /* a NaN in either operand gives NaN */                                                 \
  KD_PW(MIN, min, 2)                                                                                         \
  KD_PW(POW, pow, 2)                                                                                         \
  KD_PW(MOD, mod, 2) /* floored, sign of b */                                                                \
  KD_PW(LT, lt, 2)   /* comparisons give 1 or 0 */                                                           \
  KD_PW(LE, le, 2)                                                                                           \
  KD_PW(EQ, eq, 2)                                                                                           \
  KD_PW(AND, and, 2) /* both not 0 */                                                                        \
  KD_PW(OR, or, 2)                                                                                           \
  KD_PW(SELECT, select, 3) /* a != 0 ? b : c */                                                              \
  KD_PW(FMA, fma, 3)       /* a * b + c, made by fusion */                                                   \
  KD_PW(CONST, const, 0)   /* the step's immediate value */                                                  \
  KD_PW(UNIFORM, uniform, 1)                                                                                 \
  KD_PW(NORMAL, normal, 1)
/* UNIFORM, NORMAL: the operand must be an input: the uint32 rng tensor (device/base/rng.h), read as words and
 * never converted. The immediate is the node number. Element e of row r (axis 0 of the program's shape) is
 * drawn as word e % 4 of kd_philox_block(e / 4, rng[KD_RNG_SAMPLE] + r, kd_rng_key(rng, node)); e counts
 * the elements of one row. UNIFORM is kd_uniform_f32 of it; NORMAL is Box-Muller of words 2i and 2i+1 of the
 * block: sqrt(-2 log(1 - u0)) times cos (even e) or sin (odd e) of 2 pi u1. A rank-0 shape has one row. */

typedef enum kd_pw {
#define KD_PW(ID, name, operands) KD_PW_##ID,
  KD_PW_LIST
#undef KD_PW
      KD_N_PW
} kd_pw;

typedef struct kd_pw_step {
  uint8_t op;     /* kd_pw */
  uint8_t arg[3]; /* operand numbers; unused ones are 0 */
  union {
    float value;   /* CONST */
    uint32_t node; /* UNIFORM, NORMAL */
  } imm;
} kd_pw_step;

typedef struct kd_pointwise_attr {
  int n_inputs, n_steps, n_outputs;
  kd_shape shape;                 /* the program's shape */
  uint8_t output[KD_MAX_OUTPUTS]; /* operand number of each output */
  kd_dtype output_dtype[KD_MAX_OUTPUTS];
  kd_pw_step step[KD_MAX_STEPS];
} kd_pointwise_attr;

const char *kd_pw_name(kd_pw op);
int kd_pw_operands(kd_pw op);

#endif
