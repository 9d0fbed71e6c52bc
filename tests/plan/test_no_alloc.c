// ctest: timeout=120
/* Nothing is allocated inside a training step: malloc and mmap are counted while a plan with convolution,
 * normalisation, pooling, products and an update runs on the CPU. What oneDNN does inside its own calls is
 * counted apart: it must not grow. */
#include <math.h>

#include "layers/plan/plan.h"
#include "support/check.h"

#ifdef __SANITIZE_ADDRESS__ /* the sanitizer has its own malloc */
int main(void) {
  return 77;
}
#else
#include "support/count_alloc.h"

enum { BATCH = 8, SIZE = 12, CLASSES = 5, MOST = 64 };

typedef struct training {
  kd_device device;
  kd_graph *g;
  kd_pool *pool;
  kd_plan *plan;
  int n_bindings, n_weights;
  kd_binding bindings[MOST];
  kd_sym weights[MOST];
  float *values[MOST]; /* of weights */
  float rate, loss;
  float pixels[BATCH * SIZE * SIZE * 3];
  int32_t labels[BATCH];
} training;

static void bind(training *t, kd_sym sym, void *address) {
  t->bindings[t->n_bindings++] = (kd_binding){.sym = sym, .address = address};
}

static kd_sym weight(training *t, kd_shape shape, double scale) {
  int n = t->n_weights++;
  size_t cells = (size_t)kd_shape_count(&shape);
  t->values[n] = kd_pool_alloc(t->pool, cells, sizeof(float));
  for (size_t i = 0; i < cells; i++) t->values[n][i] = (float)(scale * sin(1.0 + (double)i + n));
  t->weights[n] = kd_weight_sym(t->g, KD_F32, shape, n, "weight");
  bind(t, t->weights[n], t->values[n]);
  return t->weights[n];
}

static kd_sym convolution(training *t, kd_sym x, int filters) {
  kd_conv_attr attr = {.spatial = 2,
                       .stride = {1, 1},
                       .dilation = {1, 1},
                       .pad_before = {1, 1},
                       .pad_after = {1, 1},
                       .groups = 1};
  kd_sym kernel = weight(t, KD_SHAPE(3, 3, kd_sym_shape(t->g, x)->dim[3], filters), 0.3);
  return kd_add(t->g, kd_conv(t->g, x, kernel, &attr), weight(t, KD_SHAPE(filters), 0.1));
}

static kd_sym forward(training *t) {
  kd_graph *g = t->g;
  kd_pool_attr window = {.spatial = 2, .window = {2, 2}, .stride = {2, 2}};
  kd_sym mean, variance;
  kd_sym x = kd_input(g, KD_F32, KD_SHAPE(BATCH, SIZE, SIZE, 3), 0, "pixels");
  bind(t, x, t->pixels);
  x = kd_unary(g, KD_PW_RELU, convolution(t, x, 8));
  x = convolution(t, x, 16);
  x = kd_batch_norm(g, x, weight(t, KD_SHAPE(16), 1), weight(t, KD_SHAPE(16), 0.1), 1e-3, &mean, &variance);
  x = kd_pool_op(g, kd_unary(g, KD_PW_RELU, x), &window);
  int64_t features = 16 * (SIZE / 2) * (SIZE / 2);
  x = kd_reshape(g, x, KD_SHAPE(BATCH, features));
  x = kd_matmul(g, x, weight(t, KD_SHAPE(features, CLASSES), 0.05), false, false);
  return kd_add(g, x, weight(t, KD_SHAPE(CLASSES), 0.1));
}

static training *begin(void) {
  training *t = kd_calloc(1, sizeof *t);
  assert_ok(kd_device_open("cpu", 0, 2, true, &t->device));
  t->g = kd_graph_create();
  t->pool = kd_pool_create();
  t->rate = 0.05f;
  for (int i = 0; i < BATCH * SIZE * SIZE * 3; i++) t->pixels[i] = (float)sin(0.37 * i);
  for (int i = 0; i < BATCH; i++) t->labels[i] = i % CLASSES;
  kd_graph *g = t->g;
  kd_sym logits = forward(t), grads[MOST];
  kd_sym labels = kd_input(g, KD_I32, KD_SHAPE(BATCH), 1, "labels");
  kd_sym rate = kd_value_sym(g, KD_F32, KD_SCALAR, 1, "rate");
  kd_sym loss = kd_reduce_all(g, KD_REDUCE_MEAN, kd_sparse_xent(g, logits, labels, INT32_MIN));
  bind(t, labels, t->labels);
  bind(t, rate, &t->rate);
  bind(t, loss, &t->loss);
  assert_ok(kd_autodiff(g, loss, t->n_weights, t->weights, grads));
  for (int i = 0; i < t->n_weights; i++)
    bind(t, kd_sub(g, t->weights[i], kd_mul(g, grads[i], rate)), t->values[i]);
  kd_plan_spec spec = {
      .graph = g, .device = &t->device, .n_bindings = t->n_bindings, .bindings = t->bindings};
  assert_ok(kd_plan_compile(&spec, &t->plan));
  return t;
}

static void end(training *t) {
  kd_plan_destroy(t->plan);
  kd_graph_destroy(t->g);
  kd_pool_destroy(t->pool);
  kd_device_close(&t->device);
  kd_free(t);
}

static void run_steps(training *t, int n) {
  kd_status status = KD_OK;
  static uint64_t version = 1;
  atomic_store(&counting, true);
  for (int step = 0; step < n && status == KD_OK; step++) status = kd_plan_run(t->plan, ++version);
  atomic_store(&counting, false);
  assert_ok(status);
}

static void test_steps_allocate_nothing(void **unused) {
  (void)unused;
  training *t = begin();
  assert_ok(kd_plan_run(t->plan, 1)); /* libraries may start threads in the first step */
  float first = t->loss;
  run_steps(t, 10);
  int after_10 = atomic_load(&library_calls);
  run_steps(t, 10);
  assert_int_equal(atomic_load(&calls), 0);
  assert_int_equal(atomic_load(&library_calls), 2 * after_10);
  assert_true(t->loss < first); /* it did train */
  end(t);
}

/* The counter works. */
static void test_allocations_are_seen(void **unused) {
  (void)unused;
  int before = atomic_load(&calls);
  atomic_store(&counting, true);
  void *volatile small = malloc(10);
  void *large = NULL;
  kd_status status = kd_large_alloc(1 << 22, &large);
  atomic_store(&counting, false);
  free(small);
  kd_large_free(large, 1 << 22);
  assert_int_equal(status, KD_OK);
  assert_int_equal(atomic_load(&calls) - before, 2);
}

int main(void) {
  count_alloc_prepare();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_steps_allocate_nothing),
      cmocka_unit_test(test_allocations_are_seen),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
