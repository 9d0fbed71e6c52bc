/* Pointwise programs as readable expressions. */
#include "device/base/text.h"
#include "layers/graph/attr_text.h"

enum { MAX_OPERANDS = KD_MAX_INPUTS + KD_MAX_STEPS };

static const char *step_text(kd_pool *pool, const kd_pw_step *step, const char *const *operand) {
  const char *name = kd_pw_name((kd_pw)step->op);
  char number[32];
  switch (step->op) {
  case KD_PW_CONST:
    kd_format_float((double)step->imm.value, true, number);
    return kd_pool_strdup(pool, number);
  case KD_PW_UNIFORM:
  case KD_PW_NORMAL:
    return kd_pool_printf(pool, "%s#%u(%s)", name, step->imm.node, operand[step->arg[0]]);
  default:
    break;
  }
  switch (kd_pw_operands((kd_pw)step->op)) {
  case 1:
    return kd_pool_printf(pool, "%s(%s)", name, operand[step->arg[0]]);
  case 2:
    return kd_pool_printf(pool, "%s(%s, %s)", name, operand[step->arg[0]], operand[step->arg[1]]);
  default:
    return kd_pool_printf(pool, "%s(%s, %s, %s)", name, operand[step->arg[0]], operand[step->arg[1]],
                          operand[step->arg[2]]);
  }
}

static void count_uses(const kd_pointwise_attr *attr, int *uses) {
  for (int s = 0; s < attr->n_steps; s++)
    for (int a = 0; a < kd_pw_operands((kd_pw)attr->step[s].op); a++) uses[attr->step[s].arg[a]]++;
  for (int i = 0; i < attr->n_outputs; i++) uses[attr->output[i]]++;
}

static const char *outputs_text(kd_pool *pool, const kd_pointwise_attr *attr, const char *const *operand) {
  const char *text = "";
  for (int i = 0; i < attr->n_outputs; i++) {
    const char *value = operand[attr->output[i]], *separator = i ? ", " : "";
    if (attr->output_dtype[i] == KD_F32)
      text = kd_pool_printf(pool, "%s%s%s", text, separator, value);
    else
      text =
          kd_pool_printf(pool, "%s%s%s as %s", text, separator, value, kd_dtype_name(attr->output_dtype[i]));
  }
  return text;
}

const char *kd_program_text(kd_pool *pool, const kd_pointwise_attr *attr, const kd_sym *inputs) {
  const char *operand[MAX_OPERANDS] = {NULL}, *named = "";
  int uses[MAX_OPERANDS] = {0};
  count_uses(attr, uses);
  for (int i = 0; i < attr->n_inputs; i++) operand[i] = kd_pool_printf(pool, "%%%d", inputs[i]);
  for (int s = 0; s < attr->n_steps; s++) {
    const char *text = step_text(pool, &attr->step[s], operand);
    const char **result = &operand[attr->n_inputs + s];
    *result = text;
    if (uses[attr->n_inputs + s] < 2 || attr->step[s].op == KD_PW_CONST) continue;
    *result = kd_pool_printf(pool, "t%d", s);
    named = kd_pool_printf(pool, "%st%d = %s; ", named, s, text);
  }
  return kd_pool_printf(pool, "%s%s", named, outputs_text(pool, attr, operand));
}
