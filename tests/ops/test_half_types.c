/* The rows of cases.def again with all float32 operands in bfloat16 and in float16, and products also with
 * one operand in float32, as kernels of weights have it. The interpreter rounds where the types say so. */
#include <math.h>
#include <string.h>

#include "device/cpu/half_kernels.h"
#include "device/cpu/isa.h"
#include "support/check.h"
#include "support/interpret.h"
#include "support/op_case.h"

static void check_run(const op_case *what, int threads, bool weights, const char *isa) {
  kd_device device;
  op_run run;
  char where[64];
  assert_ok(kd_device_open("cpu", 0, threads, true, &device));
  snprintf(where, sizeof where, "%s, %s, %d threads", kd_dtype_name(what->input[0].dtype), isa, threads);
  op_run_open(&run, what, true);
  run.weight_input[1] = weights;
  op_run_prepare(&run, &device, 0, false);
  for (int again = 0; again < 2; again++) op_run_once(&run);
  op_run_compare(&run, where);
  op_run_finish(&run);
  op_run_close(&run);
  kd_device_close(&device);
}

/* A kernel in float32, kept between runs, and its gradient in float32. */
static void check_master(op_typed_case *c, const char *isa) {
  if (op_case_keep_master(c)) check_run(&c->what, 1, c->what.op != KD_OP_CONV_GRAD_KERNEL, isa);
}

static void check_all(kd_isa isa) {
  for (int i = 0; i < n_op_cases; i++)
    for (kd_dtype type = KD_BF16; type <= KD_F16; type++) {
      op_typed_case c;
      if (!op_case_has_types(&op_cases[i]) || !op_case_convert(&op_cases[i], type, &c)) continue;
      check_run(&c.what, 1, false, kd_isa_name(isa));
      check_run(&c.what, 2, false, kd_isa_name(isa));
      check_master(&c, kd_isa_name(isa));
    }
}

/* --- kernels that read half types themselves ------------------------------------------------------- */

/* The float32 kernel on the same values. */
static void open_plain(op_run *plain, const op_run *half, const op_case *row, kd_device *device) {
  op_run_open(plain, row, false);
  for (int i = 0; i < row->n_inputs; i++) {
    size_t bytes = (size_t)kd_shape_count(&row->input[i].shape) * sizeof(double);
    memcpy(plain->values[plain->node->input[i]], half->values[half->node->input[i]], bytes);
  }
  op_run_prepare(plain, device, 0, false);
  op_run_once(plain);
}

static void compare_rounded(const op_run *half, const op_run *plain, const char *isa) {
  for (int o = 0; o < half->node->n_outputs; o++) {
    kd_dtype type = half->output[o].dtype;
    for (int64_t i = 0; i < kd_shape_count(&half->output[o].shape); i++) {
      double value = op_data_decode(&half->result[o], i);
      double want = round_to(type, op_data_decode(&plain->result[o], i));
      if (value != want && !(isnan(value) && isnan(want)))
        fail_msg("%s (%s, %s, %s): output %d, element %lld is %.9g, converted it is %.9g",
                 kd_op_get(half->what->op)->name, half->what->name, kd_dtype_name(type), isa, o, (long long)i,
                 value, want);
    }
  }
}

/* The bits are those of converting everything to float32 and the results back. Returns whether the kernel
 * took its operands as they are. */
static bool check_bits(const op_case *row, kd_dtype type, const char *isa) {
  kd_device device;
  op_typed_case c;
  op_run half, plain;
  if (!op_case_has_types(row) || !op_case_convert(row, type, &c)) return false;
  assert_ok(kd_device_open("cpu", 0, 1, true, &device));
  op_run_open(&half, &c.what, false);
  op_run_prepare(&half, &device, 2, false);
  bool taken = kd_cpu_half_inputs(&half.launch) != 0;
  if (taken) {
    op_run_once(&half);
    open_plain(&plain, &half, row, &device);
    compare_rounded(&half, &plain, isa);
    op_run_finish(&plain);
    op_run_close(&plain);
  }
  op_run_finish(&half);
  op_run_close(&half);
  kd_device_close(&device);
  return taken;
}

static void same_bits_as_converted(void **state) {
  (void)state;
  static const kd_op ops[] = {KD_OP_POOL,         KD_OP_POOL_GRAD,       KD_OP_BATCH_NORM,
                              KD_OP_NORM_POOL,    KD_OP_BATCH_NORM_GRAD, KD_OP_NORM_POOL_GRAD,
                              KD_OP_LAYER_NORM,   KD_OP_LAYER_NORM_GRAD, KD_OP_SOFTMAX,
                              KD_OP_SOFTMAX_GRAD, KD_OP_SPARSE_XENT,     KD_OP_SPARSE_XENT_GRAD};
  for (int isa = (int)kd_isa_available(); isa >= 0; isa--) {
    int taken[KD_N_OPS] = {0};
    setenv("KDIST_ISA", kd_isa_name((kd_isa)isa), 1);
    for (int i = 0; i < n_op_cases; i++)
      for (kd_dtype type = KD_BF16; type <= KD_F16; type++)
        taken[op_cases[i].op] += check_bits(&op_cases[i], type, kd_isa_name((kd_isa)isa));
    for (size_t k = 0; k < sizeof ops / sizeof *ops; k++) assert_true(taken[ops[k]] > 0);
  }
  unsetenv("KDIST_ISA");
}

/* The mean of two neighbouring values of a half type is halfway between them: a tie of rounding. All values
 * are there once, NaN and infinities too. */
enum { PATTERNS = 1 << 16 };
static uint16_t pattern[PATTERNS], mean[PATTERNS / 2];

static void average_pairs(kd_device *device, kd_dtype type, int64_t channels) {
  kd_pool_attr attr = {.spatial = 1, .average = true, .window = {2}, .stride = {2}};
  kd_tensor x = {type, KD_SHAPE(1, PATTERNS / channels, channels), pattern};
  kd_tensor y = {type, KD_SHAPE(1, PATTERNS / channels / 2, channels), mean};
  const kd_kernel *kernel = device->backend->kernel(KD_OP_POOL);
  kd_launch launch = {.op = KD_OP_POOL,
                      .attr = &attr,
                      .n_inputs = 1,
                      .n_outputs = 1,
                      .input = &x,
                      .output = &y,
                      .device = device,
                      .run = kernel->run};
  for (int64_t i = 0; i < PATTERNS; i++) /* pairs stand `channels` apart */
    pattern[i] = (uint16_t)(i / (2 * channels) * (2 * channels) + i % channels * 2 + i / channels % 2);
  assert_ok(kernel->prepare(&launch));
  assert_int_equal(launch.workspace_bytes, 0);
  assert_ok(kernel->bind(&launch));
  assert_ok(launch.run(&launch));
  kernel->release(&launch);
}

static void check_ties(kd_dtype type, int64_t channels, const char *isa) {
  kd_device device;
  assert_ok(kd_device_open("cpu", 0, 1, true, &device));
  average_pairs(&device, type, channels);
  kd_tensor x = {type, KD_SHAPE(PATTERNS), pattern}, y = {type, KD_SHAPE(PATTERNS / 2), mean};
  for (int64_t i = 0; i < PATTERNS / 2; i++) {
    int64_t first = i / channels * 2 * channels + i % channels;
    double a = op_data_decode(&x, first), b = op_data_decode(&x, first + channels);
    if (fabs(a) < 0x1p-126 || fabs(b) < 0x1p-126) continue; /* below float32's normal numbers */
    double value = op_data_decode(&y, i), want = round_to(type, (double)(float)(a + b) / 2);
    if (value != want && !(isnan(value) && isnan(want)))
      fail_msg("%s, %s: the mean of %.9g and %.9g is %.9g, not %.9g", kd_dtype_name(type), isa, a, b, value,
               want);
  }
  kd_device_close(&device);
}

static void ties_are_rounded_to_even(void **state) {
  (void)state;
  for (int isa = (int)kd_isa_available(); isa >= 0; isa--) {
    setenv("KDIST_ISA", kd_isa_name((kd_isa)isa), 1);
    for (kd_dtype type = KD_BF16; type <= KD_F16; type++) {
      check_ties(type, 1, kd_isa_name((kd_isa)isa)); /* parts of vectors */
      check_ties(type, 64, kd_isa_name((kd_isa)isa));
    }
  }
  unsetenv("KDIST_ISA");
}

/* Best level first: oneDNN keeps the level of the first device. */
static void test_cases(void **state) {
  (void)state;
  for (int isa = (int)kd_isa_available(); isa >= 0; isa--) {
    setenv("KDIST_ISA", kd_isa_name((kd_isa)isa), 1);
    check_all((kd_isa)isa);
  }
  unsetenv("KDIST_ISA");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(same_bits_as_converted),
                                     cmocka_unit_test(ties_are_rounded_to_even)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
