/* One step of a recurrent sequence for some rows, as the vector kernels see it. Pointers are those of row 0
 * of the rows at this step; `_row` is the distance between rows in floats, where rows are not dense. */
#ifndef KD_CPU_RECURRENT_STEP_H
#define KD_CPU_RECURRENT_STEP_H

#include "device/op.h"

typedef struct kd_recurrent_step {
  kd_recurrent_attr attr;
  int64_t units;
  const float *mask, *drop; /* NULL: none; drop: (gates, units) of a row */
  int64_t mask_row, drop_row;
  /* The product of each gate: h U_g forward, its gradient backward (written). */
  float *gate[KD_CELL_MAX_GATES];
  int64_t gate_row;
  /* The last gate of GRU_BEFORE multiplies something else, so its rows stand elsewhere. */
  int64_t last_gate_row;
  const float *c_before; /* LSTM */
  int64_t c_before_row;
  float *reset; /* GRU_BEFORE: r * h * drop, the left operand of its last gate */
  int64_t reset_row;
} kd_recurrent_step;

typedef struct kd_recurrent_forward {
  kd_recurrent_step step;
  const float *z;
  int64_t z_row;
  const float *bias; /* NULL: none */
  float *h;          /* dense (rows, units), replaced */
  float *saved, *y;
  const float *y_before; /* NULL: zeros */
  int64_t saved_row, y_row;
} kd_recurrent_forward;

typedef struct kd_recurrent_backward {
  kd_recurrent_step step;
  const float *saved, *h, *dy; /* dy NULL: zeros */
  int64_t saved_row, h_row, dy_row;
  /* Gradient of the state behind the step, replaced by the part of that before it that goes past the
   * products; the products' part comes in `back`, one per product and with the drop factors of its gate. */
  float *dh, *dc;
  const float *back[KD_CELL_MAX_GATES];
  int n_back;
  float *dheld; /* gradient of the y that masked steps repeat; NULL: they do not */
  float *dz;
  int64_t dz_row;
  float *dproduct; /* GRU: gradient of h U + b where it differs from dz; NULL: not wanted */
} kd_recurrent_backward;

#endif
