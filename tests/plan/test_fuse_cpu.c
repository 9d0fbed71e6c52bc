// ctest: timeout=120
/* Library epilogues on the CPU: a residual network with dropout trains to the same gradients with and without
 * fusion, in poisoned memory. Results differ by roundings only: a library adds the bias before it rounds. */
#include <math.h>

#include "layers/plan/plan.h"
#include "support/check.h"

enum { BATCH = 4, SIZE = 8, CHANNELS = 16, CLASSES = 5, MOST = 32 };

typedef struct network {
  kd_graph *g;
  kd_pool *pool;
  int n_bindings, n_weights;
  kd_binding bindings[3 * MOST];
  kd_sym weights[MOST];
  float *grads[MOST];
} network;

static void bind(network *n, kd_sym sym, void *address) {
  n->bindings[n->n_bindings++] = (kd_binding){.sym = sym, .address = address};
}

static float *values(network *n, kd_sym sym, double scale, double offset) {
  int64_t cells = kd_shape_count(kd_sym_shape(n->g, sym));
  float *v = kd_pool_alloc(n->pool, (size_t)cells, sizeof *v);
  for (int64_t i = 0; i < cells; i++) v[i] = (float)(offset + scale * sin(1.7 * (double)i + sym));
  return v;
}

static kd_sym weight(network *n, kd_shape shape, double scale, double offset) {
  kd_sym w = kd_weight_sym(n->g, KD_F32, shape, n->n_weights, "weight");
  bind(n, w, values(n, w, scale, offset));
  return n->weights[n->n_weights++] = w;
}

static kd_sym convolution(network *n, kd_sym x) {
  kd_conv_attr attr = {.spatial = 2,
                       .stride = {1, 1},
                       .dilation = {1, 1},
                       .pad_before = {1, 1},
                       .pad_after = {1, 1},
                       .groups = 1};
  kd_sym kernel = weight(n, KD_SHAPE(3, 3, kd_sym_shape(n->g, x)->dim[3], CHANNELS), 0.2, 0);
  return kd_add(n->g, kd_conv(n->g, x, kernel, &attr), weight(n, KD_SHAPE(CHANNELS), 0.1, 0));
}

static kd_sym norm(network *n, kd_sym x) {
  kd_sym mean, variance, gamma = weight(n, KD_SHAPE(CHANNELS), 0.3, 1),
                         beta = weight(n, KD_SHAPE(CHANNELS), 0.2, 0);
  return kd_batch_norm(n->g, x, gamma, beta, 1e-3, &mean, &variance);
}

static kd_sym dense(network *n, kd_sym x, int units, kd_pw activation) {
  kd_sym kernel = weight(n, KD_SHAPE(kd_sym_shape(n->g, x)->dim[1], units), 0.3, 0);
  kd_sym y = kd_add(n->g, kd_matmul(n->g, x, kernel, false, false), weight(n, KD_SHAPE(units), 0.1, 0));
  return activation == KD_PW_COPY ? y : kd_unary(n->g, activation, y);
}

static kd_sym dropout(network *n, kd_sym x) {
  kd_graph *g = n->g;
  kd_sym rng = kd_value_sym(g, KD_U32, KD_SHAPE(4), 0, "rng");
  uint32_t *words = kd_pool_alloc(n->pool, 4, sizeof *words);
  words[0] = 7;
  bind(n, rng, words);
  kd_sym kept = kd_binary(g, KD_PW_LT, kd_uniform(g, rng, *kd_sym_shape(g, x)), kd_const(g, 0.8));
  return kd_select(g, kept, kd_scale(g, x, 1 / 0.8), kd_const(g, 0));
}

static kd_sym forward(network *n) {
  kd_graph *g = n->g;
  kd_sym pixels = kd_input(g, KD_U8, KD_SHAPE(BATCH, SIZE, SIZE, 3), 0, "pixels");
  uint8_t *p = kd_pool_alloc(n->pool, BATCH * SIZE * SIZE * 3, 1);
  for (int i = 0; i < BATCH * SIZE * SIZE * 3; i++) p[i] = (uint8_t)(i * 37 % 251);
  bind(n, pixels, p);
  kd_sym x = kd_shift(g, kd_scale(g, kd_cast(g, pixels, KD_F32), 1.0 / 127), -1);
  x = kd_unary(g, KD_PW_RELU, convolution(n, x));
  kd_sym y = kd_unary(g, KD_PW_RELU, norm(n, convolution(n, x)));
  y = norm(n, convolution(n, y));
  x = kd_unary(g, KD_PW_RELU, kd_add(g, x, y));
  kd_pool_attr window = {.spatial = 2, .window = {3, 2}, .stride = {3, 2}};
  x = kd_pool_op(g, kd_unary(g, KD_PW_RELU, norm(n, convolution(n, x))), &window);
  kd_pool_attr halves = {.spatial = 2, .window = {2, 2}, .stride = {1, 1}};
  x = kd_pool_op(g, kd_unary(g, KD_PW_RELU, convolution(n, x)), &halves);
  x = kd_reduce(g, KD_REDUCE_MEAN, x, 2, (int[]){1, 2}, false);
  x = dense(n, dropout(n, x), 16, KD_PW_TANH);
  x = dense(n, x, 12, KD_PW_SIGMOID);
  return dense(n, x, CLASSES, KD_PW_COPY);
}

static network *make(void) {
  network *n = kd_calloc(1, sizeof *n);
  n->g = kd_graph_create();
  n->pool = kd_pool_create();
  kd_sym logits = forward(n), labels = kd_input(n->g, KD_I32, KD_SHAPE(BATCH), 1, "labels"), grads[MOST];
  bind(n, labels, kd_pool_alloc(n->pool, BATCH, sizeof(int32_t)));
  kd_sym loss = kd_reduce_all(n->g, KD_REDUCE_MEAN, kd_sparse_xent(n->g, logits, labels, INT32_MIN));
  assert_ok(kd_autodiff(n->g, loss, n->n_weights, n->weights, grads));
  for (int i = 0; i < n->n_weights; i++) {
    n->grads[i] = kd_pool_alloc(n->pool, (size_t)kd_shape_count(kd_sym_shape(n->g, grads[i])), sizeof(float));
    bind(n, grads[i], n->grads[i]);
  }
  return n;
}

static int train(network *n, bool fusion, float **grads) {
  kd_device device;
  assert_ok(kd_device_open("cpu", 0, 2, true, &device));
  kd_plan_spec spec = {.graph = n->g,
                       .device = &device,
                       .n_bindings = n->n_bindings,
                       .bindings = n->bindings,
                       .no_fusion = !fusion,
                       .poison = true};
  kd_plan *plan;
  assert_ok(kd_plan_compile(&spec, &plan));
  for (int step = 0; step < 2; step++) assert_ok(kd_plan_run(plan, (uint64_t)step));
  for (int i = 0; i < n->n_weights; i++) {
    size_t cells = (size_t)kd_shape_count(kd_sym_shape(n->g, n->weights[i]));
    grads[i] = kd_pool_alloc(n->pool, cells, sizeof(float));
    memcpy(grads[i], n->grads[i], cells * sizeof(float));
  }
  int launches = kd_plan_get_stats(plan).n_launches;
  kd_plan_destroy(plan);
  kd_device_close(&device);
  return launches;
}

static void test_training_is_the_same(void **unused) {
  (void)unused;
  network *n = make();
  float *plain[MOST], *fused[MOST];
  int plain_launches = train(n, false, plain), fused_launches = train(n, true, fused);
  assert_true(fused_launches < plain_launches * 3 / 4);
  assert_true(fabsf(plain[0][0]) > 1e-6f);
  for (int i = 0; i < n->n_weights; i++) {
    char what[32];
    snprintf(what, sizeof what, "gradient %d", i);
    assert_close(fused[i], plain[i], (size_t)kd_shape_count(kd_sym_shape(n->g, n->weights[i])), 1e-4, 2e-6,
                 what);
  }
  kd_graph_destroy(n->g);
  kd_pool_destroy(n->pool);
  kd_free(n);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_training_is_the_same)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
