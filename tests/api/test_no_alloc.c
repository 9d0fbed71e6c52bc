// ctest: timeout=120
/* kd_train_step allocates nothing once the layout of its data is known. */
#include "api/api_unit.h"

#ifdef __SANITIZE_ADDRESS__ /* the sanitizer has its own malloc */
int main(void) {
  return 77;
}
#else
#include "support/count_alloc.h"

enum { ROWS = 16, FEATURES = 12, CLASSES = 3, STEPS = 6 };

static float points[ROWS][FEATURES];
static int32_t labels[ROWS];

static kd_status read_rows(void *context, int field, int64_t n, const int64_t *rows, void *out) {
  (void)context;
  for (int64_t i = 0; i < n; i++) {
    if (field == 0)
      memcpy((float *)out + i * FEATURES, points[rows[i]], sizeof points[0]);
    else
      ((int32_t *)out)[i] = labels[rows[i]];
  }
  return KD_OK;
}

static void steps_allocate_nothing(void **state) {
  (void)state;
  for (int r = 0; r < ROWS; r++) {
    labels[r] = r % CLASSES;
    for (int f = 0; f < FEATURES; f++) points[r][f] = (float)((r * 5 + f) % 7);
  }
  kd_data data[] = {
      {.count = ROWS, .x = {{.data = points}}, .y = {{.data = labels, .dtype = KD_I32}}},
      {.count = ROWS, .y = {{.dtype = KD_I32}}, .read = read_rows},
  };
  kd_net *net;
  assert_ok(kd_net_create("net", &net));
  kd_out x = kd_net_input(net, "x", KD_F32, 1, (int64_t[]){FEATURES});
  x = kd_dropout(kd_dense(x, 16, .activation = "relu"), 0.1);
  kd_dense(x, CLASSES);
  assert_ok(kd_compile(net, .optimizer = "Adam(0.01, clipnorm=1.0)", .metrics = "accuracy",
                       .loss = "SparseCategoricalCrossentropy(from_logits=true)"));
  for (int d = 0; d < 2; d++) {
    assert_ok(kd_train_step(net, &data[d]));
    assert_true(atomic_load(&calls) == 0);
    atomic_store(&counting, true);
    kd_status status = KD_OK;
    double loss = 0;
    for (int step = 0; step < STEPS && status == KD_OK; step++) {
      status = kd_train_step(net, &data[d]);
      if (status == KD_OK) status = kd_metric(net, "loss", &loss);
    }
    atomic_store(&counting, false);
    assert_ok(status);
    assert_true(loss > 0);
    assert_int_equal(atomic_load(&calls), 0);
    assert_true(atomic_load(&library_calls) > 0); /* the counter ran: oneDNN allocates in each call */
  }
  kd_net_destroy(net);
}

int main(void) {
  count_alloc_prepare();
  const struct CMUnitTest tests[] = {cmocka_unit_test(steps_allocate_nothing)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
