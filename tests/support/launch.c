#include "support/launch.h"

#include <math.h>

#include "support/check.h"

enum { GUARD = 64 }; /* bytes before and after every tensor */

static uint32_t random_state = 12345;

float test_random(void) {
  random_state = random_state * 1664525u + 1013904223u;
  return (float)(random_state >> 8) / (float)(1 << 23) - 1.0f;
}

static void *guarded(size_t bytes) {
  size_t padded = (bytes + 63) / 64 * 64;
  char *block = aligned_alloc(64, padded + 2 * GUARD);
  assert_non_null(block);
  memset(block, 0x5a, padded + 2 * GUARD);
  return block + GUARD;
}

static void check_guard(const void *data, size_t bytes) {
  const char *block = (const char *)data - GUARD;
  size_t padded = (bytes + 63) / 64 * 64;
  for (size_t i = 0; i < GUARD; i++)
    if (block[i] != 0x5a) fail_msg("a kernel wrote before its memory");
  for (size_t i = bytes; i < padded + GUARD; i++)
    if (block[GUARD + i] != 0x5a) fail_msg("a kernel wrote behind its memory of %zu bytes", bytes);
}

static void release(void *data) {
  if (data) free((char *)data - GUARD);
}

void test_launch_start(test_launch *test, const kd_kernel *kernel, kd_op op, const void *attr) {
  *test = (test_launch){.kernel = kernel};
  assert_ok(kd_device_open("cpu", 0, 1, true, &test->device));
  test->launch = (kd_launch){.op = op,
                             .attr = attr,
                             .input = test->input,
                             .output = test->output,
                             .weight_input = test->weight_input,
                             .device = &test->device,
                             .run = kernel->run};
}

void *test_launch_input(test_launch *test, kd_dtype dtype, kd_shape shape) {
  kd_tensor *tensor = &test->input[test->launch.n_inputs++];
  *tensor = (kd_tensor){.dtype = dtype, .shape = shape};
  tensor->data = guarded(kd_tensor_bytes(tensor));
  memset(tensor->data, 0, kd_tensor_bytes(tensor));
  if (dtype == KD_F32)
    for (int64_t i = 0; i < kd_shape_count(&shape); i++) ((float *)tensor->data)[i] = test_random();
  return tensor->data;
}

float *test_launch_output(test_launch *test, kd_shape shape) {
  kd_tensor *tensor = &test->output[test->launch.n_outputs++];
  *tensor = (kd_tensor){.dtype = KD_F32, .shape = shape};
  tensor->data = guarded(kd_tensor_bytes(tensor));
  for (int64_t i = 0; i < kd_shape_count(&shape); i++) ((float *)tensor->data)[i] = NAN;
  return tensor->data;
}

kd_status test_launch_prepare(test_launch *test) {
  return test->kernel->prepare ? test->kernel->prepare(&test->launch) : KD_OK;
}

void test_launch_run(test_launch *test) {
  kd_launch *launch = &test->launch;
  launch->workspace = guarded(launch->workspace_bytes);
  launch->state = guarded(launch->state_bytes);
  memset(launch->workspace, 0xff, launch->workspace_bytes);
  memset(launch->state, 0, launch->state_bytes);
  if (test->kernel->bind) assert_ok(test->kernel->bind(launch));
  if (test->kernel->refresh) assert_ok(test->kernel->refresh(launch));
  test_launch_rerun(test);
}

void test_launch_rerun(test_launch *test) {
  kd_launch *launch = &test->launch;
  assert_ok(launch->run(launch));
  check_guard(launch->workspace, launch->workspace_bytes);
  check_guard(launch->state, launch->state_bytes);
  for (int i = 0; i < launch->n_outputs; i++)
    check_guard(test->output[i].data, kd_tensor_bytes(&test->output[i]));
  for (int i = 0; i < launch->n_inputs; i++)
    check_guard(test->input[i].data, kd_tensor_bytes(&test->input[i]));
}

void test_launch_end(test_launch *test) {
  kd_launch *launch = &test->launch;
  if (test->kernel->release) test->kernel->release(launch);
  for (int i = 0; i < launch->n_inputs; i++) release(test->input[i].data);
  for (int i = 0; i < launch->n_outputs; i++) release(test->output[i].data);
  release(launch->workspace);
  release(launch->state);
  kd_device_close(&test->device);
}
