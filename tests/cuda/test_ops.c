// ctest: cuda=emulated,gpu timeout=600
/* Every primitive's CUDA kernel against the interpreter: values are right, nothing outside of the results is
 * written, and bits depend neither on alignment nor (emulated) on the order in which blocks and threads run.
 * Convolutions run by plans of cuDNN, then (emulated) by own loops, which take over where it has none. */
#include "cuda/open_device.h"
#ifndef KD_TEST_GPU
#include "device/cuda/attention.h"
#endif
#include "support/op_case.h"
#include "support/xent_rows.h"

enum { MOST_BYTES = 1 << 21 };

static bool reproducible = true; /* of the devices that are opened */
static int planned[KD_N_OPS];    /* runs by plans of cuDNN */

static bool is_convolution(kd_op op) {
  return op == KD_OP_CONV || op == KD_OP_CONV_GRAD_DATA || op == KD_OP_CONV_GRAD_KERNEL;
}

static bool in_pieces; /* the last run */

static size_t run_variant(op_run *run, const char *order, int offset, char *bits) {
  kd_device device = open_device();
  device.reproducible = reproducible;
  size_t used = 0;
  char where[64];
  setenv("KD_EMULATE", order, 1);
  snprintf(where, sizeof where, "CUDA, %s, offset %d", order, offset);
  op_run_prepare(run, &device, offset, false);
  for (int again = 0; again < 2; again++) op_run_once(run);
  op_run_compare(run, where);
  planned[run->what->op] += run->launch.note && strncmp(run->launch.note, "cuDNN", 5) == 0;
  in_pieces = run->launch.note && strcmp(run->launch.note, "cuDNN, in pieces") == 0;
  for (int o = 0; o < run->node->n_outputs; o++) {
    size_t bytes = kd_tensor_bytes(&run->output[o]);
    assert_true(used + bytes <= MOST_BYTES);
    memcpy(bits + used, run->result[o].data, bytes);
    used += bytes;
  }
  op_run_finish(run);
  kd_device_close(&device);
  return used;
}

/* Plans of cuDNN are made for addresses that are multiples of 16. */
static int offset_of(kd_op op) {
  return is_convolution(op) ? 16 : 4;
}

static void check_case(const op_case *what) {
  static char first[MOST_BYTES], other[MOST_BYTES];
  op_run run;
  op_run_open(&run, what, true);
  size_t size = run_variant(&run, "forward", 0, first), again = run_variant(&run, "reverse", 0, other);
  if (size != again || memcmp(first, other, size) != 0)
    fail_msg("%s (%s): two runs differ", kd_op_get(what->op)->name, what->name);
  run_variant(&run, "forward", offset_of(what->op), other);
  op_run_close(&run);
}

static void test_cases(void **state) {
  (void)state;
  for (int i = 0; i < n_op_cases; i++) check_case(&op_cases[i]);
}

static void check_values(const op_case *what) {
  static char bits[MOST_BYTES];
  op_run run;
  op_run_open(&run, what, true);
  run_variant(&run, "forward", 0, bits);
  op_run_close(&run);
}

/* The same rows in types of 16 bits, products also with a kernel, or the gradient of one, in float32;
 * attention also with sums in any order, which takes another graph of cuDNN. */
static void check_types(const op_case *what, kd_dtype type) {
  op_typed_case c;
  if (!op_case_has_types(what) || !op_case_convert(what, type, &c)) return;
  check_values(&c.what);
  if (what->op == KD_OP_ATTENTION_GRAD) {
    reproducible = false;
    check_values(&c.what);
    reproducible = true;
  }
  if (op_case_keep_master(&c)) check_values(&c.what);
}

static void run_half_types(void) {
  for (int i = 0; i < n_op_cases; i++)
    for (kd_dtype type = KD_BF16; type <= KD_F16; type++) check_types(&op_cases[i], type);
}

static void test_xent_rows(void **state) {
  (void)state;
  kd_device device = open_device();
  check_xent_rows(&device, KD_F32, "CUDA");
  kd_device_close(&device);
}

/* cuDNN does in 16 bits what it is there for; with `any` false nothing at all. */
static void check_planned(bool any) {
  static const kd_op ops[] = {KD_OP_CONV, KD_OP_CONV_GRAD_DATA, KD_OP_CONV_GRAD_KERNEL, KD_OP_ATTENTION,
                              KD_OP_ATTENTION_GRAD};
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if ((planned[ops[i]] > 0) != any)
      fail_msg("%s: %d runs by plans of cuDNN", kd_op_get(ops[i])->name, planned[ops[i]]);
}

static void test_half_types(void **state) {
  (void)state;
  memset(planned, 0, sizeof planned);
  run_half_types();
  check_planned(true);
}

#ifndef KD_TEST_GPU
/* The same bits in one piece, in samples and in heads of one group. */
static void check_pieces(const op_case *what, kd_dtype type, int *tried) {
  static char whole[MOST_BYTES], parts[MOST_BYTES];
  static const int64_t limits[] = {128 << 10, 1};
  const int64_t usual = kd_attention_piece;
  op_typed_case c;
  op_run run;
  if (!op_case_convert(what, type, &c)) return;
  op_run_open(&run, &c.what, true);
  size_t size = run_variant(&run, "forward", 0, whole);
  assert_false(in_pieces);
  for (int l = 0; l < 2; l++) {
    kd_attention_piece = limits[l];
    run_variant(&run, "forward", 0, parts);
    tried[l] += in_pieces;
    if (memcmp(whole, parts, size) != 0) fail_msg("%s: pieces differ from the whole", what->name);
  }
  kd_attention_piece = usual;
  op_run_close(&run);
}

static void test_pieces(void **state) {
  (void)state;
  int tried[2] = {0};
  for (int i = 0; i < n_op_cases; i++)
    for (kd_dtype type = KD_BF16; type <= KD_F16; type++)
      if (op_cases[i].op == KD_OP_ATTENTION_GRAD) check_pieces(&op_cases[i], type, tried);
  assert_true(tried[0] > 4 && tried[1] > tried[0]);
}

static void test_without_plans(void **state) {
  (void)state;
  setenv("KD_EMULATE_DNN", "none", 1);
  memset(planned, 0, sizeof planned);
  for (int i = 0; i < n_op_cases; i++)
    if (is_convolution(op_cases[i].op)) check_case(&op_cases[i]);
  run_half_types();
  check_planned(false);
  unsetenv("KD_EMULATE_DNN");
}
#endif

/* A result in float32 of operands that are no short numbers. */
static size_t run_fractions(const op_case *what, bool allow_tf32, float *result) {
  op_run run;
  kd_device device = open_device();
  device.tf32 = allow_tf32;
  op_run_open(&run, what, false);
  for (int i = 0; i < what->n_inputs; i++)
    for (int64_t e = 0; e < kd_shape_count(&what->input[i].shape); e++)
      run.values[run.node->input[i]][e] = (float)(run.values[run.node->input[i]][e] / 3);
  op_run_prepare(&run, &device, 0, false);
  op_run_once(&run);
  size_t bytes = kd_tensor_bytes(&run.output[0]);
  assert_true(bytes <= MOST_BYTES);
  memcpy(result, run.result[0].data, bytes);
  op_run_finish(&run);
  op_run_close(&run);
  kd_device_close(&device);
  return bytes / sizeof(float);
}

/* Products in TF32: close to those of float32, and others; by both libraries. */
static void test_tf32(void **state) {
  (void)state;
  static float exact[MOST_BYTES / sizeof(float)], rounded[MOST_BYTES / sizeof(float)];
  for (int i = 0; i < n_op_cases; i++) {
    const op_case *what = &op_cases[i];
    if (what->op != KD_OP_MATMUL && !is_convolution(what->op)) continue;
    size_t count = run_fractions(what, false, exact);
    run_fractions(what, true, rounded);
    assert_close(rounded, exact, count, 2e-3, 2e-3, what->name);
    if (count > 0 && memcmp(exact, rounded, count * sizeof(float)) == 0)
      fail_msg("%s (%s): TF32 changes nothing", kd_op_get(what->op)->name, what->name);
  }
}

int main(void) {
  NEED_DEVICE();
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases),         cmocka_unit_test(test_half_types),
                                     cmocka_unit_test(test_xent_rows),
#ifndef KD_TEST_GPU
                                     cmocka_unit_test(test_without_plans), cmocka_unit_test(test_pieces),
#endif
                                     cmocka_unit_test(test_tf32)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
