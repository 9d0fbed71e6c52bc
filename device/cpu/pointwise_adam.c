/* Finds the program of Adam's update (trainer/adam.c) among pointwise programs, for a kernel of its own. */
#include "device/cpu/pointwise_program.h"

static bool read_scalar(const kd_pw_program *p, int reg, kd_pw_scalar *scalar) {
  *scalar = (kd_pw_scalar){0};
  if (kd_pw_constant(p, reg, &scalar->value)) return true;
  *scalar = (kd_pw_scalar){.input = &p->input[reg]};
  return reg < p->n_inputs && p->input[reg].access == KD_ACCESS_ONCE;
}

/* The gradient is a tensor, or zero where one number for each row says so (trainer/used_rows.c). */
static bool read_gradient(const kd_pw_program *p, int reg, kd_adam_step *step) {
  const kd_pw_command *command = kd_pw_producer(p, reg);
  float zero;
  if (!command) {
    step->g = kd_pw_values(p, reg);
    return p->tiling.rank == 1 && kd_pw_is_tensor(p, reg);
  }
  const kd_pw_input *used = &p->input[command->a];
  if (command->run != p->vector->pointwise_step(KD_PW_SELECT) || !kd_pw_constant(p, command->c, &zero) ||
      zero != 0 || !kd_pw_is_tensor(p, command->b) || command->a >= p->n_inputs || p->tiling.rank != 2 ||
      used->load != p->vector->load_fn(KD_F32) || used->stride[0] != 1 || used->stride[1] != 0)
    return false;
  step->g = kd_pw_values(p, command->b);
  step->used = kd_pw_values(p, command->a);
  step->width = p->tiling.inner;
  return true;
}

static bool fill(const kd_pw_match *m, kd_pw_adam *adam) {
#define REG(letter) kd_pw_named(m, letter)
  const kd_pw_program *p = m->program;
  kd_adam_step gradient = {0};
  if (!kd_pw_is_tensor(p, REG('w')) || !kd_pw_is_tensor(p, REG('m')) || !kd_pw_is_tensor(p, REG('v')) ||
      !read_gradient(p, REG('g'), &gradient))
    return false;
  adam->step = (kd_adam_step){.w = kd_pw_values(p, REG('w')),
                              .g = gradient.g,
                              .used = gradient.used,
                              .width = gradient.width,
                              .m = kd_pw_values(p, REG('m')),
                              .v = kd_pw_values(p, REG('v')),
                              .new_w = kd_pw_place(p, REG('x')),
                              .new_m = kd_pw_place(p, REG('n')),
                              .new_v = kd_pw_place(p, REG('u'))};
  return adam->step.new_w && adam->step.new_m && adam->step.new_v &&
         read_scalar(p, REG('b'), &adam->rise_m) && read_scalar(p, REG('c'), &adam->rise_v) &&
         read_scalar(p, REG('a'), &adam->alpha) && read_scalar(p, REG('e'), &adam->epsilon);
#undef REG
}

static float scalar(const kd_pw_scalar *s) {
  float value = s->value;
  if (s->input) s->input->load(&value, s->input->data, 1);
  return value;
}

static void run(const kd_pw_program *p, int64_t begin, int64_t end) {
  kd_adam_step step = p->adam.step;
  step.rise_m = scalar(&p->adam.rise_m);
  step.rise_v = scalar(&p->adam.rise_v);
  step.alpha = scalar(&p->adam.alpha);
  step.epsilon = scalar(&p->adam.epsilon);
  kd_tile last = kd_tiling_tile(&p->tiling, end - 1);
  p->vector->adam(&step, kd_tiling_tile(&p->tiling, begin).start, last.start + last.n);
}

kd_pw_whole_fn *kd_pw_adam_find(const kd_pw_program *p, kd_pw_adam *adam) {
  enum { ADAM_STEPS = 12 };
  bool select = p->n_each == ADAM_STEPS + 1;
  if ((p->n_each != ADAM_STEPS && !select) || p->n_once != 0 || p->n_outputs != 3) return NULL;
  for (int o = 0; o < p->n_outputs; o++) {
    kd_pw_match m = kd_pw_match_start(p);
    m.reg['x' - 'a'] = p->output[o].reg;
    if (kd_pw_matches(&m, "-w/*na+Rue", p->output[o].reg) &&
        kd_pw_matches(&m, "+m*-gmb", kd_pw_named(&m, 'n')) &&
        kd_pw_matches(&m, "+v*-Sgvc", kd_pw_named(&m, 'u')) && fill(&m, adam))
      return run;
  }
  return NULL;
}
