/* Gates of recurrent cells, forward. The functions of a cell are constants in the common case, tanh and
 * sigmoid, so that its loop has no branch in it. */
#include "device/cpu/vector_cell.h"

KD_INLINE vf gate_sum(const kd_recurrent_forward *f, int gate, const float *product, const float *z,
                      int64_t i, int64_t n) {
  int64_t at = gate * f->step.units + i;
  vf x = v_load_n(z + at, n) + v_load_n(product + i, n);
  if (f->bias) x += v_load_n(f->bias + at, n);
  return x;
}

KD_INLINE void store_state(const kd_recurrent_forward *f, int64_t row, int64_t k, int64_t n, vf h) {
  v_store_n(f->h + row * f->step.units + k, h, n);
  v_store_n(f->y + row * f->y_row + k, h, n);
}

KD_INLINE void lstm_part(const kd_recurrent_forward *f, kd_cell_fn act, kd_cell_fn rec, int64_t row,
                         int64_t k, int64_t n) {
  const kd_recurrent_step *s = &f->step;
  const float *z = f->z + row * f->z_row;
  int64_t u = s->units, at = row * s->gate_row;
  vf i = cell_function(rec, gate_sum(f, 0, s->gate[0] + at, z, k, n));
  vf forget = cell_function(rec, gate_sum(f, 1, s->gate[1] + at, z, k, n));
  vf g = cell_function(act, gate_sum(f, 2, s->gate[2] + at, z, k, n));
  vf o = cell_function(rec, gate_sum(f, 3, s->gate[3] + at, z, k, n));
  vf c = forget * v_load_n(s->c_before + row * s->c_before_row + k, n) + i * g;
  float *saved = f->saved + row * f->saved_row + k;
  v_store_n(saved, i, n);
  v_store_n(saved + u, forget, n);
  v_store_n(saved + 2 * u, g, n);
  v_store_n(saved + 3 * u, o, n);
  v_store_n(saved + 4 * u, c, n);
  store_state(f, row, k, n, o * cell_function(act, c));
}

/* z h + (1 - z) q */
KD_INLINE vf gru_state(const kd_recurrent_forward *f, int64_t row, int64_t k, int64_t n, vf update, vf q) {
  return update * v_load_n(f->h + row * f->step.units + k, n) + (v_set(1.0f) - update) * q;
}

KD_INLINE void gru_part(const kd_recurrent_forward *f, kd_cell_fn act, kd_cell_fn rec, int64_t row, int64_t k,
                        int64_t n) {
  const kd_recurrent_step *s = &f->step;
  const float *z = f->z + row * f->z_row;
  int64_t u = s->units, at = row * s->gate_row;
  vf update = cell_function(rec, gate_sum(f, 0, s->gate[0] + at, z, k, n));
  vf reset = cell_function(rec, gate_sum(f, 1, s->gate[1] + at, z, k, n));
  vf inner = v_load_n(s->gate[2] + at + k, n);
  if (f->bias) inner += v_load_n(f->bias + 2 * u + k, n);
  vf q = cell_function(act, v_load_n(z + 2 * u + k, n) + reset * inner);
  float *saved = f->saved + row * f->saved_row + k;
  v_store_n(saved, update, n);
  v_store_n(saved + u, reset, n);
  v_store_n(saved + 2 * u, q, n);
  v_store_n(saved + 3 * u, inner, n);
  store_state(f, row, k, n, gru_state(f, row, k, n, update, q));
}

/* The other gates are in `saved` already. */
KD_INLINE void gru_before_part(const kd_recurrent_forward *f, kd_cell_fn act, int64_t row, int64_t k,
                               int64_t n) {
  const kd_recurrent_step *s = &f->step;
  const float *z = f->z + row * f->z_row, *product = s->gate[2] + row * s->last_gate_row;
  float *saved = f->saved + row * f->saved_row + k;
  vf q = cell_function(act, gate_sum(f, 2, product, z, k, n));
  v_store_n(saved + 2 * s->units, q, n);
  store_state(f, row, k, n, gru_state(f, row, k, n, v_load_n(saved, n), q));
}

KD_INLINE void simple_part(const kd_recurrent_forward *f, kd_cell_fn act, int64_t row, int64_t k, int64_t n) {
  const float *z = f->z + row * f->z_row, *product = f->step.gate[0] + row * f->step.gate_row;
  vf out = cell_function(act, gate_sum(f, 0, product, z, k, n));
  v_store_n(f->saved + row * f->saved_row + k, out, n);
  store_state(f, row, k, n, out);
}

static void zero(float *to, int64_t n) {
  memset(to, 0, (size_t)n * sizeof *to);
}

/* A step that is not there: h stays, c is handed on, what is saved has no meaning but must be some number. */
static void masked_row(const kd_recurrent_forward *f, int64_t row) {
  const kd_recurrent_step *s = &f->step;
  float *saved = f->saved + row * f->saved_row, *y = f->y + row * f->y_row;
  int64_t u = s->units;
  if (s->attr.cell == KD_CELL_LSTM) {
    const float *c_before = s->c_before + row * s->c_before_row;
    if (saved + 4 * u != c_before) memcpy(saved + 4 * u, c_before, (size_t)u * sizeof *saved);
    zero(saved, 4 * u);
  } else {
    zero(saved, u * kd_cell_saved(s->attr.cell));
  }
  if (s->attr.flags & KD_RNN_ZERO_MASKED || !f->y_before)
    zero(y, u);
  else
    memcpy(y, f->y_before + row * f->y_row, (size_t)u * sizeof *y);
}

KD_INLINE void cell_rows(const kd_recurrent_forward *f, kd_cell_fn act, kd_cell_fn rec, int64_t begin,
                         int64_t end) {
  const kd_recurrent_step *s = &f->step;
  int64_t u = s->units;
  for (int64_t row = begin; row < end; row++) {
    if (s->mask && s->mask[row * s->mask_row] == 0)
      masked_row(f, row);
    else if (s->attr.cell == KD_CELL_LSTM)
      KD_UNITS(u, lstm_part, f, act, rec, row);
    else if (s->attr.cell == KD_CELL_GRU)
      KD_UNITS(u, gru_part, f, act, rec, row);
    else if (s->attr.cell == KD_CELL_GRU_BEFORE)
      KD_UNITS(u, gru_before_part, f, act, row);
    else
      KD_UNITS(u, simple_part, f, act, row);
  }
}

void KD_V(recurrent)(const kd_recurrent_forward *f, int64_t begin, int64_t end) {
  kd_cell_fn act = f->step.attr.activation, rec = f->step.attr.recurrent_activation;
  if (act == KD_CELL_FN_TANH && rec == KD_CELL_FN_SIGMOID)
    cell_rows(f, KD_CELL_FN_TANH, KD_CELL_FN_SIGMOID, begin, end);
  else
    cell_rows(f, act, rec, begin, end);
}

KD_INLINE void reset_part(const kd_recurrent_forward *f, kd_cell_fn rec, int64_t row, int64_t k, int64_t n) {
  const kd_recurrent_step *s = &f->step;
  const float *z = f->z + row * f->z_row;
  float *saved = f->saved + row * f->saved_row + k;
  int64_t u = s->units, at = row * s->gate_row;
  vf reset = cell_function(rec, gate_sum(f, 1, s->gate[1] + at, z, k, n));
  v_store_n(saved, cell_function(rec, gate_sum(f, 0, s->gate[0] + at, z, k, n)), n);
  v_store_n(saved + u, reset, n);
  vf left = reset * v_load_n(f->h + row * u + k, n);
  if (s->drop) left *= v_load_n(s->drop + row * s->drop_row + 2 * u + k, n);
  v_store_n(s->reset + row * s->reset_row + k, left, n);
}

/* z and r, and what the last gate multiplies: r h. */
void KD_V(recurrent_reset)(const kd_recurrent_forward *f, int64_t begin, int64_t end) {
  kd_cell_fn rec = f->step.attr.recurrent_activation;
  for (int64_t row = begin; row < end; row++) KD_UNITS(f->step.units, reset_part, f, rec, row);
}
