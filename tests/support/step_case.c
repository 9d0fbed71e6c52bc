#include "support/step_case.h"

#include <float.h>
#include <math.h>

#include "support/check.h"
#include "support/op_case.h"

enum { SIZE = 44 * 44 }; /* all pairs of the special values */

bool step_is_function(kd_pw op) {
  return op != KD_PW_CONST && op != KD_PW_UNIFORM && op != KD_PW_NORMAL;
}

static double ulp(double x) {
  int exponent;
  frexp(fabs(x), &exponent);
  return ldexp(1, exponent - 24 < -149 ? -149 : exponent - 24);
}

/* The interpreter's double, brought to float, within 4 units in the last place; zero for results that are not
 * normal. */
static bool close_enough(float value, double expected) {
  float rounded = (float)expected;
  if (isnan(rounded) || isinf(rounded)) return isnan(rounded) ? isnan(value) : value == rounded;
  if (fabs(expected) <= 4 * (double)FLT_MIN) return fabs((double)value - expected) <= 4 * (double)FLT_MIN;
  return fabs((double)value - expected) <= 4 * ulp(expected);
}

kd_pointwise_attr step_program(kd_pw op, kd_shape shape) {
  int operands = kd_pw_operands(op);
  kd_pointwise_attr attr = {.n_inputs = operands, .n_steps = 1, .n_outputs = 1, .shape = shape};
  attr.step[0] = (kd_pw_step){.op = (uint8_t)op, .arg = {0, (uint8_t)(operands > 1), operands > 2 ? 2 : 0}};
  attr.output[0] = (uint8_t)operands;
  return attr;
}

/* Products of huge and tiny numbers are kept out of the sum's rounding: FMA has one operand of plain values.
 */
void step_check(kd_pw op, kd_device *device, int offset) {
  kd_pointwise_attr attr = step_program(op, KD_SHAPE(SIZE));
  op_input inputs[3] = {F32(SPECIAL, SIZE), F32(SPECIAL, SIZE), F32(NORMAL, SIZE)};
  op_case what = {kd_pw_name(op), KD_OP_POINTWISE, 0, &attr, attr.n_inputs, inputs};
  op_run run;
  op_run_open(&run, &what, true);
  op_run_prepare(&run, device, offset, false);
  op_run_once(&run);
  assert_ok(device->backend->finish(device));
  const float *y = run.result[0].data;
  const double *expected = run.values[run.node->output[0]];
  for (int i = 0; i < SIZE; i++) {
    if (close_enough(y[i], expected[i])) continue;
    double a = run.values[0][i], b = attr.n_inputs > 1 ? run.values[1][i] : 0;
    fail_msg("%s, %s: of (%g, %g) is %.9g, expected %.9g", kd_pw_name(op), device->backend->describe(device),
             a, b, (double)y[i], expected[i]);
  }
  op_run_finish(&run);
  op_run_close(&run);
}
