/* Rules of recurrent sequences. device/recurrent.h says what the operands are. States and results are float32
 * whatever the types of operands. */
#include "layers/op/rule.h"

typedef struct sizes {
  int64_t rows, steps, units, gates;
} sizes;

/* An optional operand has the wanted shape and a float type. */
static kd_status check_operand(const char *what, const kd_sym_info *const *x, int place, kd_shape wanted) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  if (place < 0) return KD_OK;
  KD_CHECK(kd_shape_equal(&x[place]->shape, &wanted) && kd_dtype_is_float(x[place]->dtype), KD_ERR_USAGE,
           "recurrent sequence: %s of shape %s and type %s, expected %s of floats", what,
           kd_shape_text(&x[place]->shape, a), kd_dtype_name(x[place]->dtype), kd_shape_text(&wanted, b));
  return KD_OK;
}

static kd_status check_count(const kd_recurrent_attr *attr, int n_inputs, int fixed, int optional) {
  for (int flag = KD_RNN_BIAS; flag <= KD_RNN_DROP; flag *= 2) fixed += (attr->flags & optional & flag) != 0;
  KD_CHECK(n_inputs == fixed, KD_ERR_INTERNAL, "recurrent sequence: %d operands, but its flags want %d",
           n_inputs, fixed);
  return KD_OK;
}

static kd_shape state_shape(const kd_recurrent_attr *attr, const sizes *n) {
  return KD_SHAPE(n->rows, n->units * kd_cell_states(attr->cell));
}

static kd_status read_kernel(const kd_recurrent_attr *attr, const kd_sym_info *kernel, sizes *n) {
  char text[KD_SHAPE_TEXT];
  n->gates = kd_cell_gates(attr->cell);
  KD_CHECK(kernel->shape.rank == 2 && kernel->shape.dim[1] == n->gates * kernel->shape.dim[0] &&
               kd_dtype_is_float(kernel->dtype),
           KD_ERR_USAGE, "recurrent sequence: kernel of shape %s and type %s for %d gates",
           kd_shape_text(&kernel->shape, text), kd_dtype_name(kernel->dtype), (int)n->gates);
  n->units = kernel->shape.dim[0];
  return KD_OK;
}

static void set(kd_sym_info *output, kd_shape shape) {
  output->dtype = KD_F32;
  output->shape = shape;
}

static kd_status recurrent_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x,
                                 kd_sym_info *y) {
  const kd_recurrent_attr *attr = attr_;
  int flags = attr->flags;
  char text[KD_SHAPE_TEXT];
  sizes n = {0};
  KD_TRY(check_count(attr, n_inputs, 2, KD_RNN_BIAS | KD_RNN_STATE | KD_RNN_MASK | KD_RNN_DROP));
  KD_CHECK(!(flags & KD_RNN_BIAS) || attr->cell == KD_CELL_GRU, KD_ERR_INTERNAL,
           "recurrent sequence: only the GRU has a recurrent bias");
  KD_TRY(read_kernel(attr, x[1], &n));
  const kd_shape *z = &x[0]->shape;
  KD_CHECK(z->rank == 3 && z->dim[2] == n.gates * n.units && kd_dtype_is_float(x[0]->dtype), KD_ERR_USAGE,
           "recurrent sequence: input projection of shape %s and type %s for %lld units and %lld gates",
           kd_shape_text(z, text), kd_dtype_name(x[0]->dtype), (long long)n.units, (long long)n.gates);
  n.rows = z->dim[0];
  n.steps = z->dim[1];
  KD_CHECK(n.rows > 0 && n.steps > 0 && n.units > 0, KD_ERR_USAGE,
           "recurrent sequence of shape %s: at least one row, step and unit are needed",
           kd_shape_text(z, text));
  KD_TRY(check_operand("bias", x, kd_recurrent_input(flags, KD_RNN_BIAS), KD_SHAPE(n.gates * n.units)));
  KD_TRY(check_operand("initial state", x, kd_recurrent_input(flags, KD_RNN_STATE), state_shape(attr, &n)));
  KD_TRY(check_operand("mask", x, kd_recurrent_input(flags, KD_RNN_MASK), KD_SHAPE(n.rows, n.steps)));
  KD_TRY(check_operand("recurrent dropout", x, kd_recurrent_input(flags, KD_RNN_DROP),
                       KD_SHAPE(n.rows, n.gates, n.units)));
  int64_t kept = flags & KD_RNN_KEEP ? n.steps : 1;
  set(&y[0], KD_SHAPE(n.rows, n.steps, n.units));
  set(&y[1], state_shape(attr, &n));
  set(&y[2], KD_SHAPE(kept, n.rows, n.units * kd_cell_saved(attr->cell)));
  set(&y[3], KD_SHAPE(n.rows, kept, n.units));
  return KD_OK;
}

static kd_status recurrent_grad_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x,
                                      kd_sym_info *y) {
  const kd_recurrent_attr *attr = attr_;
  int flags = attr->flags;
  char text[KD_SHAPE_TEXT];
  sizes n = {0};
  KD_TRY(
      check_count(attr, n_inputs, 3, KD_RNN_DY | KD_RNN_DSTATE | KD_RNN_STATE | KD_RNN_MASK | KD_RNN_DROP));
  KD_TRY(read_kernel(attr, x[0], &n));
  const kd_shape *before = &x[2]->shape;
  KD_CHECK(before->rank == 3 && before->dim[2] == n.units && kd_dtype_is_float(x[2]->dtype), KD_ERR_USAGE,
           "gradient of a recurrent sequence: states of shape %s for %lld units", kd_shape_text(before, text),
           (long long)n.units);
  n.rows = before->dim[0];
  n.steps = before->dim[1];
  KD_TRY(check_operand("saved values", x, 1, KD_SHAPE(n.steps, n.rows, n.units * kd_cell_saved(attr->cell))));
  KD_TRY(check_operand("gradient", x, kd_recurrent_grad_input(flags, KD_RNN_DY), *before));
  KD_TRY(check_operand("gradient of the state", x, kd_recurrent_grad_input(flags, KD_RNN_DSTATE),
                       state_shape(attr, &n)));
  KD_TRY(
      check_operand("initial state", x, kd_recurrent_grad_input(flags, KD_RNN_STATE), state_shape(attr, &n)));
  KD_TRY(check_operand("mask", x, kd_recurrent_grad_input(flags, KD_RNN_MASK), KD_SHAPE(n.rows, n.steps)));
  KD_TRY(check_operand("recurrent dropout", x, kd_recurrent_grad_input(flags, KD_RNN_DROP),
                       KD_SHAPE(n.rows, n.gates, n.units)));
  set(&y[0], KD_SHAPE(n.rows, n.steps, n.gates * n.units));
  set(&y[1], x[0]->shape);
  set(&y[2], KD_SHAPE(flags & KD_RNN_BIAS ? n.gates * n.units : 1));
  set(&y[3], state_shape(attr, &n));
  return KD_OK;
}

/* --- gradient -------------------------------------------------------------------------------------- */

static void add_input(kd_sym *inputs, int *n_inputs, kd_sym sym) {
  if (sym != KD_NO_SYM) inputs[(*n_inputs)++] = sym;
}

static kd_sym operand(const kd_node *node, int flags, int which) {
  int place = kd_recurrent_input(flags, which);
  return place < 0 ? KD_NO_SYM : node->input[place];
}

/* Masks and dropout factors have no gradient: they are made of comparisons. */
static void recurrent_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                           kd_sym *din) {
  kd_recurrent_attr attr = *(const kd_recurrent_attr *)node->attr;
  int forward = attr.flags;
  (void)needed;
  if (!(forward & KD_RNN_KEEP) || dout[2] != KD_NO_SYM || dout[3] != KD_NO_SYM) {
    kd_graph_fail(g, "a recurrent sequence that keeps nothing for backward has no gradient");
    return;
  }
  if (dout[0] != KD_NO_SYM) attr.flags |= KD_RNN_DY;
  if (dout[1] != KD_NO_SYM) attr.flags |= KD_RNN_DSTATE;
  kd_sym inputs[KD_MAX_INPUTS] = {node->input[1], node->output[2], node->output[3]}, grads[4];
  int n_inputs = 3;
  add_input(inputs, &n_inputs, dout[0]);
  add_input(inputs, &n_inputs, dout[1]);
  add_input(inputs, &n_inputs, operand(node, forward, KD_RNN_STATE));
  add_input(inputs, &n_inputs, operand(node, forward, KD_RNN_MASK));
  add_input(inputs, &n_inputs, operand(node, forward, KD_RNN_DROP));
  kd_append(g, KD_OP_RECURRENT_GRAD, &attr, n_inputs, inputs, grads);
  din[0] = grads[0];
  din[1] = grads[1];
  if (forward & KD_RNN_BIAS) din[kd_recurrent_input(forward, KD_RNN_BIAS)] = grads[2];
  if (forward & KD_RNN_STATE) din[kd_recurrent_input(forward, KD_RNN_STATE)] = grads[3];
}

const kd_rule kd_rule_recurrent = {.infer = recurrent_infer, .grad = recurrent_grad};
const kd_rule kd_rule_recurrent_grad = {.infer = recurrent_grad_infer};
