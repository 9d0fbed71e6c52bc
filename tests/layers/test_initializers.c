/* Initializers: moments and limits that Keras's formulas ask for, fans, streams. */
#include <math.h>

#include "layers/init.h"
#include "layers/model.h"
#include "support/check.h"

/* An initializer as `Name(...)` or a word. */
static kd_object make(kd_pool *pool, const char *text) {
  kd_diag *diag = kd_diag_create();
  kd_object object = {0};
  kd_value *value = kd_value_parse(pool, diag, (kd_origin){"test", 1}, text, false);
  bool good = value && kd_object_make(pool, diag, &kd_initializer_family, value, &object);
  if (!good) {
    (void)kd_diag_status(diag);
    fail_msg("%s: %s", text, kd_status_text());
  }
  kd_diag_destroy(diag);
  return object;
}

static float *filled(kd_pool *pool, const char *text, kd_shape shape, uint64_t key) {
  kd_object object = make(pool, text);
  float *values = kd_pool_alloc(pool, (size_t)kd_shape_count(&shape), sizeof *values);
  const kd_initializer_kind *kind = (const kd_initializer_kind *)object.kind;
  assert_ok(kind->fill(object.options, &shape, key, values));
  return values;
}

typedef enum form { UNIFORM, NORMAL, TRUNCATED } form;

/* parameter: half width of a uniform range, deviation of a normal one before it is cut. The expected numbers
 * are written out from keras/src/initializers/random_initializers.py. */
static void check_distribution(const char *text, kd_shape shape, form f, double centre, double parameter) {
  kd_pool *pool = kd_pool_create();
  const float *x = filled(pool, text, shape, 12345);
  int64_t n = kd_shape_count(&shape);
  double sum = 0, squares = 0, furthest = 0;
  for (int64_t i = 0; i < n; i++) {
    sum += x[i];
    squares += (x[i] - centre) * (x[i] - centre);
    furthest = fmax(furthest, fabs(x[i] - centre));
  }
  /* A normal distribution cut at two deviations keeps 0.87962566 of its deviation. */
  double deviation = f == UNIFORM  ? parameter / sqrt(3)
                     : f == NORMAL ? parameter
                                   : parameter * 0.87962566103423978;
  double limit = f == UNIFORM ? parameter : f == NORMAL ? 7 * parameter : 2 * parameter;
  double mean_error = fabs(sum / (double)n - centre) / deviation * sqrt((double)n);
  double deviation_ratio = sqrt(squares / (double)n) / deviation;
  if (mean_error > 4) fail_msg("%s: the mean is %g standard errors off", text, mean_error);
  if (fabs(deviation_ratio - 1) > 4 / sqrt((double)n))
    fail_msg("%s: deviation is %g of the right one", text, deviation_ratio);
  if (furthest > limit * (1 + 1e-6)) fail_msg("%s: %g is outside the limit %g", text, furthest, limit);
  if (f != NORMAL && furthest < 0.99 * limit)
    fail_msg("%s: no value is near the limit %g, only %g", text, limit, furthest);
  if (f == NORMAL && furthest < 3 * parameter) fail_msg("%s: no value beyond 3 deviations", text);
  kd_pool_destroy(pool);
}

static void test_distributions(void **state) {
  (void)state;
  kd_shape dense = KD_SHAPE(200, 100), conv = KD_SHAPE(3, 5, 40, 60);
  double cut = 0.87962566103423978;
  check_distribution("random_normal", dense, NORMAL, 0, 0.05);
  check_distribution("RandomNormal(1, stddev=2)", dense, NORMAL, 1, 2);
  check_distribution("random_uniform", dense, UNIFORM, 0, 0.05);
  check_distribution("RandomUniform(minval=1, maxval=4)", dense, UNIFORM, 2.5, 1.5);
  check_distribution("truncated_normal", dense, TRUNCATED, 0, 0.05);
  check_distribution("glorot_uniform", dense, UNIFORM, 0, sqrt(6.0 / 300));
  check_distribution("GlorotUniform", conv, UNIFORM, 0, sqrt(6.0 / (15 * 40 + 15 * 60)));
  check_distribution("glorot_normal", dense, TRUNCATED, 0, sqrt(2.0 / 300) / cut);
  check_distribution("he_uniform", conv, UNIFORM, 0, sqrt(6.0 / (15 * 40)));
  check_distribution("he_normal", conv, TRUNCATED, 0, sqrt(2.0 / (15 * 40)) / cut);
  check_distribution("lecun_uniform", dense, UNIFORM, 0, sqrt(3.0 / 200));
  check_distribution("lecun_normal", dense, TRUNCATED, 0, sqrt(1.0 / 200) / cut);
  check_distribution("VarianceScaling", dense, TRUNCATED, 0, sqrt(1.0 / 200) / cut);
  check_distribution("VarianceScaling(3.0, fan_out, untruncated_normal)", dense, NORMAL, 0, sqrt(3.0 / 100));
  check_distribution("VarianceScaling(scale=0.5, mode=fan_avg, distribution=uniform)", conv, UNIFORM, 0,
                     sqrt(1.5 / (15 * 50)));
}

static void test_constants(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  kd_shape shape = KD_SHAPE(2, 3);
  const float zeros[6] = {0}, ones[6] = {1, 1, 1, 1, 1, 1};
  const float halves[6] = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f}, eye[6] = {2, 0, 0, 0, 2, 0};
  assert_close(filled(pool, "zeros", shape, 1), zeros, 6, 0, 0, "zeros");
  assert_close(filled(pool, "Ones", shape, 1), ones, 6, 0, 0, "ones");
  assert_close(filled(pool, "Constant(0.5)", shape, 1), halves, 6, 0, 0, "constant");
  assert_close(filled(pool, "Identity(gain=2)", shape, 1), eye, 6, 0, 0, "identity");
  kd_object identity = make(pool, "identity");
  kd_shape vector = KD_SHAPE(6);
  float values[6];
  assert_fails(((const kd_initializer_kind *)identity.kind)->fill(identity.options, &vector, 1, values),
               KD_ERR_USAGE, "needs a matrix, but the shape is (6,)");
  kd_pool_destroy(pool);
}

/* The smaller side of the matrix (all axes but the last, last axis) is orthogonal, each vector as long as the
 * gain. */
static void check_orthogonal(const char *text, kd_shape shape, double gain) {
  kd_pool *pool = kd_pool_create();
  const float *x = filled(pool, text, shape, 77);
  int64_t columns = shape.dim[shape.rank - 1], rows = kd_shape_count(&shape) / columns;
  bool wide = rows < columns;
  int64_t vectors = wide ? rows : columns, n = wide ? columns : rows;
  for (int64_t a = 0; a < vectors; a++) {
    for (int64_t b = 0; b <= a; b++) {
      double dot = 0;
      for (int64_t k = 0; k < n; k++)
        dot += (double)(wide ? x[a * n + k] * x[b * n + k] : x[k * columns + a] * x[k * columns + b]);
      if (fabs(dot - (a == b ? gain * gain : 0)) > 1e-5)
        fail_msg("%s: vectors %d and %d have the product %g", text, (int)a, (int)b, dot);
    }
  }
  kd_pool_destroy(pool);
}

static void test_orthogonal(void **state) {
  (void)state;
  check_orthogonal("orthogonal", KD_SHAPE(9, 9), 1);
  check_orthogonal("Orthogonal(gain=0.5)", KD_SHAPE(4, 11), 0.5);
  check_orthogonal("OrthogonalInitializer(2, seed=3)", KD_SHAPE(3, 2, 4, 5), 2);
  kd_pool *pool = kd_pool_create();
  kd_object object = make(pool, "orthogonal");
  kd_shape vector = KD_SHAPE(6);
  float values[6];
  assert_fails(((const kd_initializer_kind *)object.kind)->fill(object.options, &vector, 1, values),
               KD_ERR_USAGE, "needs two axes or more, but the shape is (6,)");
  kd_pool_destroy(pool);
}

static void test_fans(void **state) {
  (void)state;
  const struct {
    kd_shape shape;
    double in, out;
  } cases[] = {{KD_SCALAR, 1, 1},
               {KD_SHAPE(7), 7, 7},
               {KD_SHAPE(3, 5), 3, 5},
               {KD_SHAPE(4, 3, 5), 12, 20},
               {KD_SHAPE(2, 3, 5, 7), 30, 42}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    double in, out;
    kd_fans(&cases[i].shape, &in, &out);
    assert_true(in == cases[i].in && out == cases[i].out);
  }
}

static bool equal(const float *a, const float *b, size_t count) {
  return memcmp(a, b, count * sizeof *a) == 0;
}

/* Values depend on the seed and the weight's path, or on the initializer's own seed alone. */
static void test_streams(void **state) {
  (void)state;
  kd_pool *pool = kd_pool_create();
  float a[64], b[64];
  kd_weight weight = {.path = "fc/kernel", .shape = KD_SHAPE(8, 8), .count = 64};
  weight.initializer = make(pool, "glorot_uniform");
  assert_ok(kd_weight_initialize(&weight, 1, a));
  assert_ok(kd_weight_initialize(&weight, 1, b));
  assert_true(equal(a, b, 64));
  assert_ok(kd_weight_initialize(&weight, 2, b));
  assert_false(equal(a, b, 64));
  weight.path = "fd/kernel";
  assert_ok(kd_weight_initialize(&weight, 1, b));
  assert_false(equal(a, b, 64));
  weight.initializer = make(pool, "HeNormal(seed=3)");
  assert_ok(kd_weight_initialize(&weight, 1, a));
  weight.path = "fc/kernel";
  assert_ok(kd_weight_initialize(&weight, 9, b));
  assert_true(equal(a, b, 64));
  weight.initializer = make(pool, "HeNormal(seed=4)");
  assert_ok(kd_weight_initialize(&weight, 9, b));
  assert_false(equal(a, b, 64));
  weight.initializer = (kd_object){0};
  assert_ok(kd_weight_initialize(&weight, 9, b));
  for (int i = 0; i < 64; i++) assert_true(b[i] == 0);
  kd_pool_destroy(pool);
}

/* Value i does not depend on how many values follow. */
static void test_prefix(void **state) {
  (void)state;
  float longer[37], shorter[11];
  kd_fill_truncated_normal(longer, 37, 5, 0, 1);
  kd_fill_truncated_normal(shorter, 11, 5, 0, 1);
  assert_true(equal(longer, shorter, 11));
  kd_fill_uniform(longer, 37, 5, -1, 1);
  kd_fill_uniform(shorter, 11, 5, -1, 1);
  assert_true(equal(longer, shorter, 11));
}

static void test_names(void **state) {
  (void)state;
  static const char *const names[] = {"normal",
                                      "uniform",
                                      "zero",
                                      "one",
                                      "identity",
                                      "lecun_normal",
                                      "random_uniform",
                                      "zeros",
                                      "IdentityInitializer"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    assert_non_null(kd_family_find(&kd_initializer_family, names[i]));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_distributions), cmocka_unit_test(test_constants), cmocka_unit_test(test_fans),
      cmocka_unit_test(test_streams),       cmocka_unit_test(test_prefix),    cmocka_unit_test(test_names),
      cmocka_unit_test(test_orthogonal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
