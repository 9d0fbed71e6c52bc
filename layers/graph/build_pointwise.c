/* Builders of pointwise nodes: one step each; fusion makes longer programs later. Constant operands become
 * CONST steps of the program instead of inputs, and trivial arithmetic is not emitted at all. */
#include <math.h>

#include "layers/graph/graph.h"

static kd_sym emit_constant(kd_graph *g, kd_shape shape, float value) {
  kd_pointwise_attr attr = {.n_steps = 1, .n_outputs = 1, .shape = shape};
  attr.step[0] = (kd_pw_step){.op = KD_PW_CONST, .imm.value = value};
  return kd_append(g, KD_OP_POINTWISE, &attr, 0, NULL, NULL);
}

kd_sym kd_const(kd_graph *g, double value) {
  return emit_constant(g, KD_SCALAR, (float)value);
}

kd_sym kd_full(kd_graph *g, kd_shape shape, double value) {
  return emit_constant(g, shape, (float)value);
}

/* Operand numbers of the one step: inputs first (equal tensors once), then the constants' steps. */
static void place_operands(kd_graph *g, kd_pointwise_attr *attr, kd_pw_step *last, int count, const kd_sym *x,
                           kd_sym *inputs) {
  float value;
  for (int i = 0; i < count; i++) {
    if (kd_sym_constant(g, x[i], &value)) continue;
    int at = 0;
    while (at < attr->n_inputs && inputs[at] != x[i]) at++;
    if (at == attr->n_inputs) inputs[attr->n_inputs++] = x[i];
    last->arg[i] = (uint8_t)at;
  }
  for (int i = 0; i < count; i++) {
    if (!kd_sym_constant(g, x[i], &value)) continue;
    last->arg[i] = (uint8_t)(attr->n_inputs + attr->n_steps);
    attr->step[attr->n_steps++] = (kd_pw_step){.op = KD_PW_CONST, .imm.value = value};
  }
}

static kd_sym emit(kd_graph *g, kd_pw op, int count, const kd_sym *x, kd_dtype dtype) {
  kd_pointwise_attr attr = {.n_outputs = 1, .output_dtype = {dtype}};
  for (int i = 0; i < count; i++) {
    if (x[i] == KD_NO_SYM)
      return g->status == KD_OK ? kd_graph_fail(g, "operand %d of %s is missing", i, kd_pw_name(op))
                                : KD_NO_SYM;
    const kd_shape *shape = kd_sym_shape(g, x[i]);
    char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
    kd_shape common;
    if (!kd_shape_broadcast(&attr.shape, shape, &common))
      return kd_graph_fail(g, "%s of shapes %s and %s: they do not broadcast", kd_pw_name(op),
                           kd_shape_text(&attr.shape, a), kd_shape_text(shape, b));
    attr.shape = common;
  }
  kd_sym inputs[3];
  kd_pw_step last = {.op = (uint8_t)op};
  place_operands(g, &attr, &last, count, x, inputs);
  attr.output[0] = (uint8_t)(attr.n_inputs + attr.n_steps);
  attr.step[attr.n_steps++] = last;
  return kd_append(g, KD_OP_POINTWISE, &attr, attr.n_inputs, inputs, NULL);
}

static bool fold_unary(kd_pw op, float a, float *y) {
  switch (op) {
  case KD_PW_COPY:
    *y = a;
    return true;
  case KD_PW_NEG:
    *y = -a;
    return true;
  case KD_PW_ABS:
    *y = fabsf(a);
    return true;
  case KD_PW_SQUARE:
    *y = a * a;
    return true;
  case KD_PW_SQRT:
    *y = sqrtf(a);
    return true;
  case KD_PW_RECIP:
    *y = 1.0f / a;
    return true;
  default:
    return false;
  }
}

static bool fold_binary(kd_pw op, float a, float b, float *y) {
  switch (op) {
  case KD_PW_ADD:
    *y = a + b;
    return true;
  case KD_PW_SUB:
    *y = a - b;
    return true;
  case KD_PW_MUL:
    *y = a * b;
    return true;
  case KD_PW_DIV:
    *y = a / b;
    return true;
  case KD_PW_POW:
    *y = powf(a, b);
    return true;
  default:
    return false;
  }
}

/* A constant with the broadcast shape of its operands. */
static kd_sym constant_like(kd_graph *g, kd_sym a, kd_sym b, float value) {
  kd_shape shape;
  if (!kd_shape_broadcast(kd_sym_shape(g, a), kd_sym_shape(g, b), &shape)) return KD_NO_SYM;
  return emit_constant(g, shape, value);
}

/* Results are float32 but for steps of a tensor in a half type that lose nothing by staying in it: those that
 * give one of their operands, and those whose gradient is made of the result, which is kept. */
static bool stays_half(kd_pw op) {
  return op == KD_PW_RELU || op == KD_PW_TANH || op == KD_PW_SIGMOID;
}

static kd_dtype unary_type(const kd_graph *g, kd_pw op, kd_sym x) {
  kd_dtype type = kd_sym_get(g, x)->dtype;
  return kd_dtype_is_half(type) && stays_half(op) ? type : KD_F32;
}

kd_sym kd_unary(kd_graph *g, kd_pw op, kd_sym x) {
  float a, y;
  if (kd_sym_constant(g, x, &a) && fold_unary(op, a, &y)) return emit_constant(g, *kd_sym_shape(g, x), y);
  return emit(g, op, 1, &x, unary_type(g, op, x));
}

/* True when `x op c` is x itself, with c on the right. */
static bool is_neutral_right(kd_pw op, float c) {
  switch (op) {
  case KD_PW_ADD:
  case KD_PW_SUB:
    return c == 0;
  case KD_PW_MUL:
  case KD_PW_DIV:
  case KD_PW_POW:
    return c == 1;
  default:
    return false;
  }
}

static bool is_neutral_left(kd_pw op, float c) {
  return (op == KD_PW_ADD || op == KD_PW_MUL) && is_neutral_right(op, c);
}

/* The operand that `a op b` equals, or KD_NO_SYM. The result must have the shape of that operand. */
static kd_sym neutral_operand(const kd_graph *g, kd_pw op, kd_sym a, kd_sym b) {
  float c;
  kd_sym kept = KD_NO_SYM;
  if (kd_sym_constant(g, b, &c) && is_neutral_right(op, c))
    kept = a;
  else if (kd_sym_constant(g, a, &c) && is_neutral_left(op, c))
    kept = b;
  kd_shape shape;
  bool fits = kept != KD_NO_SYM && kd_shape_broadcast(kd_sym_shape(g, a), kd_sym_shape(g, b), &shape) &&
              kd_shape_equal(&shape, kd_sym_shape(g, kept));
  return fits ? kept : KD_NO_SYM;
}

kd_sym kd_binary(kd_graph *g, kd_pw op, kd_sym a, kd_sym b) {
  float ca, cb, y;
  bool const_a = kd_sym_constant(g, a, &ca), const_b = kd_sym_constant(g, b, &cb);
  if (const_a && const_b && fold_binary(op, ca, cb, &y)) {
    kd_sym folded = constant_like(g, a, b, y);
    if (folded != KD_NO_SYM) return folded;
  }
  kd_sym kept = neutral_operand(g, op, a, b);
  if (kept != KD_NO_SYM) return kd_cast(g, kept, KD_F32);
  if (op == KD_PW_POW && const_b && kd_sym_shape(g, b)->rank == 0) {
    if (cb == 2) return kd_unary(g, KD_PW_SQUARE, a);
    if (cb == 0.5f) return kd_unary(g, KD_PW_SQRT, a);
    if (cb == -1) return kd_unary(g, KD_PW_RECIP, a);
  }
  return emit(g, op, 2, (kd_sym[]){a, b}, KD_F32);
}

static kd_dtype select_type(const kd_graph *g, kd_sym yes, kd_sym no) {
  float other;
  kd_dtype type = kd_sym_get(g, yes)->dtype;
  bool same = kd_sym_get(g, no)->dtype == type || (kd_sym_constant(g, no, &other) && other == 0);
  return kd_dtype_is_half(type) && same ? type : KD_F32;
}

kd_sym kd_select(kd_graph *g, kd_sym condition, kd_sym yes, kd_sym no) {
  return emit(g, KD_PW_SELECT, 3, (kd_sym[]){condition, yes, no}, select_type(g, yes, no));
}

kd_sym kd_cast(kd_graph *g, kd_sym x, kd_dtype dtype) {
  if (x != KD_NO_SYM && kd_sym_get(g, x)->dtype == dtype) return x;
  return emit(g, KD_PW_COPY, 1, &x, dtype);
}

/* The shape with the rows of a sample joined to the next axis: draws count samples along the first axis. */
static kd_shape by_sample(kd_shape shape, int64_t rows_per_sample) {
  kd_shape folded = shape;
  if (folded.rank < 2) folded.dim[folded.rank++] = 1;
  folded.dim[0] /= rows_per_sample;
  folded.dim[1] *= rows_per_sample;
  return folded;
}

static kd_sym emit_random(kd_graph *g, kd_pw op, kd_sym rng, kd_shape shape) {
  if (g->rows_per_sample > 1) {
    int64_t rows = g->rows_per_sample;
    g->rows_per_sample = 0;
    kd_sym drawn = emit_random(g, op, rng, by_sample(shape, rows));
    g->rows_per_sample = rows;
    return kd_reshape(g, drawn, shape);
  }
  kd_pointwise_attr attr = {.n_inputs = 1, .n_steps = 1, .n_outputs = 1, .shape = shape, .output = {1}};
  attr.step[0] = (kd_pw_step){.op = (uint8_t)op, .imm.node = g->next_random++};
  return kd_append(g, KD_OP_POINTWISE, &attr, 1, &rng, NULL);
}

kd_sym kd_uniform(kd_graph *g, kd_sym rng, kd_shape shape) {
  return emit_random(g, KD_PW_UNIFORM, rng, shape);
}

kd_sym kd_normal(kd_graph *g, kd_sym rng, kd_shape shape) {
  return emit_random(g, KD_PW_NORMAL, rng, shape);
}
