/* Recognises expressions in pointwise programs, for kernels of their own. */
#include "device/cpu/pointwise_program.h"

kd_pw_match kd_pw_match_start(const kd_pw_program *p) {
  kd_pw_match m = {.program = p};
  for (int i = 0; i < KD_PW_NAMES; i++) m.reg[i] = -1;
  return m;
}

static kd_pw step_of(char sign) {
  switch (sign) {
  case '+':
    return KD_PW_ADD;
  case '-':
    return KD_PW_SUB;
  case '*':
    return KD_PW_MUL;
  case '/':
    return KD_PW_DIV;
  case 'E':
    return KD_PW_ERF;
  case 'N':
    return KD_PW_NEG;
  case 'R':
    return KD_PW_SQRT;
  case 'X':
    return KD_PW_EXP;
  default:
    return KD_PW_SQUARE;
  }
}

const kd_pw_command *kd_pw_producer(const kd_pw_program *p, int reg) {
  for (int i = 0; i < p->n_each; i++)
    if (p->each[i].out == reg) return &p->each[i];
  return NULL;
}

/* Moves *text behind the expression. */
static bool matches(kd_pw_match *m, const char **text, int reg) {
  char sign = *(*text)++;
  if (sign >= 'a' && sign <= 'z') {
    int *known = &m->reg[sign - 'a'];
    if (*known < 0) *known = reg;
    return *known == reg;
  }
  kd_pw op = step_of(sign);
  const kd_pw_command *command = kd_pw_producer(m->program, reg);
  if (!command || command->run != m->program->vector->pointwise_step(op)) return false;
  return matches(m, text, command->a) && (kd_pw_operands(op) == 1 || matches(m, text, command->b));
}

bool kd_pw_matches(kd_pw_match *m, const char *text, int reg) {
  return matches(m, &text, reg);
}

int kd_pw_named(const kd_pw_match *m, char letter) {
  return m->reg[letter - 'a'];
}

bool kd_pw_is_tensor(const kd_pw_program *p, int reg) {
  return reg < p->n_inputs && p->input[reg].access == KD_ACCESS_DIRECT && p->input[reg].dense;
}

const float *kd_pw_values(const kd_pw_program *p, int reg) {
  return (const float *)(const void *)p->input[reg].data;
}

bool kd_pw_constant(const kd_pw_program *p, int reg, float *value) {
  for (int i = 0; i < p->n_constants; i++)
    if (p->constant_reg[i] == reg) {
      *value = p->constant[i];
      return true;
    }
  return false;
}

float *kd_pw_place(const kd_pw_program *p, int reg) {
  for (int o = 0; o < p->n_outputs; o++)
    if (p->output[o].reg == reg && p->output[o].store == p->vector->store_fn(KD_F32))
      return (float *)(void *)p->output[o].data;
  return NULL;
}
