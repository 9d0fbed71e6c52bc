// ctest: cuda=library timeout=600
/* What cuDNN plans on GPUs that are not here. Every convolution has a plan in each type that the GPU
 * multiplies, with a fixed order of sums, below the limit of workspace, and with bias and relu taken from the
 * library rather than compiled. Attention is compiled at run time, which needs a driver: with
 * KD_TEST_MOCK_DRIVER one is there (test_dnn_attention.sh). Where kdist counts on there being no plan, there
 * is none. */
#include "device/cuda/devices.h"
#include "device/cuda/dnn_attention.h"
#include "device/cuda/dnn_conv.h"
#include "support/check.h"

enum { N_DEVICES = sizeof devices / sizeof *devices, LIMIT = KD_DNN_WORKSPACE };

typedef struct shape {
  const char *name;
  int64_t batch, size, channels, filters, window, stride, groups;
  bool same; /* as Keras pads: one more behind when it does not come out even */
} shape;

typedef struct precision {
  const char *name;
  kd_product_types types;
  bool exact;
} precision;

static const precision precisions[] = {{"float32", {KD_F32, KD_F32}, true},
                                       {"TF32", {KD_F32, KD_F32}, false},
                                       {"bfloat16", {KD_BF16, KD_BF16}, false},
                                       {"float16", {KD_F16, KD_F16}, false}};

/* The convolutions of ResNet-50 with Keras's padding, small nets, depthwise and grouped ones. */
static const shape shapes[] = {
    {"stem", 32, 224, 3, 64, 7, 2, 1, true},          {"56 reduce", 32, 56, 256, 64, 1, 1, 1, false},
    {"56 middle", 32, 56, 64, 64, 3, 1, 1, true},     {"56 expand", 32, 56, 64, 256, 1, 1, 1, false},
    {"28 down", 32, 56, 256, 512, 1, 2, 1, false},    {"28 middle", 32, 28, 128, 128, 3, 1, 1, true},
    {"28 stride", 32, 56, 128, 128, 3, 2, 1, true},   {"14 middle", 32, 14, 256, 256, 3, 1, 1, true},
    {"14 expand", 32, 14, 256, 1024, 1, 1, 1, false}, {"7 middle", 32, 7, 512, 512, 3, 1, 1, true},
    {"7 expand", 32, 7, 512, 2048, 1, 1, 1, false},   {"fashion 1", 128, 28, 1, 32, 3, 1, 1, true},
    {"fashion 2", 128, 14, 32, 64, 3, 1, 1, true},    {"odd channels", 8, 13, 5, 7, 3, 2, 1, true},
    {"grouped", 8, 14, 64, 64, 3, 1, 4, true},        {"depthwise", 8, 14, 64, 64, 3, 1, 64, true},
};

static kd_dnn_conv spec_of(const shape *s, kd_dnn_pass pass, const precision *p) {
  int64_t out = s->same ? (s->size + s->stride - 1) / s->stride : (s->size - s->window) / s->stride + 1;
  int64_t pad = s->same ? (out - 1) * s->stride + s->window - s->size : 0;
  if (pad < 0) pad = 0;
  kd_dnn_conv spec = {.pass = pass,
                      .spatial = 2,
                      .types = p->types,
                      .wish = {.ordered = true, .exact = p->exact, .workspace = KD_DNN_WORKSPACE},
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

/* Whether there is a plan; its workspace. */
static bool has_plan(cudnnBackendDescriptor_t device, const kd_dnn_conv *spec, size_t *workspace) {
  kd_dnn_plan *plan;
  if (kd_dnn_conv_plan(device, spec, &plan) != KD_OK) return false;
  *workspace = kd_dnn_plan_workspace(plan);
  bool compiles = kd_dnn_plan_compiles(plan);
  kd_dnn_plan_release(plan);
  return !compiles || spec->types.factors == KD_F32;
}

/* sm_75 has no bfloat16. */
static bool multiplies(int d, kd_dtype dtype) {
  return dtype != KD_BF16 || strcmp(devices[d].name, "t4") != 0;
}

/* All passes of all shapes; the largest workspace. */
static size_t check_precision(int d, cudnnBackendDescriptor_t device, const precision *p) {
  static const char *const pass_name[] = {"forward", "data", "kernel"};
  size_t most = 0;
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    for (int pass = KD_DNN_FORWARD; pass <= KD_DNN_KERNEL; pass++) {
      kd_dnn_conv spec = spec_of(&shapes[i], (kd_dnn_pass)pass, p);
      spec.bias = spec.relu = pass == KD_DNN_FORWARD;
      size_t bytes = 0;
      bool wanted = multiplies(d, p->types.factors), found = has_plan(device, &spec, &bytes);
      if (found != wanted || bytes > LIMIT)
        fail_msg("%s, %s, %s, %s: %s, %zu bytes: %s", devices[d].name, p->name, shapes[i].name,
                 pass_name[pass], found ? "a plan" : "no plan", bytes, kd_status_text());
      if (bytes > most) most = bytes;
    }
  return most;
}

static void test_convolutions(void **state) {
  (void)state;
  for (int d = 0; d < N_DEVICES; d++) {
    cudnnBackendDescriptor_t device;
    assert_ok(kd_dnn_device(0, devices[d].json, &device));
    print_message("%s, workspace of %zu convolutions in three directions:", devices[d].name,
                  sizeof shapes / sizeof *shapes);
    for (size_t p = 0; p < sizeof precisions / sizeof *precisions; p++)
      print_message(" %s %.1f MiB", precisions[p].name,
                    (double)check_precision(d, device, &precisions[p]) / (1 << 20));
    print_message("\n");
    kd_dnn_forget(device);
  }
}

/* Why the gradient of a kernel is rounded to 16 bits, and a bias too. */
static void test_no_convolutions(void **state) {
  (void)state;
  static const precision wide = {"bfloat16 to float32", {KD_BF16, KD_F32}, false};
  cudnnBackendDescriptor_t device;
  size_t bytes;
  assert_ok(kd_dnn_device(0, devices[0].json, &device));
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    kd_dnn_conv spec = spec_of(&shapes[i], KD_DNN_KERNEL, &wide);
    if (has_plan(device, &spec, &bytes)) fail_msg("%s has a plan: use it", shapes[i].name);
  }
  kd_dnn_forget(device);
}

/* --- attention ------------------------------------------------------------------------------------- */

typedef struct attention_case {
  kd_dtype dtype;
  bool gradient, causal, ordered;
  int64_t features, groups,
      bias[3]; /* 12 heads, 512 steps; bias: samples, heads and queries that it tells apart */
  bool expected;
} attention_case;

static const attention_case attention_cases[] = {
    {KD_BF16, false, false, true, 64, 12, {0}, true},
    {KD_BF16, false, true, true, 64, 12, {0}, true},
    {KD_BF16, true, false, true, 64, 12, {0}, true},
    {KD_BF16, true, true, true, 64, 12, {0}, true},
    {KD_BF16, true, true, false, 64, 12, {0}, true},
    {KD_F16, false, true, true, 128, 12, {0}, true},
    {KD_F16, true, true, true, 128, 12, {0}, true},
    {KD_F16, true, false, false, 64, 12, {0}, true},
    {KD_BF16, false, true, true, 36, 12, {0}, false},
    {KD_BF16, true, true, true, 36, 12, {0}, false},
    {KD_F32, true, false, true, 64, 12, {0}, false},
    /* Masks of keys, of causal scores of all samples, of all scores. */
    {KD_BF16, false, false, true, 64, 12, {16, 1, 1}, true},
    {KD_BF16, true, false, true, 64, 12, {16, 1, 1}, true},
    {KD_F16, true, true, false, 64, 12, {16, 1, 1}, true},
    {KD_BF16, false, true, true, 64, 12, {1, 1, 512}, true},
    {KD_BF16, true, true, true, 64, 12, {1, 1, 512}, true},
    {KD_F16, false, false, true, 64, 12, {16, 12, 512}, true},
    {KD_BF16, true, false, true, 64, 12, {16, 12, 512}, true},
    /* Heads that share keys and values. */
    {KD_BF16, false, true, true, 64, 4, {0}, true},
    {KD_BF16, true, true, true, 64, 4, {0}, true},
    {KD_F16, true, false, false, 64, 1, {0}, true},
    {KD_BF16, false, false, true, 128, 4, {16, 1, 1}, true},
    {KD_BF16, true, false, true, 128, 4, {16, 1, 1}, true},
};

static kd_dnn_attention attention_of(const attention_case *c) {
  kd_dnn_attention a = {.dtype = c->dtype,
                        .gradient = c->gradient,
                        .causal = c->causal,
                        .batch = 16,
                        .queries = 512,
                        .keys = 512,
                        .heads = 12,
                        .groups = c->groups,
                        .features = c->features,
                        .width = c->features,
                        .row_heads = 12,
                        .row_groups = c->groups,
                        .wish = {.ordered = c->ordered, .workspace = 1 << 30}};
  for (int d = 0; c->bias[0] && d < 4; d++) a.bias[d] = d < 3 ? c->bias[d] : a.keys;
  return a;
}

static void check_attention(int d, cudnnBackendDescriptor_t device, const attention_case *c) {
  kd_dnn_attention a = attention_of(c);
  kd_dnn_plan *plan;
  bool wanted = c->expected && strcmp(devices[d].name, "t4") != 0;
  bool found = kd_dnn_attention_plan(device, &a, &plan) == KD_OK;
  if (found != wanted)
    fail_msg("%s, attention %d in %s, %s, causal %d, ordered %d, heads of %d: %s", devices[d].name,
             (int)(c - attention_cases), kd_dtype_name(c->dtype), c->gradient ? "gradient" : "forward",
             c->causal, c->ordered, (int)c->features, found ? "a plan" : kd_status_text());
  if (!found) return;
  bool matrix = c->gradient && c->ordered; /* only then something is kept for each query and key */
  size_t scores = (size_t)(a.batch * a.heads * a.queries * a.keys) * kd_dtype_size(c->dtype);
  if ((kd_dnn_plan_workspace(plan) >= scores) != matrix || !kd_dnn_plan_compiles(plan))
    fail_msg("%s, attention %d: %zu bytes of workspace", devices[d].name, (int)(c - attention_cases),
             kd_dnn_plan_workspace(plan));
  kd_dnn_plan_release(plan);
}

/* Long sequences in pieces, which keep no more than their limit. */
static void check_long(int d, cudnnBackendDescriptor_t device, int64_t steps, int64_t groups, bool masked) {
  enum { PIECE = 256 << 20, MORE = 4096 /* beside the scores */ };
  attention_case c = {KD_BF16, true, !masked, true, 64, groups, {0}, true};
  kd_dnn_attention a = attention_of(&c);
  kd_dnn_plan *plan;
  int64_t batch, heads;
  a.queries = a.keys = steps;
  kd_dnn_attention_cut(&a, PIECE, &batch, &heads);
  assert_int_equal(batch * a.batch, 16);
  assert_int_equal(heads * a.heads, 12);
  assert_int_equal(heads * a.groups, groups);
  if (masked) memcpy(a.bias, (int64_t[]){a.batch, 1, 1, steps}, sizeof a.bias);
  assert_ok(kd_dnn_attention_plan(device, &a, &plan));
  size_t bytes = kd_dnn_plan_workspace(plan);
  if (bytes > PIECE + MORE || bytes == 0)
    fail_msg("%s, %d steps, pieces of %d x %d heads: %zu bytes of workspace", devices[d].name, (int)steps,
             (int)a.batch, (int)a.heads, bytes);
  kd_dnn_plan_release(plan);
}

static void test_attention(void **state) {
  (void)state;
  if (!getenv("KD_TEST_MOCK_DRIVER")) skip();
  for (int d = 0; d < N_DEVICES; d++) {
    cudnnBackendDescriptor_t device;
    assert_ok(kd_dnn_device(0, devices[d].json, &device));
    for (size_t i = 0; i < sizeof attention_cases / sizeof *attention_cases; i++)
      check_attention(d, device, &attention_cases[i]);
    if (strcmp(devices[d].name, "t4") != 0) {
      check_long(d, device, 2048, 12, true);
      check_long(d, device, 4096, 12, false);
      check_long(d, device, 4096, 4, true);
      check_long(d, device, 8192, 12, false);
    }
    kd_dnn_forget(device);
  }
}

int main(void) {
  setenv("XDG_CACHE_HOME", test_folder(), 1); /* choices of earlier runs are not taken */
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_convolutions),
                                     cmocka_unit_test(test_no_convolutions),
                                     cmocka_unit_test(test_attention)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
