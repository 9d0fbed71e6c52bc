#include <math.h>

#include "device/base/option.h"
#include "support/check.h"
#include "support/pool_and_diag.h"

/* A small family of its own: what the table promises must hold for any kind. */
typedef struct normal {
  double stddev;
  int64_t seed;
} normal;
static const kd_option normal_options[] = {
    {.name = "stddev",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(normal, stddev),
     .initial = "0.05",
     .flags = KD_OPT_OPEN_MIN},
    {.name = "seed",
     .type = KD_OPT_INT,
     .offset = offsetof(normal, seed),
     .initial = "none",
     .flags = KD_OPT_NONE_OK},
    {0},
};
static const kd_kind normal_kind = {.name = "RandomNormal",
                                    .aliases = "normal|random_normal",
                                    .options = normal_options,
                                    .options_size = sizeof(normal)};
static const kd_kind zeros_kind = {.name = "Zeros", .aliases = "zeros"};
static const kd_kind *const initializers[] = {&normal_kind, &zeros_kind};
static const kd_family family = {"initializer", initializers, 2};

typedef struct dense {
  int64_t units;
  const char *activation;
  bool use_bias;
  int padding;
  kd_ints size;
  kd_floats weights;
  double rate;
  kd_object init;
  kd_objects more;
  const kd_value *axes;
} dense;
#define ROW(field, kind, ...)                                                                                \
  { .name = #field, .type = kind, .offset = offsetof(dense, field), __VA_ARGS__ }
static const kd_option dense_options[] = {
    ROW(units, KD_OPT_INT, .min = 1, .max = 1e9),
    ROW(activation, KD_OPT_TEXT, .initial = "none", .flags = KD_OPT_NONE_OK),
    ROW(use_bias, KD_OPT_BOOL, .initial = "true", .alias = "bias"),
    ROW(padding, KD_OPT_CHOICE, .initial = "valid", .choices = "valid|same|causal"),
    ROW(size, KD_OPT_INTS, .initial = "3, 3", .min = 1, .max = INFINITY),
    ROW(weights, KD_OPT_FLOATS, .initial = "none", .flags = KD_OPT_NONE_OK),
    ROW(rate, KD_OPT_FLOAT, .initial = "0.5", .min = 0, .max = 1, .flags = KD_OPT_OPEN_MAX | KD_OPT_KEY_ONLY),
    ROW(init, KD_OPT_OBJECT, .initial = "normal", .family = &family),
    ROW(more, KD_OPT_OBJECTS, .initial = "none", .flags = KD_OPT_NONE_OK, .family = &family),
    ROW(axes, KD_OPT_VALUE, .initial = "none"),
    {0},
};

static void check_dense(const void *options, kd_diag *to, kd_origin origin) {
  if (((const dense *)options)->units == 13) kd_diag_error(to, origin, "13 units bring bad luck");
}

static const kd_kind dense_kind = {
    .name = "Dense", .options = dense_options, .options_size = sizeof(dense), .check = check_dense};
static const kd_kind *const layers[] = {&dense_kind};
static const kd_family layer_family = {"layer", layers, 1};

static bool fill(const char *text, dense *out) {
  memset(out, 0, sizeof *out);
  kd_value *call = kd_value_parse(pool, diag, (kd_origin){"a.ini", 17}, text, false);
  assert_non_null(call);
  const kd_value *values[16];
  for (int i = 0; i < call->count; i++) values[i] = &call->items[i];
  return kd_options_fill(pool, diag, "layer fc1 (Dense)", (kd_origin){"a.ini", 16}, &dense_kind, call->count,
                         call->keys, values, out);
}

static void fills(void **state) {
  (void)state;
  dense d;
  assert_true(fill("Dense(8, relu, bias=false, size=5, weights=(1, 2.5), rate=0, x-note=1)", &d));
  assert_int_equal(d.units, 8);
  assert_string_equal(d.activation, "relu");
  assert_false(d.use_bias);
  assert_int_equal(d.size.count, 1);
  assert_int_equal(d.size.v[0], 5);
  assert_true(d.weights.count == 2 && d.weights.v[1] == 2.5 && d.rate == 0);
  assert_ptr_equal(d.init.kind, &normal_kind);
  assert_true(((normal *)d.init.options)->stddev == 0.05);
  assert_true(((normal *)d.init.options)->seed == KD_UNSET_INT);
  assert_int_equal(d.axes->type, KD_V_NONE);
  assert_true(fill("Dense(1e3, init=RandomNormal(0.1, seed=3), more=[zeros, normal], padding=same)", &d));
  assert_int_equal(d.units, 1000);
  assert_null(d.activation);
  assert_true(((normal *)d.init.options)->stddev == 0.1);
  assert_int_equal(((normal *)d.init.options)->seed, 3);
  assert_int_equal(d.more.count, 2);
  assert_ptr_equal(d.more.v[0].kind, &zeros_kind);
  assert_int_equal(d.padding, 1);
  assert_int_equal(d.size.count, 2);
  assert_int_equal(diag->count, 0);
}

static void errors(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"D(units=1, unis=3)", "a.ini:17: layer fc1 (Dense): unknown key 'unis'; did you mean 'units'?"},
      {"D(1, zzzzzz=3)", "unknown key 'zzzzzz'; known are: units, activation"},
      {"D()", "a.ini:16: layer fc1 (Dense): 'units' is missing (int in [1, 1000000000])"},
      {"D(0)", "units = 0 is out of range: expected int in [1, 1000000000]"},
      {"D(1e18)", "units = 1e18 is too large"},
      {"D(8.5)", "units = 8.5 is not of the right type: expected int"},
      {"D(eight)", "units = eight is not"},
      {"D(true)", "units = true is not"},
      {"D(1, units=2)", "'units' is given twice"},
      {"D(1, use_bias=false, bias=true)", "'use_bias' is given twice"},
      {"D(1, rate=1)", "rate = 1 is out of range: expected float in [0, 1)"},
      {"D(1, rate=nan)", "rate = nan is out of range"},
      {"D(1, padding=sam)", "padding = sam is unknown; did you mean 'same'?"},
      {"D(1, padding=full)", "one of valid|same|causal"},
      {"D(1, size=(1, 0))", "size = 0 is out of range: expected int or list of ints, each >= 1"},
      {"D(1, size=(1,1,1,1,1,1,1,1,1))", "size has 9 items"},
      {"D(1, activation=(a, b))", "activation is one text"},
      {"D(1, init=normel)", "init: unknown initializer 'normel'; did you mean 'normal'?"},
      {"D(1, init=RandomNormal(sed=1))",
       "init: initializer RandomNormal: unknown key 'sed'; did you mean 'seed'?"},
      {"D(1, init=RandomNormal(0))", "stddev = 0 is out of range: expected float > 0"},
      {"D(1, init=none)", "init = none"},
      {"D(1, use_bias=1)", "use_bias = 1 is not of the right type: expected true or false"},
      {"D(13)", "a.ini:16: layer fc1 (Dense): 13 units bring bad luck"},
      {"D(1,relu,true,same,3,1,normal,none,none,3)", "10 values are given by position, at most 9"},
  };
  dense d;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t before = diag->count;
    assert_false(fill(cases[i][0], &d));
    assert_int_equal(diag->count, before + 1);
    if (!strstr(diag->messages[before], cases[i][1]))
      fail_msg("'%s' is not in: %s", cases[i][1], diag->messages[before]);
  }
}

static void all_errors_at_once(void **state) {
  (void)state;
  dense d;
  assert_false(fill("D(0, rate=2, foo=1, init=bar)", &d));
  assert_int_equal(diag->count, 4);
}

static void objects(void **state) {
  (void)state;
  kd_object object;
  kd_value *value = kd_value_parse(pool, diag, (kd_origin){"b.ini", 2}, "dense(4)", false);
  assert_false(kd_object_make(pool, diag, &layer_family, value, &object));
  assert_string_equal(diag->messages[0], "b.ini:2: unknown layer 'dense'; did you mean 'Dense'?");
  value = kd_value_parse(pool, diag, (kd_origin){"b.ini", 2}, "Dense(4)", false);
  assert_true(kd_object_make(pool, diag, &layer_family, value, &object));
  assert_int_equal(((dense *)object.options)->units, 4);
  assert_true(kd_object_make(pool, diag, &layer_family, NULL, &object));
  assert_null(object.kind);
  assert_ptr_equal(kd_family_find(&family, "random_normal"), &normal_kind);
  assert_null(kd_family_find(&family, "random"));
}

static void prints(void **state) {
  (void)state;
  dense d;
  assert_true(fill("Dense(8, init=RandomNormal(0.1), weights=(1, 2), padding=same, activation=\"a b\")", &d));
  static const char *const expected[] = {"8",   "\"a b\"",           "true", "same", "(3, 3)", "(1.0, 2.0)",
                                         "0.5", "RandomNormal(0.1)", "none", "none"};
  for (int i = 0; dense_options[i].name; i++)
    assert_string_equal(kd_option_print(pool, &dense_options[i], &d), expected[i]);
  d.init.value = NULL;
  assert_string_equal(kd_option_print(pool, &dense_options[7], &d), "RandomNormal(stddev=0.1, seed=none)");
  assert_string_equal(kd_option_type_text(pool, &normal_options[1]), "int, or none");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(fills), TEST(errors), TEST(all_errors_at_once), TEST(objects), TEST(prints),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
