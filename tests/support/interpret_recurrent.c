/* Recurrent sequences, step by step (device/recurrent.h has the formulas). */
#include "support/interpret_recurrent.h"

#include <math.h>

#include "device/base/memory.h"

double cell_function(kd_cell_fn fn, double x) {
  switch (fn) {
  case KD_CELL_FN_TANH:
    return tanh(x);
  case KD_CELL_FN_SIGMOID:
    return 1 / (1 + exp(-x));
  case KD_CELL_FN_RELU:
    return fmax(x, 0);
  case KD_CELL_FN_RELU6:
    return fmin(fmax(x, 0), 6);
  case KD_CELL_FN_HARD_SIGMOID:
    return fmin(fmax(x / 6 + 0.5, 0), 1);
  case KD_CELL_FN_HARD_TANH:
    return fmin(fmax(x, -1), 1);
  case KD_CELL_FN_ELU:
    return x > 0 ? x : expm1(x);
  case KD_CELL_FN_SOFTPLUS:
    return fmax(x, 0) + log1p(exp(-fabs(x)));
  case KD_CELL_FN_SOFTSIGN:
    return x / (1 + fabs(x));
  case KD_CELL_FN_EXPONENTIAL:
    return exp(x);
  default:
    return x;
  }
}

/* The cell at one row and step: h, c and the operands of this row. */
typedef struct row {
  const kd_recurrent_attr *attr;
  int64_t units, gates;
  const double *kernel, *bias, *drop, *z;
  double *h, *c, *saved;
} row;

static double drop_of(const row *r, int64_t gate, int64_t unit) {
  return r->drop ? r->drop[gate * r->units + unit] : 1;
}

/* Column j of gate g: sum over units of h (times factor) and the recurrent kernel, plus its bias. */
static double product(const row *r, const double *factor, int64_t g, int64_t j) {
  double sum = r->bias ? r->bias[g * r->units + j] : 0;
  for (int64_t k = 0; k < r->units; k++)
    sum +=
        r->h[k] * (factor ? factor[k] : 1) * drop_of(r, g, k) * r->kernel[(k * r->gates + g) * r->units + j];
  return sum;
}

static void gate(const row *r, kd_cell_fn fn, int64_t g, double *to) {
  for (int64_t j = 0; j < r->units; j++)
    to[j] = cell_function(fn, r->z[g * r->units + j] + product(r, NULL, g, j));
}

static void lstm(const row *r, double *new_h) {
  kd_cell_fn act = r->attr->activation, rec = r->attr->recurrent_activation;
  int64_t u = r->units;
  for (int64_t g = 0; g < 4; g++) gate(r, g == 2 ? act : rec, g, r->saved + g * u);
  for (int64_t j = 0; j < u; j++) {
    const double *s = r->saved + j;
    r->c[j] = r->saved[4 * u + j] = s[u] * r->c[j] + s[0] * s[2 * u];
    new_h[j] = s[3 * u] * cell_function(act, r->c[j]);
  }
}

static void gru(const row *r, double *new_h) {
  kd_cell_fn act = r->attr->activation, rec = r->attr->recurrent_activation;
  int64_t u = r->units;
  double *z = r->saved, *reset = z + u, *q = z + 2 * u, *inner = z + 3 * u;
  gate(r, rec, 0, z);
  gate(r, rec, 1, reset);
  for (int64_t j = 0; j < u; j++) {
    if (r->attr->cell == KD_CELL_GRU) {
      inner[j] = product(r, NULL, 2, j);
      q[j] = cell_function(act, r->z[2 * u + j] + reset[j] * inner[j]);
    } else {
      q[j] = cell_function(act, r->z[2 * u + j] + product(r, reset, 2, j));
    }
    new_h[j] = z[j] * r->h[j] + (1 - z[j]) * q[j];
  }
}

/* One step of one row: new state and saved values. */
static void step(const row *r, bool valid) {
  int64_t u = r->units;
  if (!valid) {
    if (r->attr->cell == KD_CELL_LSTM)
      for (int64_t j = 0; j < u; j++) r->saved[4 * u + j] = r->c[j];
    return;
  }
  double *new_h = kd_calloc((size_t)u, sizeof *new_h);
  if (r->attr->cell == KD_CELL_LSTM) {
    lstm(r, new_h);
  } else if (r->attr->cell == KD_CELL_SIMPLE) {
    gate(r, r->attr->activation, 0, new_h);
    for (int64_t j = 0; j < u; j++) r->saved[j] = new_h[j];
  } else {
    gru(r, new_h);
  }
  for (int64_t j = 0; j < u; j++) r->h[j] = new_h[j];
  kd_free(new_h);
}

static const double *optional(const call *c, int which) {
  int place = kd_recurrent_input(((const kd_recurrent_attr *)c->attr)->flags, which);
  return place < 0 ? NULL : c->x[place];
}

void interpret_recurrent(const call *c) {
  const kd_recurrent_attr *attr = c->attr;
  int64_t rows = c->x_shape[0].dim[0], steps = c->x_shape[0].dim[1], u = c->x_shape[1].dim[0];
  int64_t gates = kd_cell_gates(attr->cell), states = kd_cell_states(attr->cell);
  int64_t kept = c->y_shape[2].dim[0], width = c->y_shape[2].dim[2];
  const double *state = optional(c, KD_RNN_STATE), *mask = optional(c, KD_RNN_MASK);
  const double *drop = optional(c, KD_RNN_DROP);
  for (int64_t b = 0; b < rows; b++) {
    double *h = c->y[1] + b * states * u;
    for (int64_t j = 0; state && j < states * u; j++) h[j] = state[b * states * u + j];
    row r = {.attr = attr, .units = u, .gates = gates, .kernel = c->x[1], .h = h, .c = h + u};
    r.bias = optional(c, KD_RNN_BIAS);
    r.drop = drop ? drop + b * gates * u : NULL;
    const double *y_before = NULL;
    for (int64_t s = 0; s < steps; s++) {
      int64_t t = attr->flags & KD_RNN_BACKWARDS ? steps - 1 - s : s;
      int64_t out = attr->flags & KD_RNN_REVERSED ? s : t;
      bool valid = !mask || mask[b * steps + t] != 0;
      double *y = c->y[0] + (b * steps + out) * u;
      r.z = c->x[0] + (b * steps + t) * gates * u;
      r.saved = c->y[2] + ((kept > 1 ? s : 0) * rows + b) * width;
      for (int64_t j = 0; kept == 1 && j < width; j++) r.saved[j] = 0;
      for (int64_t j = 0; j < u; j++) c->y[3][(b * kept + (kept > 1 ? t : 0)) * u + j] = h[j];
      step(&r, valid);
      bool zero = attr->flags & KD_RNN_ZERO_MASKED;
      for (int64_t j = 0; j < u; j++) y[j] = valid ? h[j] : zero || !y_before ? 0 : y_before[j];
      y_before = y;
    }
  }
}
