/* CTC by the sums over all paths before (alpha) and behind (beta) each state, as logarithms.
 *
 * A state is 2 n: blank with n labels behind, or 2 n + 1: label n just emitted. Keras's penalty of what is
 * not possible is an arc of weight exp(-1e5). */
#include <math.h>

#include "device/base/memory.h"
#include "support/interpret_call.h"

static const double PENALTY = -1e5;

typedef struct paths {
  const double *logs, *label;
  int64_t steps, classes, labels, length, states;
  double *alpha, *beta; /* (steps + 1, states) */
} paths;

/* log(exp(a) + exp(b)) */
static double sum2(double a, double b) {
  double most = a > b ? a : b;
  return most == -INFINITY ? most : most + log(exp(a - most) + exp(b - most));
}

static double score(const paths *p, int64_t t, int64_t state) {
  return p->logs[t * p->classes + (state % 2 ? (int64_t)p->label[state / 2] : 0)];
}

/* The weight of all ways from one state to another in one step, without the score of the class. Between
 * steps label n may become blank n + 1 at no cost, unless label n + 1 is the same. */
static double arc(const paths *p, int64_t from, int64_t to) {
  int64_t n = from / 2;
  if (from % 2 == 0) return to == from || (to == from + 1 && to < p->states) ? 0 : -INFINITY;
  bool same = n + 1 < p->labels && p->label[n] == p->label[n + 1];
  double leave = same ? PENALTY : 0, by_blank = same ? 0 : PENALTY;
  if (to == from) return 0;
  if (to == from + 1) return sum2(leave, by_blank);
  return to == from + 2 ? leave : -INFINITY;
}

static void forward(const paths *p) {
  for (int64_t s = 0; s < p->states; s++) p->alpha[s] = s == 0 ? 0 : PENALTY;
  for (int64_t t = 0; t < p->steps; t++)
    for (int64_t to = 0; to < p->states; to++) {
      double sum = -INFINITY;
      for (int64_t from = 0; from <= to; from++)
        sum = sum2(sum, p->alpha[t * p->states + from] + arc(p, from, to));
      p->alpha[(t + 1) * p->states + to] = sum + score(p, t, to);
    }
}

static void backward(const paths *p) {
  double *last = p->beta + p->steps * p->states;
  for (int64_t s = 0; s < p->states; s++) last[s] = s + 2 >= p->states ? 0 : -INFINITY;
  for (int64_t t = p->steps - 1; t >= 0; t--)
    for (int64_t from = 0; from < p->states; from++) {
      double sum = -INFINITY;
      for (int64_t to = from; to < p->states; to++)
        sum = sum2(sum, arc(p, from, to) + score(p, t, to) + p->beta[(t + 1) * p->states + to]);
      p->beta[t * p->states + from] = sum;
    }
}

/* log p; false: a label is no class. */
static bool paths_open(const call *c, int64_t i, paths *p, double *log_p) {
  const kd_shape *x = &c->x_shape[0];
  *p = (paths){.steps = x->dim[1], .classes = x->dim[2], .labels = c->x_shape[1].dim[1]};
  p->logs = c->x[0] + i * p->steps * p->classes;
  p->label = c->x[1] + i * p->labels;
  for (int64_t n = 0; n < p->labels; n++) {
    if (p->label[n] < 0 || p->label[n] >= (double)p->classes) return false;
    p->length += p->label[n] != 0;
  }
  p->states = 2 * p->length + 1;
  p->alpha = kd_calloc((size_t)((p->steps + 1) * p->states), sizeof(double));
  p->beta = kd_calloc((size_t)((p->steps + 1) * p->states), sizeof(double));
  forward(p);
  backward(p);
  const double *last = p->alpha + p->steps * p->states;
  *log_p = p->length == 0 ? last[0] : sum2(last[p->states - 1], last[p->states - 2]);
  return true;
}

static void paths_close(paths *p) {
  kd_free(p->alpha);
  kd_free(p->beta);
}

void interpret_ctc(const call *c) {
  for (int64_t i = 0; i < c->x_shape[0].dim[0]; i++) {
    paths p;
    double log_p = NAN;
    if (paths_open(c, i, &p, &log_p)) paths_close(&p);
    c->y[0][i] = -log_p;
  }
}

void interpret_ctc_grad(const call *c) {
  for (int64_t i = 0; i < c->x_shape[0].dim[0]; i++) {
    paths p;
    double log_p;
    bool good = paths_open(c, i, &p, &log_p);
    double *y = c->y[0] + i * p.steps * p.classes;
    for (int64_t k = 0; !good && k < p.steps * p.classes; k++) y[k] = NAN;
    if (!good) continue;
    for (int64_t t = 0; t < p.steps; t++)
      for (int64_t s = 0; s < p.states; s++) {
        int64_t at = (t + 1) * p.states + s, class = s % 2 ? (int64_t)p.label[s / 2] : 0;
        y[t * p.classes + class] -= c->x[2][i] * exp(p.alpha[at] + p.beta[at] - log_p);
      }
    paths_close(&p);
  }
}
