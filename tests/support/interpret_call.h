/* What one evaluation function of the interpreter gets, and index arithmetic they share. */
#ifndef KD_TEST_INTERPRET_CALL_H
#define KD_TEST_INTERPRET_CALL_H

#include "support/interpret.h"

typedef struct call {
  kd_op op;
  const void *attr;
  int n_inputs, n_outputs;
  kd_shape x_shape[KD_MAX_INPUTS], y_shape[KD_MAX_OUTPUTS];
  kd_dtype y_dtype[KD_MAX_OUTPUTS];
  const double *x[KD_MAX_INPUTS];
  double *y[KD_MAX_OUTPUTS]; /* zeroed */
} call;

typedef struct cell {
  int64_t i[KD_MAX_RANK];
} cell;

/* The coordinates of element `flat`, and back. */
cell cell_of(const kd_shape *shape, int64_t flat);
int64_t flat_of(const kd_shape *shape, const cell *at);
/* The element of a tensor of shape `from` that stands at cell `at` of shape `to`, by NumPy's broadcasting. */
int64_t broadcast_flat(const kd_shape *from, const kd_shape *to, const cell *at);
double apply_epilogue(kd_epilogue epilogue, double x);

#define KD_OP(ID, name, attr, min_in, max_in, n_out, flags) void interpret_##name(const call *c);
#include "device/ops.def"
#undef KD_OP

#endif
