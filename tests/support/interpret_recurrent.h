/* What the two halves of the reference of recurrent sequences share. */
#ifndef KD_TEST_INTERPRET_RECURRENT_H
#define KD_TEST_INTERPRET_RECURRENT_H

#include "support/interpret_call.h"

/* The function of a cell, and its derivative at the point where it has the value y. */
double cell_function(kd_cell_fn fn, double x);
double cell_slope(kd_cell_fn fn, double y);

#endif
