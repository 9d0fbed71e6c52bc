/* The gradient of a pointwise program: its steps are walked backward, each giving new single-step nodes.
 * Results of steps that are no outputs are computed again; fusion merges everything afterwards. */
#include "layers/op/pointwise.h"

enum { MAX_OPERANDS = KD_MAX_INPUTS + KD_MAX_STEPS };

typedef struct walk {
  kd_graph *g;
  const kd_node *node;
  const kd_pointwise_attr *attr;
  kd_sym value[MAX_OPERANDS]; /* tensor that holds an operand; KD_NO_SYM until asked for */
  kd_sym grad[MAX_OPERANDS];  /* sum so far; KD_NO_SYM: none */
  bool wanted[MAX_OPERANDS];  /* a wanted input reaches the operand */
} walk;

/* The step again as a node of its own; random steps keep their node number, so the draw is the same. */
static kd_sym recompute(walk *w, const kd_pw_step *step, const kd_sym *x) {
  switch (step->op) {
  case KD_PW_CONST:
    return kd_const(w->g, (double)step->imm.value);
  case KD_PW_UNIFORM:
  case KD_PW_NORMAL: {
    kd_pointwise_attr attr = {
        .n_inputs = 1, .n_steps = 1, .n_outputs = 1, .shape = w->attr->shape, .output = {1}};
    attr.step[0] = (kd_pw_step){.op = step->op, .imm = step->imm};
    return kd_append(w->g, KD_OP_POINTWISE, &attr, 1, x, NULL);
  }
  case KD_PW_SELECT:
    return kd_select(w->g, x[0], x[1], x[2]);
  case KD_PW_FMA:
    return kd_add(w->g, kd_mul(w->g, x[0], x[1]), x[2]);
  default:
    break;
  }
  return kd_pw_operands((kd_pw)step->op) == 1 ? kd_unary(w->g, (kd_pw)step->op, x[0])
                                              : kd_binary(w->g, (kd_pw)step->op, x[0], x[1]);
}

static kd_sym operand_value(walk *w, int operand) {
  if (w->value[operand] != KD_NO_SYM) return w->value[operand];
  const kd_pw_step *step = &w->attr->step[operand - w->attr->n_inputs];
  kd_sym x[3] = {KD_NO_SYM, KD_NO_SYM, KD_NO_SYM};
  for (int a = 0; a < kd_pw_operands((kd_pw)step->op); a++) x[a] = operand_value(w, step->arg[a]);
  return w->value[operand] = recompute(w, step, x);
}

static void add_grad(walk *w, int operand, kd_sym grad) {
  if (grad == KD_NO_SYM) return;
  w->grad[operand] = w->grad[operand] == KD_NO_SYM ? grad : kd_add(w->g, w->grad[operand], grad);
}

/* Which operands a wanted input reaches, and which operands are tensors already: inputs and outputs. An
 * output in a half type stands for its step, as it does in Keras: it is what is kept anyway. */
static void start(walk *w, const kd_sym *dout, const bool *needed) {
  const kd_pointwise_attr *attr = w->attr;
  for (int i = 0; i < MAX_OPERANDS; i++) w->value[i] = w->grad[i] = KD_NO_SYM;
  for (int i = 0; i < attr->n_inputs; i++) {
    w->value[i] = w->node->input[i];
    w->wanted[i] = needed[i];
  }
  for (int s = 0; s < attr->n_steps; s++)
    for (int a = 0; a < kd_pw_operands((kd_pw)attr->step[s].op); a++)
      if (w->wanted[attr->step[s].arg[a]]) w->wanted[attr->n_inputs + s] = true;
  for (int i = 0; i < attr->n_outputs; i++) {
    kd_dtype type = attr->output_dtype[i];
    if (attr->output[i] >= attr->n_inputs && (type == KD_F32 || kd_dtype_is_half(type)))
      w->value[attr->output[i]] = w->node->output[i];
    add_grad(w, attr->output[i], dout[i]);
  }
}

static void step_back(walk *w, int s) {
  const kd_pw_step *step = &w->attr->step[s];
  int result = w->attr->n_inputs + s, operands = kd_pw_operands((kd_pw)step->op);
  if (w->grad[result] == KD_NO_SYM || !w->wanted[result] || kd_pw_is_random((kd_pw)step->op)) return;
  kd_sym x[3] = {KD_NO_SYM, KD_NO_SYM, KD_NO_SYM}, dx[3] = {KD_NO_SYM, KD_NO_SYM, KD_NO_SYM};
  bool wanted[3] = {false};
  for (int a = 0; a < operands; a++) {
    x[a] = operand_value(w, step->arg[a]);
    wanted[a] = w->wanted[step->arg[a]];
  }
  kd_pw_step_grad(w->g, (kd_pw)step->op, x, operand_value(w, result), w->grad[result], wanted, dx);
  for (int a = 0; a < operands; a++) add_grad(w, step->arg[a], dx[a]);
}

void kd_pointwise_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                       kd_sym *din) {
  walk w = {.g = g, .node = node, .attr = node->attr};
  start(&w, dout, needed);
  for (int s = w.attr->n_steps - 1; s >= 0; s--) step_back(&w, s);
  for (int i = 0; i < w.attr->n_inputs; i++) din[i] = needed[i] ? w.grad[i] : KD_NO_SYM;
}
