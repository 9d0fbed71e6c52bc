/* Finds gelu and its gradient (layers/kinds/activations.c) among pointwise programs: between the steps of a
 * program values pass through the first cache, which took longer than the functions themselves. */
#include "device/cpu/pointwise_program.h"

/* y = x (1 + erf(x a)) / 2; 1 + erf may be a result too. */
static bool find_forward(const kd_pw_program *p, kd_gelu_step *step) {
  enum { STEPS = 5 };
  float one;
  if (p->n_each != STEPS || p->n_outputs > 2) return false;
  for (int o = 0; o < p->n_outputs; o++) {
    kd_pw_match m = kd_pw_match_start(p);
    if (!kd_pw_matches(&m, "**x+E*xabc", p->output[o].reg)) continue;
    *step = (kd_gelu_step){.y = kd_pw_place(p, p->output[o].reg)};
    if (p->n_outputs == 2) {
      int other = p->output[1 - o].reg;
      if (!kd_pw_matches(&m, "+E*xab", other) || !(step->new_u = kd_pw_place(p, other))) return false;
    }
    if (!step->y || !kd_pw_is_tensor(p, kd_pw_named(&m, 'x'))) return false;
    step->x = kd_pw_values(p, kd_pw_named(&m, 'x'));
    return kd_pw_constant(p, kd_pw_named(&m, 'a'), &step->a) &&
           kd_pw_constant(p, kd_pw_named(&m, 'b'), &one) && one == 1 &&
           kd_pw_constant(p, kd_pw_named(&m, 'c'), &step->c);
  }
  return false;
}

/* dx = dy / 2 u + dy / 2 x exp(-(x a)^2) k a, where u = 1 + erf(x a) */
static bool find_gradient(const kd_pw_program *p, kd_gelu_step *step) {
  enum { STEPS = 11 };
  kd_pw_match m = kd_pw_match_start(p);
  if (p->n_each != STEPS || p->n_outputs != 1 ||
      !kd_pw_matches(&m, "+**gcu****gcx*XNS*xaka", p->output[0].reg))
    return false;
  int x = kd_pw_named(&m, 'x'), u = kd_pw_named(&m, 'u'), dy = kd_pw_named(&m, 'g');
  if (!kd_pw_is_tensor(p, x) || !kd_pw_is_tensor(p, u) || !kd_pw_is_tensor(p, dy)) return false;
  *step = (kd_gelu_step){.x = kd_pw_values(p, x),
                         .u = kd_pw_values(p, u),
                         .dy = kd_pw_values(p, dy),
                         .y = kd_pw_place(p, p->output[0].reg)};
  return step->y && kd_pw_constant(p, kd_pw_named(&m, 'a'), &step->a) &&
         kd_pw_constant(p, kd_pw_named(&m, 'c'), &step->c) &&
         kd_pw_constant(p, kd_pw_named(&m, 'k'), &step->k);
}

static void run(const kd_pw_program *p, int64_t begin, int64_t end) {
  kd_tile last = kd_tiling_tile(&p->tiling, end - 1);
  p->vector->gelu(&p->gelu, kd_tiling_tile(&p->tiling, begin).start, last.start + last.n);
}

kd_pw_whole_fn *kd_pw_gelu_find(const kd_pw_program *p, kd_gelu_step *step) {
  if (p->n_once != 0 || p->tiling.rank != 1) return NULL;
  return find_forward(p, step) || find_gradient(p, step) ? run : NULL;
}
