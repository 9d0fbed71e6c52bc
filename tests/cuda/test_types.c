// ctest: cuda=emulated
/* Types that no rule of a graph makes: kernels of both backends refuse them before they read memory. */
#include "cuda/open_device.h"
#include "device/cpu/cpu.h"

typedef struct operation {
  kd_launch launch;
  kd_tensor input[2], output[1];
} operation;

/* Both inputs (4, 4), output (4, 4): prepare of the kernel that the backend has. */
static kd_status prepare(kd_device *device, kd_op op, const void *attr, kd_dtype a, kd_dtype b, kd_dtype c) {
  kd_shape shape = KD_SHAPE(4, 4);
  operation o = {.input = {{.dtype = a, .shape = shape}, {.dtype = b, .shape = shape}},
                 .output = {{.dtype = c, .shape = shape}}};
  o.launch = (kd_launch){.op = op,
                         .attr = attr,
                         .n_inputs = 2,
                         .n_outputs = 1,
                         .input = o.input,
                         .output = o.output,
                         .device = device};
  const kd_kernel *kernel = device->backend->kernel(op);
  kd_status status = kernel->prepare(&o.launch);
  if (kernel->release) kernel->release(&o.launch);
  return status;
}

static void check_indices(kd_device *device) {
  static const kd_dtype refused[] = {KD_BF16, KD_F16, KD_F64};
  static const kd_op by_second[] = {KD_OP_GATHER, KD_OP_IN_TOP_K};
  char text[100];
  for (unsigned i = 0; i < 3; i++)
    for (unsigned k = 0; k < 2; k++) {
      snprintf(text, sizeof text, "numbers of rows or classes cannot be %s; cast them to int32",
               kd_dtype_name(refused[i]));
      kd_axis_attr attr = {0};
      assert_fails(prepare(device, by_second[k], &attr, KD_F32, refused[i], KD_F32), KD_ERR_INTERNAL, text);
    }
}

static void test_indices(void **state) {
  (void)state;
  kd_device cuda = open_device(), cpu;
  assert_ok(kd_device_open("cpu", 0, 1, true, &cpu));
  check_indices(&cuda);
  check_indices(&cpu);
  kd_device_close(&cpu);
  cuda.backend->close(&cuda);
}

static void test_products(void **state) {
  (void)state;
  static const char text[] = "matmul on CUDA takes two factors of one type, float32 or half, not ";
  kd_device device = open_device();
  kd_matmul_attr attr = {0};
  assert_fails(prepare(&device, KD_OP_MATMUL, &attr, KD_I32, KD_I32, KD_F32), KD_ERR_INTERNAL, text);
  assert_fails(prepare(&device, KD_OP_MATMUL, &attr, KD_F32, KD_I32, KD_F32), KD_ERR_INTERNAL, text);
  device.backend->close(&device);
}

static void test_reductions(void **state) {
  (void)state;
  kd_device device = open_device();
  kd_reduce_attr attr = {.kind = KD_REDUCE_SUM};
  assert_fails(prepare(&device, KD_OP_REDUCE, &attr, KD_F32, KD_F32, KD_I32), KD_ERR_INTERNAL,
               "reduce on CUDA gives floats, not int32");
  device.backend->close(&device);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_indices),
      cmocka_unit_test(test_products),
      cmocka_unit_test(test_reductions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
