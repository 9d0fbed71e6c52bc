/* Finds the program of Adam's update (trainer/adam.c) among pointwise programs, for a kernel of its own. */
#include "device/cpu/pointwise_program.h"

enum { N_NAMES = 26 };

typedef struct match {
  const kd_pw_program *program;
  int reg[N_NAMES]; /* the register that each letter stands for; -1: none yet */
} match;

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
  case 'R':
    return KD_PW_SQRT;
  default:
    return KD_PW_SQUARE;
  }
}

static const kd_pw_command *producer(const kd_pw_program *p, int reg) {
  for (int i = 0; i < p->n_each; i++)
    if (p->each[i].out == reg) return &p->each[i];
  return NULL;
}

/* Whether register `reg` is what the expression at *text says, in prefix notation: lower-case letters are
 * registers, R is a root, S a square. Moves *text behind the expression. */
static bool matches(match *m, const char **text, int reg) {
  char sign = *(*text)++;
  if (sign >= 'a' && sign <= 'z') {
    int *known = &m->reg[sign - 'a'];
    if (*known < 0) *known = reg;
    return *known == reg;
  }
  kd_pw op = step_of(sign);
  const kd_pw_command *command = producer(m->program, reg);
  if (!command || command->run != m->program->vector->pointwise_step(op)) return false;
  return matches(m, text, command->a) && (kd_pw_operands(op) == 1 || matches(m, text, command->b));
}

static bool is(match *m, const char *text, int reg) {
  return matches(m, &text, reg);
}

static bool is_tensor(const kd_pw_program *p, int reg) {
  return reg < p->n_inputs && p->input[reg].access == KD_ACCESS_DIRECT && p->input[reg].dense;
}

static bool read_scalar(const kd_pw_program *p, int reg, kd_pw_scalar *scalar) {
  for (int i = 0; i < p->n_constants; i++)
    if (p->constant_reg[i] == reg) {
      *scalar = (kd_pw_scalar){.value = p->constant[i]};
      return true;
    }
  *scalar = (kd_pw_scalar){.input = &p->input[reg]};
  return reg < p->n_inputs && p->input[reg].access == KD_ACCESS_ONCE;
}

/* The place of an output that is float32; NULL when there is none. */
static float *place_of(const kd_pw_program *p, int reg) {
  for (int o = 0; o < p->n_outputs; o++)
    if (p->output[o].reg == reg && p->output[o].store == p->vector->store_fn(KD_F32))
      return (float *)(void *)p->output[o].data;
  return NULL;
}

static const float *values_of(const kd_pw_program *p, int reg) {
  return (const float *)(const void *)p->input[reg].data;
}

static bool is_zero(const kd_pw_program *p, int reg) {
  for (int i = 0; i < p->n_constants; i++)
    if (p->constant_reg[i] == reg) return p->constant[i] == 0;
  return false;
}

/* The gradient is a tensor, or zero where one number for each row says so (trainer/used_rows.c). */
static bool read_gradient(const kd_pw_program *p, int reg, kd_adam_step *step) {
  const kd_pw_command *command = producer(p, reg);
  if (!command) {
    step->g = values_of(p, reg);
    return p->tiling.rank == 1 && is_tensor(p, reg);
  }
  const kd_pw_input *used = &p->input[command->a];
  if (command->run != p->vector->pointwise_step(KD_PW_SELECT) || !is_zero(p, command->c) ||
      !is_tensor(p, command->b) || command->a >= p->n_inputs || p->tiling.rank != 2 ||
      used->load != p->vector->load_fn(KD_F32) || used->stride[0] != 1 || used->stride[1] != 0)
    return false;
  step->g = values_of(p, command->b);
  step->used = values_of(p, command->a);
  step->width = p->tiling.inner;
  return true;
}

static bool fill(const match *m, kd_pw_adam *adam) {
#define REG(letter) m->reg[letter - 'a']
  const kd_pw_program *p = m->program;
  kd_adam_step gradient = {0};
  if (!is_tensor(p, REG('w')) || !is_tensor(p, REG('m')) || !is_tensor(p, REG('v')) ||
      !read_gradient(p, REG('g'), &gradient))
    return false;
  adam->step = (kd_adam_step){.w = values_of(p, REG('w')),
                              .g = gradient.g,
                              .used = gradient.used,
                              .width = gradient.width,
                              .m = values_of(p, REG('m')),
                              .v = values_of(p, REG('v')),
                              .new_w = place_of(p, REG('x')),
                              .new_m = place_of(p, REG('n')),
                              .new_v = place_of(p, REG('u'))};
  return adam->step.new_w && adam->step.new_m && adam->step.new_v &&
         read_scalar(p, REG('b'), &adam->rise_m) && read_scalar(p, REG('c'), &adam->rise_v) &&
         read_scalar(p, REG('a'), &adam->alpha) && read_scalar(p, REG('e'), &adam->epsilon);
#undef REG
}

bool kd_pw_adam_find(const kd_pw_program *p, kd_pw_adam *adam) {
  enum { ADAM_STEPS = 12 };
  bool select = p->n_each == ADAM_STEPS + 1;
  if ((p->n_each != ADAM_STEPS && !select) || p->n_once != 0 || p->n_outputs != 3) return false;
  for (int o = 0; o < p->n_outputs; o++) {
    match m = {.program = p};
    for (int i = 0; i < N_NAMES; i++) m.reg[i] = -1;
    m.reg['x' - 'a'] = p->output[o].reg;
    if (is(&m, "-w/*na+Rue", m.reg['x' - 'a']) && is(&m, "+m*-gmb", m.reg['n' - 'a']) &&
        is(&m, "+v*-Sgvc", m.reg['u' - 'a']) && fill(&m, adam))
      return true;
  }
  return false;
}

static float scalar(const kd_pw_scalar *s) {
  float value = s->value;
  if (s->input) s->input->load(&value, s->input->data, 1);
  return value;
}

void kd_pw_adam_run(const kd_pw_program *p, int64_t begin, int64_t end) {
  kd_adam_step step = p->adam.step;
  step.rise_m = scalar(&p->adam.rise_m);
  step.rise_v = scalar(&p->adam.rise_v);
  step.alpha = scalar(&p->adam.alpha);
  step.epsilon = scalar(&p->adam.epsilon);
  kd_tile last = kd_tiling_tile(&p->tiling, end - 1);
  p->vector->adam(&step, kd_tiling_tile(&p->tiling, begin).start, last.start + last.n);
}
