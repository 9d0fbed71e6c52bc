/* Pointwise programs, step by step. */
#include "io/onnx/form.h"

/* --- steps that ONNX has no operator for ----------------------------------------------------------- */

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

/* For floats Mod of ONNX is fmod of C, whose sign is that of a; the sign of b is wanted. */
static kd_onnx_value mod_of(kd_onnx *x, kd_onnx_value a, kd_onnx_value b) {
  kd_onnx_value rest = KD_ONNX(x, "Mod", a, b);
  kd_onnx_set_int(x, "fmod", 1);
  kd_onnx_value zero = kd_onnx_float(x, 0);
  kd_onnx_value wrong = KD_ONNX(x, "Less", KD_ONNX(x, "Mul", rest, b), zero);
  return KD_ONNX(x, "Where", wrong, KD_ONNX(x, "Add", rest, b), rest);
}

static kd_onnx_value both_of(kd_onnx *x, const char *type, kd_onnx_value a, kd_onnx_value b) {
  kd_onnx_value left = kd_onnx_truth(x, a), right = kd_onnx_truth(x, b);
  return kd_onnx_number(x, KD_ONNX(x, type, left, right));
}

/* --- all steps ------------------------------------------------------------------------------------- */

/* The operator that is the step; NULL: there is none. Every step stands here, so that the compiler misses a
 * new one. */
static const char *operator_of(kd_pw op) {
  switch (op) {
  case KD_PW_NEG:
    return "Neg";
  case KD_PW_ABS:
    return "Abs";
  case KD_PW_SIGN:
    return "Sign";
  case KD_PW_SQRT:
    return "Sqrt";
  case KD_PW_RECIP:
    return "Reciprocal";
  case KD_PW_EXP:
    return "Exp";
  case KD_PW_LOG:
    return "Log";
  case KD_PW_TANH:
    return "Tanh";
  case KD_PW_SIGMOID:
    return "Sigmoid";
  case KD_PW_ERF:
    return "Erf";
  case KD_PW_SIN:
    return "Sin";
  case KD_PW_COS:
    return "Cos";
  case KD_PW_FLOOR:
    return "Floor";
  case KD_PW_ROUND:
    return "Round";
  case KD_PW_RELU:
    return "Relu";
  case KD_PW_SOFTPLUS:
    return "Softplus";
  case KD_PW_ADD:
    return "Add";
  case KD_PW_SUB:
    return "Sub";
  case KD_PW_MUL:
    return "Mul";
  case KD_PW_DIV:
    return "Div";
  case KD_PW_MAX:
    return "Max";
  case KD_PW_MIN:
    return "Min";
  case KD_PW_POW:
    return "Pow";
  case KD_PW_SELECT:
  case KD_PW_LT:
  case KD_PW_LE:
  case KD_PW_EQ:
  case KD_PW_AND:
  case KD_PW_OR:
  case KD_PW_NOT:
  case KD_PW_FINITE:
  case KD_PW_COPY:
  case KD_PW_TO_BF16:
  case KD_PW_TO_F16:
  case KD_PW_SQUARE:
  case KD_PW_RSQRT:
  case KD_PW_EXPM1:
  case KD_PW_LOG1P:
  case KD_PW_MOD:
  case KD_PW_FMA:
  case KD_PW_CONST:
  case KD_PW_UNIFORM:
  case KD_PW_NORMAL:
  case KD_N_PW:
    break;
  }
  return NULL;
}

static kd_onnx_value composed(kd_onnx *x, const kd_pw_step *step, const kd_onnx_value *a) {
  switch (step->op) {
  case KD_PW_CONST:
    return kd_onnx_float(x, step->imm.value);
  case KD_PW_SQUARE:
    return KD_ONNX(x, "Mul", a[0], a[0]);
  case KD_PW_RSQRT:
    return KD_ONNX(x, "Reciprocal", KD_ONNX(x, "Sqrt", a[0]));
  case KD_PW_EXPM1:
    return expm1_of(x, a[0]);
  case KD_PW_LOG1P:
    return log1p_of(x, a[0]);
  case KD_PW_MOD:
    return mod_of(x, a[0], a[1]);
  case KD_PW_FMA:
    return KD_ONNX(x, "Add", KD_ONNX(x, "Mul", a[0], a[1]), a[2]);
  case KD_PW_NOT:
    return kd_onnx_number(x, KD_ONNX(x, "Not", kd_onnx_truth(x, a[0])));
  case KD_PW_FINITE:
    return kd_onnx_number(x, finite_of(x, a[0]));
  case KD_PW_LT:
    return kd_onnx_number(x, KD_ONNX(x, "Less", a[0], a[1]));
  case KD_PW_LE:
    return kd_onnx_number(x, KD_ONNX(x, "LessOrEqual", a[0], a[1]));
  case KD_PW_EQ:
    return kd_onnx_number(x, KD_ONNX(x, "Equal", a[0], a[1]));
  case KD_PW_AND:
    return both_of(x, "And", a[0], a[1]);
  case KD_PW_OR:
    return both_of(x, "Or", a[0], a[1]);
  case KD_PW_SELECT:
    return KD_ONNX(x, "Where", kd_onnx_truth(x, a[0]), a[1], a[2]);
  case KD_PW_COPY:
  case KD_PW_TO_BF16: /* everything is float32 */
  case KD_PW_TO_F16:
    return a[0];
  default:
    return 0;
  }
}

static kd_onnx_value take_step(kd_onnx *x, const kd_pw_step *step, const kd_onnx_value *operand) {
  kd_onnx_value a[3] = {operand[step->arg[0]], operand[step->arg[1]], operand[step->arg[2]]};
  const char *type = operator_of((kd_pw)step->op);
  return type ? kd_onnx_call(x, type, kd_pw_operands((kd_pw)step->op), a) : composed(x, step, a);
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
  kd_onnx_value operand[KD_MAX_INPUTS + KD_MAX_STEPS] = {0};
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
