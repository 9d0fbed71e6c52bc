/* Dropout: share and scale of what is kept, one mask for both passes, and masks that depend on the sample's
 * place in the global batch, not on how the batch is cut. */
#include <math.h>

#include "support/check.h"
#include "support/compute.h"
#include "support/one_layer.h"

enum { ROWS = 64, WIDTH = 50 };

typedef struct pass {
  float *y, *dx;
} pass;

/* One pass over `rows` rows that begin at row `first` of the global batch; x is all 2. */
static pass run_in(bool training, const char *text, kd_shape shape, int first, int step,
                   compute_engine engine) {
  kd_model *model = layer_model_called(text, 1, true, 1, &shape, NULL, 0);
  kd_graph *g = kd_graph_create();
  kd_build_spec spec = {.batch = shape.dim[0], .training = training};
  kd_built built;
  assert_ok(kd_model_build(model, g, &spec, &built));
  kd_sym loss = kd_reduce_all(g, KD_REDUCE_SUM, built.output[0]), gradient;
  assert_ok(kd_autodiff(g, loss, 1, &built.input[0], &gradient));
  size_t count = (size_t)kd_shape_count(&shape);
  float *x = kd_calloc(count, sizeof *x);
  for (size_t i = 0; i < count; i++) x[i] = 2;
  const float rng[4] = {77, (float)step, 0, (float)first};
  const float **fed = kd_calloc((size_t)g->n_syms, sizeof *fed);
  fed[built.input[0]] = x;
  fed[built.rng] = rng;
  kd_sym wanted[2] = {built.output[0], gradient};
  float *results[2];
  compute(g, engine, fed, 2, wanted, results);
  kd_free(fed);
  kd_free(x);
  kd_graph_destroy(g);
  kd_model_destroy(model);
  return (pass){results[0], results[1]};
}

static pass run(const char *text, kd_shape shape, int first, int step, compute_engine engine) {
  return run_in(true, text, shape, first, step, engine);
}

static void release(pass p) {
  kd_free(p.y);
  kd_free(p.dx);
}

static void check_rate(compute_engine engine) {
  static const double rates[] = {0.1, 0.5, 0.8};
  for (int r = 0; r < 3; r++) {
    char text[64];
    snprintf(text, sizeof text, "Dropout(%.1f)", rates[r]);
    pass p = run(text, KD_SHAPE(ROWS, WIDTH), 0, 1, engine);
    double keep = 1 - rates[r], n = ROWS * WIDTH;
    int kept = 0;
    for (int i = 0; i < ROWS * WIDTH; i++) {
      kept += p.y[i] != 0;
      if (p.y[i] != 0) assert_true(fabs(p.y[i] - 2 / keep) < 1e-5);
      /* d(sum)/dx is the same mask, scaled. */
      assert_true(fabs(p.dx[i] - p.y[i] / 2) < 1e-5);
    }
    if (fabs(kept - n * keep) > 4 * sqrt(n * keep * (1 - keep))) fail_msg("%s keeps %d of %g", text, kept, n);
    release(p);
  }
}

static void check_split(compute_engine engine) {
  pass whole = run("Dropout(0.5)", KD_SHAPE(ROWS, WIDTH), 0, 1, engine);
  for (int first = 0; first < ROWS; first += 16) {
    pass part = run("Dropout(0.5)", KD_SHAPE(16, WIDTH), first, 1, engine);
    assert_memory_equal(part.y, whole.y + first * WIDTH, 16 * WIDTH * sizeof(float));
    release(part);
  }
  pass next = run("Dropout(0.5)", KD_SHAPE(ROWS, WIDTH), 0, 2, engine);
  assert_memory_not_equal(next.y, whole.y, ROWS * WIDTH * sizeof(float));
  pass seeded = run("Dropout(0.5, seed=5)", KD_SHAPE(ROWS, WIDTH), 0, 1, engine);
  assert_memory_not_equal(seeded.y, whole.y, ROWS * WIDTH * sizeof(float));
  release(next);
  release(seeded);
  release(whole);
}

/* One decision per sample and channel. */
static void check_shared_masks(compute_engine engine) {
  static const char *const texts[] = {"SpatialDropout1D(0.5)", "Dropout(0.5, noise_shape=(none, 1, none))"};
  for (int t = 0; t < 2; t++) {
    pass p = run(texts[t], KD_SHAPE(8, 6, 10), 0, 1, engine);
    int kept = 0;
    for (int n = 0; n < 8; n++)
      for (int c = 0; c < 10; c++) {
        kept += p.y[n * 60 + c] != 0;
        for (int s = 1; s < 6; s++) assert_true(p.y[n * 60 + s * 10 + c] == p.y[n * 60 + c]);
      }
    assert_in_range(kept, 20, 60);
    release(p);
  }
}

/* A pass that is none of training draws what one of training does where the call says training, and the
 * other way round: so do layers within layers. */
static void check_called(compute_engine engine) {
  const struct {
    const char *text;
    kd_shape shape;
  } layers[] = {
      {"Dropout(0.5)", KD_SHAPE(8, 6)},
      {"AlphaDropout(0.5)", KD_SHAPE(8, 6)},
      {"GaussianDropout(0.5)", KD_SHAPE(8, 6)},
      {"GaussianNoise(0.5)", KD_SHAPE(8, 6)},
      {"SpatialDropout1D(0.5)", KD_SHAPE(8, 3, 6)},
      {"SpatialDropout2D(0.5)", KD_SHAPE(8, 2, 3, 6)},
      {"SpatialDropout3D(0.5)", KD_SHAPE(8, 2, 1, 3, 6)},
      {"TimeDistributed(Dropout(0.5))", KD_SHAPE(8, 3, 6)},
  };
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    char yes[64], no[64], none[64];
    kd_shape shape = layers[i].shape;
    size_t bytes = (size_t)kd_shape_count(&shape) * sizeof(float);
    snprintf(yes, sizeof yes, "%s(training=true)", layers[i].text);
    snprintf(no, sizeof no, "%s(training=false)", layers[i].text);
    snprintf(none, sizeof none, "%s(training=none)", layers[i].text);
    pass training = run_in(true, layers[i].text, shape, 0, 1, engine);
    pass called = run_in(false, yes, shape, 0, 1, engine), frozen = run_in(true, no, shape, 0, 1, engine);
    pass as_fit = run_in(true, none, shape, 0, 1, engine), as_test = run_in(false, none, shape, 0, 1, engine);
    assert_memory_equal(called.y, training.y, bytes);
    assert_memory_equal(called.dx, training.dx, bytes);
    assert_memory_equal(as_fit.y, training.y, bytes);
    assert_memory_not_equal(called.y, called.y + bytes / 8 / sizeof(float), bytes / 8); /* rows differ */
    for (size_t k = 0; k < bytes / sizeof(float); k++) {
      assert_true(frozen.y[k] == 2 && frozen.dx[k] == 1);
      assert_true(as_test.y[k] == 2);
    }
    release(training), release(called), release(frozen), release(as_fit), release(as_test);
  }
}

static void test_reference(void **state) {
  (void)state;
  check_rate(COMPUTE_REFERENCE);
  check_split(COMPUTE_REFERENCE);
  check_shared_masks(COMPUTE_REFERENCE);
  check_called(COMPUTE_REFERENCE);
}

static void test_plan(void **state) {
  (void)state;
  check_rate(COMPUTE_PLAN);
  check_split(COMPUTE_PLAN);
  check_shared_masks(COMPUTE_PLAN);
  check_called(COMPUTE_PLAN);
}

static void test_all_dropped(void **state) {
  (void)state;
  pass p = run("Dropout(1.0)", KD_SHAPE(4, 5), 0, 1, COMPUTE_REFERENCE);
  for (int i = 0; i < 20; i++) assert_true(p.y[i] == 0 && p.dx[i] == 0);
  release(p);
}

static void test_errors(void **state) {
  (void)state;
  kd_shape input = KD_SHAPE(2, 5);
  assert_non_null(
      strstr(layer_errors_called("Dropout(0.5)(training=1)", 1, &input, 0, 0), "must be true or false"));
  assert_non_null(
      strstr(layer_errors_called("ReLU()(training=true)", 1, &input, 0, 0), "no call argument 'training'"));
  assert_non_null(
      strstr(layer_errors_called("BatchNormalization(synchronized=true)(training=true)", 1, &input, 0, 0),
             "needs synchronized = false"));
  assert_non_null(strstr(layer_errors("Dropout(1.5)", input), "rate"));
  assert_non_null(strstr(layer_errors("Dropout(0.5, noise_shape=(1, 5))", input), "must begin with none"));
  assert_non_null(strstr(layer_errors("Dropout(0.5, noise_shape=(none, 3))", input), "size 3 in axis 1"));
  assert_non_null(strstr(layer_errors("SpatialDropout1D(0.5)", input), "needs an input of rank 3"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_reference),
      cmocka_unit_test(test_plan),
      cmocka_unit_test(test_all_dropped),
      cmocka_unit_test(test_errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
