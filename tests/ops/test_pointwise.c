/* Every step of pointwise programs alone: special values, all instruction sets, few ulp of error; programs
 * whose results lie in their inputs' place. */
#include <math.h>

#include "device/cpu/isa.h"
#include "support/check.h"
#include "support/op_case.h"
#include "support/step_case.h"

static kd_device device;

static void for_each_isa(void (*check)(void)) {
  for (int isa = (int)kd_isa_available(); isa >= 0; isa--) {
    setenv("KDIST_ISA", kd_isa_name((kd_isa)isa), 1);
    assert_ok(kd_device_open("cpu", 0, 1, true, &device));
    check();
    kd_device_close(&device);
  }
  unsetenv("KDIST_ISA");
}

static void check_steps(void) {
  for (int op = 0; op < KD_N_PW; op++)
    if (step_is_function((kd_pw)op)) step_check((kd_pw)op, &device, 4);
}

static void test_steps(void **state) {
  (void)state;
  for_each_isa(check_steps);
}

/* A value's bits must not depend on its position: the whole, and the same without its first elements. */
static void check_positions_of(kd_pw op) {
  float x[3][300], whole[300], part[300];
  for (int k = 0; k < 3; k++)
    for (int i = 0; i < 300; i++) x[k][i] = (float)(i * (k + 1) % 97) / 13.0f + 0.01f;
  kd_pointwise_attr attr = step_program(op, KD_SHAPE(300));
  for (int skip = 0; skip < 20; skip++) {
    attr.shape.dim[0] = 300 - skip;
    kd_tensor in[3], out = {KD_F32, attr.shape, skip ? part : whole};
    for (int k = 0; k < 3; k++) in[k] = (kd_tensor){KD_F32, attr.shape, x[k] + skip};
    kd_launch launch = {.op = KD_OP_POINTWISE,
                        .attr = &attr,
                        .n_inputs = attr.n_inputs,
                        .n_outputs = 1,
                        .input = in,
                        .output = &out,
                        .device = &device};
    const kd_kernel *kernel = device.backend->kernel(KD_OP_POINTWISE);
    assert_ok(kernel->prepare(&launch));
    assert_ok(kernel->bind(&launch));
    assert_ok(kernel->run(&launch));
    kernel->release(&launch);
    size_t bytes = (size_t)(300 - skip) * sizeof(float);
    if (skip && memcmp(whole + skip, part, bytes) != 0)
      fail_msg("%s, %s: bits depend on the position", kd_pw_name(op), device.backend->describe(&device));
  }
}

static void check_positions(void) {
  for (int op = 0; op < KD_N_PW; op++)
    if (step_is_function((kd_pw)op)) check_positions_of((kd_pw)op);
}

static void test_positions(void **state) {
  (void)state;
  for_each_isa(check_positions);
}

/* Momentum: v = m v - rate g; p = p + v, both in place, and the old p copied out; then the same with separate
 * results must give the same bits. */
static void run_momentum(float *p, float *v, const float *g, float *new_p, float *new_v, float *old_p,
                         int64_t n) {
  const kd_pointwise_attr attr = {.n_inputs = 3,
                                  .n_steps = 6,
                                  .n_outputs = 3,
                                  .shape = KD_SHAPE(n),
                                  .output = {8, 7, 0},
                                  .step = {{KD_PW_CONST, {0}, {0.9f}},
                                           {KD_PW_CONST, {0}, {-0.1f}},
                                           {KD_PW_MUL, {3, 1, 0}, {0}},
                                           {KD_PW_MUL, {4, 2, 0}, {0}},
                                           {KD_PW_ADD, {5, 6, 0}, {0}},
                                           {KD_PW_ADD, {0, 7, 0}, {0}}}};
  kd_tensor in[3] = {{KD_F32, attr.shape, p}, {KD_F32, attr.shape, v}, {KD_F32, attr.shape, (float *)g}};
  kd_tensor out[3] = {{KD_F32, attr.shape, new_p}, {KD_F32, attr.shape, new_v}, {KD_F32, attr.shape, old_p}};
  kd_launch launch = {.op = KD_OP_POINTWISE,
                      .attr = &attr,
                      .n_inputs = 3,
                      .n_outputs = 3,
                      .input = in,
                      .output = out,
                      .device = &device};
  const kd_kernel *kernel = device.backend->kernel(KD_OP_POINTWISE);
  assert_ok(kernel->prepare(&launch));
  assert_ok(kernel->bind(&launch));
  assert_ok(kernel->run(&launch));
  kernel->release(&launch);
}

static void check_in_place(void) {
  enum { N = 1000 };
  float p[N], v[N], g[N], other_p[N], other_v[N], old[N], other_old[N];
  for (int i = 0; i < N; i++) p[i] = (float)i, v[i] = (float)(i % 7), g[i] = (float)(i % 11) - 5;
  run_momentum(p, v, g, other_p, other_v, other_old, N);
  run_momentum(p, v, g, p, v, old, N);
  assert_memory_equal(p, other_p, sizeof p);
  assert_memory_equal(v, other_v, sizeof v);
  assert_memory_equal(old, other_old, sizeof old);
}

static void test_in_place(void **state) {
  (void)state;
  for_each_isa(check_in_place);
}

/* An output over a part of an input cannot be run tile by tile. */
static void check_overlap(void) {
  float x[600] = {0};
  kd_pointwise_attr attr = step_program(KD_PW_NEG, KD_SHAPE(300));
  kd_tensor in = {KD_F32, attr.shape, x}, out = {KD_F32, attr.shape, x + 100};
  kd_launch launch = {.op = KD_OP_POINTWISE,
                      .attr = &attr,
                      .n_inputs = 1,
                      .n_outputs = 1,
                      .input = &in,
                      .output = &out,
                      .device = &device};
  const kd_kernel *kernel = device.backend->kernel(KD_OP_POINTWISE);
  assert_ok(kernel->prepare(&launch));
  assert_fails(kernel->bind(&launch), KD_ERR_INTERNAL, "overlaps");
  kernel->release(&launch);
}

static void test_overlap(void **state) {
  (void)state;
  for_each_isa(check_overlap);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_steps),
      cmocka_unit_test(test_positions),
      cmocka_unit_test(test_in_place),
      cmocka_unit_test(test_overlap),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
