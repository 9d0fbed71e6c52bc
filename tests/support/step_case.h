/* One step of pointwise programs alone, on any device. */
#ifndef KD_TEST_STEP_CASE_H
#define KD_TEST_STEP_CASE_H

#include "device/backend.h"

bool step_is_function(kd_pw op); /* of its operands: no constant, no draw */
/* The program of one step over inputs of this shape. */
kd_pointwise_attr step_program(kd_pw op, kd_shape shape);
/* All pairs of special values within 4 units in the last place of the interpreter's. */
void step_check(kd_pw op, kd_device *device, int offset);

#endif
