/* One operation outside a plan: tensors with random values, prepare, bind, run. Memory around the results is
 * watched, results start as NaN. */
#ifndef KD_TEST_LAUNCH_H
#define KD_TEST_LAUNCH_H

#include "device/backend.h"

enum { TEST_MAX_TENSORS = 8 };

typedef struct test_launch {
  const kd_kernel *kernel;
  kd_launch launch;
  kd_device device;
  kd_tensor input[TEST_MAX_TENSORS], output[TEST_MAX_TENSORS];
  bool weight_input[TEST_MAX_TENSORS];
} test_launch;

void test_launch_start(test_launch *test, const kd_kernel *kernel, kd_op op, const void *attr);
/* Adds an input of float32 values uniform in [-1, 1), or of another type filled with zeros; returns its data.
 */
void *test_launch_input(test_launch *test, kd_dtype dtype, kd_shape shape);
float *test_launch_output(test_launch *test, kd_shape shape);
/* prepare; the status is the kernel's. */
kd_status test_launch_prepare(test_launch *test);
/* bind (prepare must have succeeded), refresh, run; fails the test on any error or a write outside a result.
 */
void test_launch_run(test_launch *test);
void test_launch_rerun(test_launch *test); /* run alone */
void test_launch_end(test_launch *test);

/* Deterministic uniform numbers in [-1, 1). */
float test_random(void);

#endif
