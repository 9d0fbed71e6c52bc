/* Pointwise programs, step by step. */
#include "io/onnx/form.h"

/* --- steps of one operand -------------------------------------------------------------------------- */

/* exp(a) - 1 loses all digits near 0; tanh(a / 2) (exp(a) + 1) is the same and does not. It is inf * 1 where
 * exp is. */
static kd_onnx_value expm1_of(kd_onnx *x, kd_onnx_value a) {
  kd_onnx_value half = KD_ONNX(x, "Tanh", KD_ONNX(x, "Mul", a, kd_onnx_float(x, 0.5f)));
  return KD_ONNX(x, "Mul", half, KD_ONNX(x, "Add", KD_ONNX(x, "Exp", a), kd_onnx_float(x, 1)));
}

/* log(1 + a) with the rounding of 1 + a made good (Kahan): log(u) a / (u - 1), and a where u is 1. */
static kd_onnx_value log1p_of(kd_onnx *x, kd_onnx_value a) {
  kd_onnx_value one = kd_onnx_float(x, 1), u = KD_ONNX(x, "Add", a, one);
  kd_onnx_value same = KD_ONNX(x, "Equal", u, one), log = KD_ONNX(x, "Log", u);
  kd_onnx_value far = KD_ONNX(x, "IsInf", u);
  kd_onnx_value grown = KD_ONNX(x, "Where", same, one, KD_ONNX(x, "Sub", u, one));
  kd_onnx_value good = KD_ONNX(x, "Mul", log, KD_ONNX(x, "Div", a, grown));
  return KD_ONNX(x, "Where", far, log, KD_ONNX(x, "Where", same, a, good));
}

static kd_onnx_value finite_of(kd_onnx *x, kd_onnx_value a) {
  kd_onnx_value bad = KD_ONNX(x, "Or", KD_ONNX(x, "IsNaN", a), KD_ONNX(x, "IsInf", a));
  return KD_ONNX(x, "Not", bad);
}

static const char *const unary_name[KD_N_PW] = {
    [KD_PW_NEG] = "Neg",          [KD_PW_ABS] = "Abs",          [KD_PW_SIGN] = "Sign",
    [KD_PW_SQRT] = "Sqrt",        [KD_PW_RECIP] = "Reciprocal", [KD_PW_EXP] = "Exp",
    [KD_PW_LOG] = "Log",          [KD_PW_TANH] = "Tanh",        [KD_PW_SIGMOID] = "Sigmoid",
    [KD_PW_ERF] = "Erf",          [KD_PW_SIN] = "Sin",          [KD_PW_COS] = "Cos",
    [KD_PW_FLOOR] = "Floor",      [KD_PW_ROUND] = "Round",      [KD_PW_RELU] = "Relu",
    [KD_PW_SOFTPLUS] = "Softplus"};

static kd_onnx_value unary(kd_onnx *x, kd_pw op, kd_onnx_value a) {
  switch (op) {
  case KD_PW_COPY:
  case KD_PW_TO_BF16: /* everything is float32 */
  case KD_PW_TO_F16:
    return a;
  case KD_PW_SQUARE:
    return KD_ONNX(x, "Mul", a, a);
  case KD_PW_RSQRT:
    return KD_ONNX(x, "Reciprocal", KD_ONNX(x, "Sqrt", a));
  case KD_PW_EXPM1:
    return expm1_of(x, a);
  case KD_PW_LOG1P:
    return log1p_of(x, a);
  case KD_PW_NOT:
    return kd_onnx_number(x, KD_ONNX(x, "Not", kd_onnx_truth(x, a)));
  case KD_PW_FINITE:
    return kd_onnx_number(x, finite_of(x, a));
  default:
    return unary_name[op] ? KD_ONNX(x, unary_name[op], a) : 0;
  }
}

/* --- steps of two operands and more ---------------------------------------------------------------- */

static const char *const binary_name[KD_N_PW] = {
    [KD_PW_ADD] = "Add", [KD_PW_SUB] = "Sub", [KD_PW_MUL] = "Mul", [KD_PW_DIV] = "Div",
    [KD_PW_MAX] = "Max", [KD_PW_MIN] = "Min", [KD_PW_POW] = "Pow"};

static const char *const truth_name[KD_N_PW] = {
    [KD_PW_LT] = "Less", [KD_PW_LE] = "LessOrEqual", [KD_PW_EQ] = "Equal"};

/* For floats Mod of ONNX is fmod of C, whose sign is that of a; the sign of b is wanted. */
static kd_onnx_value mod_of(kd_onnx *x, kd_onnx_value a, kd_onnx_value b) {
  kd_onnx_value rest = KD_ONNX(x, "Mod", a, b);
  kd_onnx_set_int(x, "fmod", 1);
  kd_onnx_value zero = kd_onnx_float(x, 0);
  kd_onnx_value wrong = KD_ONNX(x, "Less", KD_ONNX(x, "Mul", rest, b), zero);
  return KD_ONNX(x, "Where", wrong, KD_ONNX(x, "Add", rest, b), rest);
}

static kd_onnx_value binary(kd_onnx *x, kd_pw op, kd_onnx_value a, kd_onnx_value b) {
  if (binary_name[op]) return KD_ONNX(x, binary_name[op], a, b);
  if (truth_name[op]) return kd_onnx_number(x, KD_ONNX(x, truth_name[op], a, b));
  if (op == KD_PW_MOD) return mod_of(x, a, b);
  if (op != KD_PW_AND && op != KD_PW_OR) return 0;
  kd_onnx_value left = kd_onnx_truth(x, a), right = kd_onnx_truth(x, b);
  return kd_onnx_number(x, KD_ONNX(x, op == KD_PW_AND ? "And" : "Or", left, right));
}

static kd_onnx_value ternary(kd_onnx *x, kd_pw op, const kd_onnx_value *a) {
  if (op == KD_PW_FMA) return KD_ONNX(x, "Add", KD_ONNX(x, "Mul", a[0], a[1]), a[2]);
  return op == KD_PW_SELECT ? KD_ONNX(x, "Where", kd_onnx_truth(x, a[0]), a[1], a[2]) : 0;
}

static kd_onnx_value take_step(kd_onnx *x, const kd_pw_step *step, const kd_onnx_value *operand) {
  kd_pw op = (kd_pw)step->op;
  kd_onnx_value a[3] = {operand[step->arg[0]], operand[step->arg[1]], operand[step->arg[2]]};
  switch (kd_pw_operands(op)) {
  case 0:
    return kd_onnx_float(x, step->imm.value);
  case 1:
    return unary(x, op, a[0]);
  case 2:
    return binary(x, op, a[0], a[1]);
  default:
    return ternary(x, op, a);
  }
}

/* --- programs -------------------------------------------------------------------------------------- */

/* Constants that are made of sizes (one over a number of steps) would be wrong for others. */
static kd_status check_steps(const kd_onnx *x, const kd_pointwise_attr *attr,
                             const kd_pointwise_attr *other) {
  for (int i = 0; i < attr->n_steps; i++) {
    if (attr->step[i].op == KD_PW_UNIFORM || attr->step[i].op == KD_PW_NORMAL)
      return kd_onnx_refuse(x, "it draws random numbers; leave out training = true");
    if (attr->step[i].op == KD_PW_CONST && attr->step[i].imm.value != other->step[i].imm.value)
      return kd_onnx_refuse(x, "a constant depends on a variable size; give the inputs fixed sizes");
  }
  return KD_OK;
}

/* Programs on images stay where convolutions are. */
static bool prefers_first(const kd_onnx *x, const kd_node *node, int rank) {
  for (int i = 0; i < node->n_inputs; i++)
    if (kd_sym_shape(x->graph, node->input[i])->rank == rank && kd_onnx_is_first(x, node->input[i]))
      return true;
  return false;
}

/* What the inputs give together has smaller axes than the program where it is made of constants. */
static bool spans(const kd_onnx *x, const kd_node *node) {
  kd_shape common = KD_SCALAR;
  for (int i = 0; i < node->n_inputs; i++)
    kd_shape_broadcast(&common, kd_sym_shape(x->graph, node->input[i]), &common);
  return kd_shape_equal(&common, kd_sym_shape(x->graph, node->output[0]));
}

static kd_status give_result(kd_onnx *x, const kd_node *node, int output, bool first, kd_onnx_value v,
                             bool whole) {
  kd_onnx_size size[KD_MAX_RANK];
  int rank = kd_onnx_sizes_in(x, node->output[output], first, size);
  if (!whole) {
    kd_onnx_value shape;
    KD_TRY(kd_onnx_shape_value(x, rank, size, &shape));
    v = KD_ONNX(x, "Expand", v, shape);
  }
  kd_onnx_type type = kd_onnx_type_of(kd_sym_get(x->graph, node->output[output])->dtype);
  if (type != KD_ONNX_FLOAT) v = kd_onnx_cast(x, v, type);
  kd_onnx_put_in(x, node->output[output], first, v);
  return KD_OK;
}

/* The same type from end to end needs no cast to float and back. */
static bool only_casts(const kd_onnx *x, const kd_node *node) {
  const kd_pointwise_attr *attr = node->attr;
  return attr->n_steps == 1 && attr->step[0].op == KD_PW_COPY && spans(x, node);
}

static void give_cast(kd_onnx *x, const kd_node *node, bool first) {
  kd_onnx_type from = kd_onnx_type_of(kd_sym_get(x->graph, node->input[0])->dtype);
  kd_onnx_type to = kd_onnx_type_of(kd_sym_get(x->graph, node->output[0])->dtype);
  kd_onnx_value v = kd_onnx_get_in(x, node->input[0], first);
  kd_onnx_put_in(x, node->output[0], first, from == to ? v : kd_onnx_cast(x, v, to));
}

kd_status kd_form_pointwise(kd_onnx *x, const kd_node *node, const kd_node *other) {
  const kd_pointwise_attr *attr = node->attr;
  kd_onnx_value operand[KD_MAX_INPUTS + KD_MAX_STEPS];
  int rank = kd_sym_shape(x->graph, node->output[0])->rank;
  bool first = prefers_first(x, node, rank), whole = spans(x, node);
  KD_TRY(check_steps(x, attr, other->attr));
  if (only_casts(x, node)) {
    give_cast(x, node, first);
    return KD_OK;
  }
  for (int i = 0; i < node->n_inputs; i++) operand[i] = kd_onnx_get_operand(x, node->input[i], first, rank);
  for (int s = 0; s < attr->n_steps; s++) {
    kd_onnx_value v = take_step(x, &attr->step[s], operand);
    if (!v) return kd_onnx_refuse(x, "step %s", kd_pw_name((kd_pw)attr->step[s].op));
    operand[node->n_inputs + s] = v;
  }
  for (int i = 0; i < node->n_outputs; i++)
    KD_TRY(give_result(x, node, i, first, operand[attr->output[i]], whole));
  return KD_OK;
}
