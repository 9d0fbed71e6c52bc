// ctest: cuda=library timeout=300
/* What cuDNN plans for convolutions on GPUs that are not here: each one has a plan in true float32 with a
 * fixed order of sums, below the limit of workspace. */
#include "cuda/devices.h"
#include "device/cuda/dnn_conv.h"
#include "support/check.h"

enum { N_DEVICES = sizeof devices / sizeof *devices, LIMIT = 256 << 20 };

typedef struct shape {
  const char *name;
  int64_t batch, size, channels, filters, window, stride, groups;
  bool same; /* as Keras pads: one more behind when it does not come out even */
} shape;

/* The convolutions of ResNet-50 with Keras's padding, small nets, depthwise and grouped ones. */
static const shape shapes[] = {
    {"stem", 32, 224, 3, 64, 7, 2, 1, true},          {"56 reduce", 32, 56, 256, 64, 1, 1, 1, false},
    {"56 middle", 32, 56, 64, 64, 3, 1, 1, true},     {"56 expand", 32, 56, 64, 256, 1, 1, 1, false},
    {"28 down", 32, 56, 256, 512, 1, 2, 1, false},    {"28 middle", 32, 28, 128, 128, 3, 1, 1, true},
    {"28 stride", 32, 56, 128, 128, 3, 2, 1, true},   {"14 middle", 32, 14, 256, 256, 3, 1, 1, true},
    {"14 expand", 32, 14, 256, 1024, 1, 1, 1, false}, {"7 middle", 32, 7, 512, 512, 3, 1, 1, true},
    {"7 expand", 32, 7, 512, 2048, 1, 1, 1, false},   {"fashion 1", 128, 28, 1, 32, 3, 1, 1, true},
    {"fashion 2", 128, 14, 32, 64, 3, 1, 1, true},    {"odd channels", 8, 13, 5, 7, 3, 2, 1, true},
    {"grouped", 8, 14, 64, 64, 3, 1, 4, true},
};

static kd_dnn_conv spec_of(const shape *s, kd_dnn_pass pass) {
  int64_t out = s->same ? (s->size + s->stride - 1) / s->stride : (s->size - s->window) / s->stride + 1;
  int64_t pad = s->same ? (out - 1) * s->stride + s->window - s->size : 0;
  if (pad < 0) pad = 0;
  kd_dnn_conv spec = {.pass = pass,
                      .spatial = 2,
                      .types = {KD_F32, KD_F32},
                      .wish = {.ordered = true, .exact = true},
                      .after = {0, pad - pad / 2, pad - pad / 2},
                      .conv = {.batch = s->batch,
                               .channels = s->channels,
                               .filters = s->filters,
                               .groups = s->groups,
                               .in = {1, s->size, s->size},
                               .out = {1, out, out},
                               .window = {1, s->window, s->window},
                               .stride = {1, s->stride, s->stride},
                               .dilation = {1, 1, 1},
                               .before = {0, pad / 2, pad / 2}}};
  return spec;
}

static bool has_plan(cudnnBackendDescriptor_t device, const kd_dnn_conv *spec, size_t *workspace) {
  kd_dnn_plan *plan;
  if (kd_dnn_conv_plan(device, spec, &plan) != KD_OK) return false;
  *workspace = kd_dnn_plan_workspace(plan);
  kd_dnn_plan_release(plan);
  return true;
}

static void test_plans(void **state) {
  (void)state;
  static const char *const pass_name[] = {"forward", "data", "kernel"};
  for (int d = 0; d < N_DEVICES; d++) {
    cudnnBackendDescriptor_t device;
    size_t most = 0, fused = 0;
    assert_ok(kd_dnn_device(0, devices[d].json, &device));
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
      for (int pass = KD_DNN_FORWARD; pass <= KD_DNN_KERNEL; pass++) {
        kd_dnn_conv spec = spec_of(&shapes[i], (kd_dnn_pass)pass);
        size_t bytes = 0, ignored;
        if (!has_plan(device, &spec, &bytes))
          fail_msg("%s, %s, %s: %s", devices[d].name, shapes[i].name, pass_name[pass], kd_status_text());
        if (bytes > LIMIT)
          fail_msg("%s, %s, %s: %zu bytes", devices[d].name, shapes[i].name, pass_name[pass], bytes);
        if (bytes > most) most = bytes;
        spec.bias = spec.relu = true;
        if (pass == KD_DNN_FORWARD) fused += has_plan(device, &spec, &ignored);
      }
    print_message(
        "%s: %zu convolutions in three directions, workspace at most %.1f MiB, %zu with bias and relu\n",
        devices[d].name, sizeof shapes / sizeof *shapes, (double)most / (1 << 20), fused);
    kd_dnn_forget(device);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_plans)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
