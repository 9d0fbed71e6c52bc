/* Gates of recurrent cells, backward: from the gradient of the state behind a step to those of its products
 * and of the state before it. */
#include "device/cpu/vector_cell.h"

/* Gradient of h behind the step: what passed by the later step's products, and what came through them. */
KD_INLINE vf state_grad(const kd_recurrent_backward *f, int64_t row, int64_t k, int64_t n) {
  const kd_recurrent_step *s = &f->step;
  vf sum = v_load_n(f->dh + row * s->units + k, n);
  for (int p = 0; p < f->n_back; p++) {
    vf term = v_load_n(f->back[p] + row * s->units + k, n);
    if (s->drop) term *= v_load_n(s->drop + row * s->drop_row + p * s->units + k, n);
    sum += term;
  }
  return sum;
}

/* With the gradients of this step's y and of those that repeat it. */
KD_INLINE vf output_grad(const kd_recurrent_backward *f, int64_t row, int64_t k, int64_t n) {
  vf sum = state_grad(f, row, k, n);
  if (f->dy) sum += v_load_n(f->dy + row * f->dy_row + k, n);
  if (f->dheld) {
    float *held = f->dheld + row * f->step.units + k;
    sum += v_load_n(held, n);
    v_store_n(held, v_set(0.0f), n);
  }
  return sum;
}

KD_INLINE void store_gate(const kd_recurrent_backward *f, int gate, int64_t row, int64_t k, int64_t n, vf d) {
  const kd_recurrent_step *s = &f->step;
  v_store_n(s->gate[gate] + row * s->gate_row + k, d, n);
  v_store_n(f->dz + row * f->dz_row + gate * s->units + k, d, n);
}

KD_INLINE void lstm_part(const kd_recurrent_backward *f, kd_cell_fn act, kd_cell_fn rec, int64_t row,
                         int64_t k, int64_t n) {
  const kd_recurrent_step *s = &f->step;
  const float *saved = f->saved + row * f->saved_row + k;
  int64_t u = s->units;
  float *dc_row = f->dc + row * u + k;
  vf i = v_load_n(saved, n), forget = v_load_n(saved + u, n), g = v_load_n(saved + 2 * u, n);
  vf o = v_load_n(saved + 3 * u, n), c = cell_function(act, v_load_n(saved + 4 * u, n));
  vf c_before = v_load_n(s->c_before + row * s->c_before_row + k, n);
  vf dh = output_grad(f, row, k, n), dc = v_load_n(dc_row, n) + dh * o * cell_slope(act, c);
  store_gate(f, 0, row, k, n, dc * g * cell_slope(rec, i));
  store_gate(f, 1, row, k, n, dc * c_before * cell_slope(rec, forget));
  store_gate(f, 2, row, k, n, dc * i * cell_slope(act, g));
  store_gate(f, 3, row, k, n, dh * c * cell_slope(rec, o));
  v_store_n(dc_row, dc * forget, n);
  v_store_n(f->dh + row * u + k, v_set(0.0f), n);
}

/* The last gate's product is scaled by r, so its gradient is not that of z. */
KD_INLINE void gru_part(const kd_recurrent_backward *f, kd_cell_fn act, kd_cell_fn rec, int64_t row,
                        int64_t k, int64_t n) {
  const float *saved = f->saved + row * f->saved_row + k;
  int64_t u = f->step.units;
  float *product = f->dproduct + row * f->dz_row + k;
  vf z = v_load_n(saved, n), r = v_load_n(saved + u, n), q = v_load_n(saved + 2 * u, n);
  vf h = v_load_n(f->h + row * f->h_row + k, n);
  vf dh = output_grad(f, row, k, n), dq = dh * (v_set(1.0f) - z) * cell_slope(act, q);
  vf dz = dh * (h - q) * cell_slope(rec, z), dr = dq * v_load_n(saved + 3 * u, n) * cell_slope(rec, r);
  store_gate(f, 0, row, k, n, dz);
  store_gate(f, 1, row, k, n, dr);
  store_gate(f, 2, row, k, n, dq * r);
  v_store_n(f->dz + row * f->dz_row + 2 * u + k, dq, n);
  v_store_n(product, dz, n);
  v_store_n(product + u, dr, n);
  v_store_n(product + 2 * u, dq * r, n);
  v_store_n(f->dh + row * u + k, dh * z, n);
}

/* Gates z and h; r needs the last gate's product first. */
KD_INLINE void gru_before_part(const kd_recurrent_backward *f, kd_cell_fn act, kd_cell_fn rec, int64_t row,
                               int64_t k, int64_t n) {
  const kd_recurrent_step *s = &f->step;
  const float *saved = f->saved + row * f->saved_row + k;
  int64_t u = s->units;
  vf z = v_load_n(saved, n), q = v_load_n(saved + 2 * u, n), h = v_load_n(f->h + row * f->h_row + k, n);
  vf dh = output_grad(f, row, k, n), dq = dh * (v_set(1.0f) - z) * cell_slope(act, q);
  store_gate(f, 0, row, k, n, dh * (h - q) * cell_slope(rec, z));
  v_store_n(s->gate[2] + row * s->last_gate_row + k, dq, n);
  v_store_n(f->dz + row * f->dz_row + 2 * u + k, dq, n);
  v_store_n(f->dh + row * u + k, dh * z, n);
}

KD_INLINE void simple_part(const kd_recurrent_backward *f, kd_cell_fn act, int64_t row, int64_t k,
                           int64_t n) {
  vf dh = output_grad(f, row, k, n);
  store_gate(f, 0, row, k, n, dh * cell_slope(act, v_load_n(f->saved + row * f->saved_row + k, n)));
  v_store_n(f->dh + row * f->step.units + k, v_set(0.0f), n);
}

/* A step that was not there: the gradient of the state goes on as it is, that of y to the step it repeats. */
KD_INLINE void masked_part(const kd_recurrent_backward *f, int64_t row, int64_t k, int64_t n) {
  const kd_recurrent_step *s = &f->step;
  int gates = kd_cell_gates(s->attr.cell);
  int64_t u = s->units;
  v_store_n(f->dh + row * u + k, state_grad(f, row, k, n), n);
  if (f->dheld && f->dy) {
    float *held = f->dheld + row * u + k;
    v_store_n(held, v_load_n(held, n) + v_load_n(f->dy + row * f->dy_row + k, n), n);
  }
  for (int g = 0; g < gates; g++) {
    bool last = s->attr.cell == KD_CELL_GRU_BEFORE && g == 2;
    v_store_n(s->gate[g] + row * (last ? s->last_gate_row : s->gate_row) + k, v_set(0.0f), n);
    v_store_n(f->dz + row * f->dz_row + g * u + k, v_set(0.0f), n);
    if (f->dproduct) v_store_n(f->dproduct + row * f->dz_row + g * u + k, v_set(0.0f), n);
  }
}

KD_INLINE void grad_rows(const kd_recurrent_backward *f, kd_cell_fn act, kd_cell_fn rec, int64_t begin,
                         int64_t end) {
  const kd_recurrent_step *s = &f->step;
  int64_t u = s->units;
  for (int64_t row = begin; row < end; row++) {
    if (s->mask && s->mask[row * s->mask_row] == 0)
      KD_UNITS(u, masked_part, f, row);
    else if (s->attr.cell == KD_CELL_LSTM)
      KD_UNITS(u, lstm_part, f, act, rec, row);
    else if (s->attr.cell == KD_CELL_GRU)
      KD_UNITS(u, gru_part, f, act, rec, row);
    else if (s->attr.cell == KD_CELL_GRU_BEFORE)
      KD_UNITS(u, gru_before_part, f, act, rec, row);
    else
      KD_UNITS(u, simple_part, f, act, row);
  }
}

void KD_V(recurrent_grad)(const kd_recurrent_backward *f, int64_t begin, int64_t end) {
  kd_cell_fn act = f->step.attr.activation, rec = f->step.attr.recurrent_activation;
  if (act == KD_CELL_FN_TANH && rec == KD_CELL_FN_SIGMOID)
    grad_rows(f, KD_CELL_FN_TANH, KD_CELL_FN_SIGMOID, begin, end);
  else
    grad_rows(f, act, rec, begin, end);
}

KD_INLINE void reset_part(const kd_recurrent_backward *f, const float *dreset, kd_cell_fn rec, int64_t row,
                          int64_t k, int64_t n) {
  const kd_recurrent_step *s = &f->step;
  int64_t u = s->units;
  vf r = v_load_n(f->saved + row * f->saved_row + u + k, n), h = v_load_n(f->h + row * f->h_row + k, n);
  vf kept = v_set(1.0f);
  if (s->drop) kept = v_load_n(s->drop + row * s->drop_row + 2 * u + k, n);
  vf d = v_load_n(dreset + row * u + k, n) * kept;
  float *dh = f->dh + row * u + k;
  store_gate(f, 1, row, k, n, d * h * cell_slope(rec, r));
  v_store_n(dh, v_load_n(dh, n) + d * r, n);
  v_store_n(s->reset + row * s->reset_row + k, r * h * kept, n);
}

/* GRU_BEFORE, from the gradient of r h drop: r, the rest of h, and the product's left operand again. */
void KD_V(recurrent_reset_grad)(const kd_recurrent_backward *f, const float *dreset, int64_t begin,
                                int64_t end) {
  kd_cell_fn rec = f->step.attr.recurrent_activation;
  for (int64_t row = begin; row < end; row++) KD_UNITS(f->step.units, reset_part, f, dreset, rec, row);
}

KD_INLINE void state_part(const kd_recurrent_backward *f, int64_t row, int64_t k, int64_t n) {
  v_store_n(f->dh + row * f->step.units + k, state_grad(f, row, k, n), n);
}

/* dh becomes the gradient of the state before the first step. */
void KD_V(recurrent_state_grad)(const kd_recurrent_backward *f, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) KD_UNITS(f->step.units, state_part, f, row);
}
