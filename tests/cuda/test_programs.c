// ctest: cuda=library timeout=600
/* NVRTC takes every generated program: those of ops/cases.def and each step alone, for three generations of
 * GPUs. That the same text computes the right values is seen by test_ops and test_steps. */
#include <time.h>

#include "device/cuda/module.h"
#include "device/cuda/program.h"
#include "support/check.h"
#include "support/op_case.h"
#include "support/step_case.h"

static const int capabilities[] = {75, 80, 90};
static int programs;
static size_t code_bytes;

static void compile(const kd_launch *launch, const char *name) {
  char *text = kd_cuda_program_text(launch);
  for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++) {
    char *code;
    size_t bytes;
    if (kd_module_compile(text, capabilities[i], &code, &bytes) != KD_OK)
      fail_msg("%s, sm_%d: %s\n%s", name, capabilities[i], kd_status_text(), text);
    assert_memory_equal(code, "\177ELF", 4);
    code_bytes += bytes;
    kd_free(code);
  }
  programs++;
  kd_free(text);
}

static void compile_attr(const kd_pointwise_attr *attr, int n_inputs, const op_input *inputs,
                         const char *name) {
  kd_tensor input[KD_MAX_INPUTS], output[KD_MAX_OUTPUTS];
  for (int i = 0; i < n_inputs; i++) input[i] = (kd_tensor){inputs[i].dtype, inputs[i].shape, NULL};
  for (int o = 0; o < attr->n_outputs; o++) output[o] = (kd_tensor){attr->output_dtype[o], attr->shape, NULL};
  kd_launch launch = {.op = KD_OP_POINTWISE,
                      .attr = attr,
                      .n_inputs = n_inputs,
                      .n_outputs = attr->n_outputs,
                      .input = input,
                      .output = output};
  compile(&launch, name);
}

static void compile_cases(const op_case *cases, int n) {
  for (int i = 0; i < n; i++)
    if (cases[i].op == KD_OP_POINTWISE)
      compile_attr(cases[i].attr, cases[i].n_inputs, cases[i].input, cases[i].name);
}

static void test_programs(void **state) {
  (void)state;
  double start = (double)clock() / CLOCKS_PER_SEC;
  compile_cases(op_cases, n_op_cases);
  compile_cases(op_benches, n_op_benches);
  const op_input inputs[] = {F32(NORMAL, 100), F32(NORMAL, 100), F32(NORMAL, 100)};
  for (int op = 0; op < KD_N_PW; op++) {
    if (!step_is_function((kd_pw)op)) continue;
    kd_pointwise_attr attr = step_program((kd_pw)op, KD_SHAPE(100));
    compile_attr(&attr, attr.n_inputs, inputs, kd_pw_name((kd_pw)op));
  }
  double seconds = (double)clock() / CLOCKS_PER_SEC - start;
  int compiled = programs * (int)(sizeof capabilities / sizeof *capabilities);
  print_message("%d programs, %d compilations, %.0f ms and %.1f KiB each\n", programs, compiled,
                1e3 * seconds / compiled, (double)code_bytes / compiled / 1024);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_programs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
