/* Gradient of recurrent sequences: back through the steps, from the saved values. */
#include <math.h>

#include "device/base/memory.h"
#include "support/interpret_recurrent.h"

double cell_slope(kd_cell_fn fn, double y) {
  switch (fn) {
  case KD_CELL_FN_TANH:
    return 1 - y * y;
  case KD_CELL_FN_SIGMOID:
    return y * (1 - y);
  case KD_CELL_FN_RELU:
    return y > 0;
  case KD_CELL_FN_RELU6:
    return y > 0 && y < 6;
  case KD_CELL_FN_HARD_SIGMOID:
    return y > 0 && y < 1 ? 1.0 / 6 : 0;
  case KD_CELL_FN_HARD_TANH:
    return y > -1 && y < 1;
  case KD_CELL_FN_ELU:
    return y > 0 ? 1 : y + 1;
  case KD_CELL_FN_SOFTPLUS:
    return -expm1(-y);
  case KD_CELL_FN_SOFTSIGN:
    return pow(1 - fabs(y), 2);
  case KD_CELL_FN_EXPONENTIAL:
    return y;
  default:
    return 1;
  }
}

/* One row at one step. dh, dc: gradients of the state behind the step, replaced by those before it. */
typedef struct row {
  const kd_recurrent_attr *attr;
  int64_t units, gates;
  const double *kernel, *drop, *saved, *h, *c;
  double *dh, *dc, *dz, *dkernel, *dbias;
} row;

static double drop_of(const row *r, int64_t gate, int64_t unit) {
  return r->drop ? r->drop[gate * r->units + unit] : 1;
}

/* Back through column j of gate g of the product, whose gradient is d: kernel, bias, and the left operand,
 * h times factor, into dleft. */
static void product_grad(const row *r, const double *factor, int64_t g, int64_t j, double d, double *dleft) {
  if (r->dbias) r->dbias[g * r->units + j] += d;
  for (int64_t k = 0; k < r->units; k++) {
    int64_t at = (k * r->gates + g) * r->units + j;
    double kept = drop_of(r, g, k);
    r->dkernel[at] += d * kept * r->h[k] * (factor ? factor[k] : 1);
    dleft[k] += d * kept * r->kernel[at];
  }
}

static void lstm(const row *r, double *before) {
  kd_cell_fn act = r->attr->activation, rec = r->attr->recurrent_activation;
  int64_t u = r->units;
  for (int64_t j = 0; j < u; j++) {
    double i = r->saved[j], f = r->saved[u + j], g = r->saved[2 * u + j], o = r->saved[3 * u + j];
    double c = cell_function(act, r->saved[4 * u + j]), c_before = r->c ? r->c[j] : 0;
    double dc = r->dc[j] + r->dh[j] * o * cell_slope(act, c);
    double d[4] = {dc * g * cell_slope(rec, i), dc * c_before * cell_slope(rec, f),
                   dc * i * cell_slope(act, g), r->dh[j] * c * cell_slope(rec, o)};
    r->dc[j] = dc * f;
    for (int64_t k = 0; k < 4; k++) {
      r->dz[k * u + j] = d[k];
      product_grad(r, NULL, k, j, d[k], before);
    }
  }
}

static void gru(const row *r, double *before) {
  kd_cell_fn act = r->attr->activation, rec = r->attr->recurrent_activation;
  bool after = r->attr->cell == KD_CELL_GRU;
  int64_t u = r->units;
  const double *z = r->saved, *reset = z + u, *q = z + 2 * u, *inner = z + 3 * u;
  double *dreset = kd_calloc((size_t)u, sizeof *dreset), *dleft = kd_calloc((size_t)u, sizeof *dleft);
  for (int64_t j = 0; j < u; j++) {
    double dq = r->dh[j] * (1 - z[j]) * cell_slope(act, q[j]);
    before[j] += r->dh[j] * z[j];
    r->dz[j] = r->dh[j] * (r->h[j] - q[j]) * cell_slope(rec, z[j]);
    r->dz[2 * u + j] = dq;
    product_grad(r, NULL, 0, j, r->dz[j], before);
    if (after) {
      dreset[j] = dq * inner[j];
      product_grad(r, NULL, 2, j, dq * reset[j], before);
    } else {
      product_grad(r, reset, 2, j, dq, dleft);
    }
  }
  for (int64_t j = 0; j < u; j++) {
    if (!after) dreset[j] = dleft[j] * r->h[j];
    before[j] += dleft[j] * reset[j];
    r->dz[u + j] = dreset[j] * cell_slope(rec, reset[j]);
  }
  for (int64_t j = 0; j < u; j++) product_grad(r, NULL, 1, j, r->dz[u + j], before);
  kd_free(dreset);
  kd_free(dleft);
}

static void step(const row *r) {
  double *before = kd_calloc((size_t)r->units, sizeof *before);
  if (r->attr->cell == KD_CELL_LSTM) {
    lstm(r, before);
  } else if (r->attr->cell == KD_CELL_SIMPLE) {
    for (int64_t j = 0; j < r->units; j++) {
      r->dz[j] = r->dh[j] * cell_slope(r->attr->activation, r->saved[j]);
      product_grad(r, NULL, 0, j, r->dz[j], before);
    }
  } else {
    gru(r, before);
  }
  for (int64_t j = 0; j < r->units; j++) r->dh[j] = before[j];
  kd_free(before);
}

static const double *optional(const call *c, int which) {
  int place = kd_recurrent_grad_input(((const kd_recurrent_attr *)c->attr)->flags, which);
  return place < 0 ? NULL : c->x[place];
}

/* dheld: gradient of the last y that was not masked, on its way back to that step. */
static void walk_row(const call *c, int64_t b, row *r, double *dheld) {
  int flags = r->attr->flags;
  int64_t rows = c->x_shape[2].dim[0], steps = c->x_shape[2].dim[1], u = r->units;
  int64_t width = c->x_shape[1].dim[2], states = kd_cell_states(r->attr->cell);
  const double *dy = optional(c, KD_RNN_DY), *mask = optional(c, KD_RNN_MASK);
  const double *state = optional(c, KD_RNN_STATE);
  for (int64_t s = steps - 1; s >= 0; s--) {
    int64_t t = flags & KD_RNN_BACKWARDS ? steps - 1 - s : s, out = flags & KD_RNN_REVERSED ? s : t;
    bool valid = !mask || mask[b * steps + t] != 0, zero = flags & KD_RNN_ZERO_MASKED;
    r->saved = c->x[1] + (s * rows + b) * width;
    r->h = c->x[2] + (b * steps + t) * u;
    r->c = state ? state + b * states * u + u : NULL;
    if (s > 0) r->c = c->x[1] + ((s - 1) * rows + b) * width + 4 * u;
    r->dz = c->y[0] + (b * steps + t) * r->gates * u;
    for (int64_t j = 0; j < u; j++) {
      double d = dy ? dy[(b * steps + out) * u + j] : 0;
      if (valid) r->dh[j] += d + dheld[j];
      dheld[j] = valid || zero ? 0 : dheld[j] + d;
    }
    if (valid) step(r);
  }
}

void interpret_recurrent_grad(const call *c) {
  const kd_recurrent_attr *attr = c->attr;
  int64_t u = c->x_shape[0].dim[0], rows = c->x_shape[2].dim[0];
  int64_t gates = kd_cell_gates(attr->cell), states = kd_cell_states(attr->cell);
  const double *dstate = optional(c, KD_RNN_DSTATE), *drop = optional(c, KD_RNN_DROP);
  for (int64_t b = 0; b < rows; b++) {
    double *dheld = kd_calloc((size_t)u, sizeof *dheld), *dh = c->y[3] + b * states * u;
    for (int64_t j = 0; dstate && j < states * u; j++) dh[j] = dstate[b * states * u + j];
    row r = {.attr = attr, .units = u, .gates = gates, .kernel = c->x[0], .dh = dh, .dc = dh + u};
    r.drop = drop ? drop + b * gates * u : NULL;
    r.dkernel = c->y[1];
    r.dbias = attr->flags & KD_RNN_BIAS ? c->y[2] : NULL;
    walk_row(c, b, &r, dheld);
    kd_free(dheld);
  }
}
