/* Largest errors of the elementary functions over samples of all floats, at each instruction set. */
#include <math.h>

#include "device/cpu/isa.h"
#include "support/check.h"

static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}

static double softplus(double x) {
  return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

static const struct {
  kd_pw op;
  double (*exact)(double x);
  double limit; /* ulp */
} functions[] = {
    {KD_PW_EXP, exp, 1.2},           {KD_PW_EXPM1, expm1, 1.7}, {KD_PW_LOG, log, 1.0},
    {KD_PW_LOG1P, log1p, 1.6},       {KD_PW_TANH, tanh, 2.8},   {KD_PW_SIGMOID, sigmoid, 2.5},
    {KD_PW_SOFTPLUS, softplus, 1.9}, {KD_PW_ERF, erf, 1.3},     {KD_PW_SIN, sin, 2.5},
    {KD_PW_COS, cos, 2.5},           {KD_PW_SQRT, sqrt, 0.5},
};

static double error_in_ulp(float value, double expected) {
  float rounded = (float)expected;
  if (isnan(rounded) || isinf(rounded) || isnan(value) || isinf(value))
    return (isnan(rounded) && isnan(value)) || rounded == value ? 0 : INFINITY;
  int exponent;
  frexp(fabs(expected), &exponent);
  double ulp = ldexp(1, exponent - 24 < -149 ? -149 : exponent - 24);
  return fabs((double)value - expected) / ulp;
}

/* An odd stride through all bit patterns: every exponent, both signs, infinities' and NaN's neighbourhood. */
static void check_function(const kd_vector_table *table, int f, const char *isa) {
  enum { PIECE = 1024, STRIDE = 12289 };
  float x[PIECE], y[PIECE];
  for (uint64_t first = 0; first < (1ull << 32); first += (uint64_t)PIECE * STRIDE) {
    for (uint64_t i = 0; i < PIECE; i++) {
      uint32_t bits = (uint32_t)(first + i * STRIDE);
      memcpy(&x[i], &bits, sizeof bits);
    }
    table->pointwise_step(functions[f].op)(y, x, x, x, PIECE);
    for (int i = 0; i < PIECE; i++) {
      double expected = functions[f].exact((double)x[i]), error = error_in_ulp(y[i], expected);
      if (!(error <= functions[f].limit))
        fail_msg("%s of %.9g (%s) is %.9g, expected %.9g: %.2f ulp", kd_pw_name(functions[f].op),
                 (double)x[i], isa, (double)y[i], expected, error);
    }
  }
}

static void test_errors(void **state) {
  (void)state;
  for (int isa = 0; isa <= (int)kd_isa_available(); isa++)
    for (size_t f = 0; f < sizeof functions / sizeof functions[0]; f++)
      check_function(kd_isa_table((kd_isa)isa), (int)f, kd_isa_name((kd_isa)isa));
}

static void test_powers(void **state) {
  (void)state;
  static const float bases[] = {0.0f, 0.1f, 0.9f, 1.0f, 1.5f, 10.0f, 1e-30f, 1e30f, INFINITY, -2.0f, -8.0f};
  static const float exponents[] = {0.0f, 1.0f, -1.0f, 2.0f, 3.0f, 0.5f, 1.7f, -2.5f, 100.0f, 1000.0f};
  for (int isa = 0; isa <= (int)kd_isa_available(); isa++)
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++)
      for (size_t j = 0; j < sizeof exponents / sizeof exponents[0]; j++) {
        float y;
        kd_isa_table((kd_isa)isa)->pointwise_step(KD_PW_POW)(&y, &bases[i], &exponents[j], NULL, 1);
        double expected = pow((double)bases[i], (double)exponents[j]);
        if (!(error_in_ulp(y, expected) <= 2))
          fail_msg("%g to the power %g is %.9g, expected %.9g", (double)bases[i], (double)exponents[j],
                   (double)y, expected);
      }
}

/* Every float16 and bfloat16 to float and back is itself. */
static void test_half_types(void **state) {
  (void)state;
  enum { ALL = 1 << 16 };
  static uint16_t in[ALL], out[ALL];
  static float wide[ALL];
  for (int i = 0; i < ALL; i++) in[i] = (uint16_t)i;
  for (int isa = 0; isa <= (int)kd_isa_available(); isa++) {
    const kd_vector_table *table = kd_isa_table((kd_isa)isa);
    for (kd_dtype type = KD_BF16; type <= KD_F16; type++) {
      table->load_fn(type)(wide, in, ALL);
      table->store_fn(type)(out, wide, ALL);
      for (int i = 0; i < ALL; i++)
        if (in[i] != out[i] && !isnan(wide[i]))
          fail_msg("%s %04x (%g) comes back as %04x", kd_dtype_name(type), in[i], (double)wide[i], out[i]);
    }
  }
}

/* Rounding to half types: ties to even, overflow to infinity, subnormal results. */
static void test_half_rounding(void **state) {
  (void)state;
  static const struct {
    kd_dtype type;
    float value;
    uint16_t bits;
  } cases[] = {
      {KD_F16, 1.0f, 0x3C00},         {KD_F16, 65504.0f, 0x7BFF},     {KD_F16, 65519.0f, 0x7BFF},
      {KD_F16, 65520.0f, 0x7C00},     {KD_F16, 1e10f, 0x7C00},        {KD_F16, -1e10f, 0xFC00},
      {KD_F16, 0x1p-24f, 0x0001},     {KD_F16, 0x1p-25f, 0x0000},     {KD_F16, 0x1.8p-25f, 0x0001},
      {KD_F16, 2049.0f, 0x6800},      {KD_F16, 2051.0f, 0x6802},      {KD_F16, -0.0f, 0x8000},
      {KD_F16, 0x1.ff8p-15f, 0x03FF}, {KD_F16, 0x1.ffcp-15f, 0x0400}, {KD_BF16, 1.0f, 0x3F80},
      {KD_BF16, 0x1.01p0f, 0x3F80},   {KD_BF16, 0x1.03p0f, 0x3F82},   {KD_BF16, 3.4e38f, 0x7F80},
      {KD_BF16, INFINITY, 0x7F80},    {KD_BF16, -0.0f, 0x8000},
  };
  for (int isa = 0; isa <= (int)kd_isa_available(); isa++)
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
      uint16_t bits[9]; /* nine: the vector code and its tail */
      float values[9];
      for (int k = 0; k < 9; k++) values[k] = cases[i].value;
      kd_isa_table((kd_isa)isa)->store_fn(cases[i].type)(bits, values, 9);
      for (int k = 0; k < 9; k++)
        if (bits[k] != cases[i].bits)
          fail_msg("%g as %s is %04x, expected %04x (%s)", (double)cases[i].value,
                   kd_dtype_name(cases[i].type), bits[k], cases[i].bits, kd_isa_name((kd_isa)isa));
    }
}

/* Integers: cut toward zero, kept in range, NaN is 0. */
static void test_integers(void **state) {
  (void)state;
  static const float in[] = {1.9f, -1.9f, 300.0f, -5.0f, NAN, INFINITY, -INFINITY, 3e9f, -3e9f, 1e19f};
  enum { N = sizeof in / sizeof in[0] };
  static const uint8_t bytes[N] = {1, 0, 255, 0, 0, 255, 0, 255, 0, 255};
  static const int32_t words[N] = {1, -1, 300, -5, 0, INT32_MAX, INT32_MIN, INT32_MAX, INT32_MIN, INT32_MAX};
  static const uint32_t naturals[N] = {1, 0, 300, 0, 0, UINT32_MAX, 0, 3000000000u, 0, UINT32_MAX};
  static const int64_t wide[N] = {1,         -1,        300,        -5,          0,
                                  INT64_MAX, INT64_MIN, 3000000000, -3000000000, INT64_MAX};
  for (int isa = 0; isa <= (int)kd_isa_available(); isa++) {
    const kd_vector_table *table = kd_isa_table((kd_isa)isa);
    uint8_t b[N];
    int32_t w[N];
    uint32_t u[N];
    int64_t l[N];
    table->store_fn(KD_U8)(b, in, N);
    table->store_fn(KD_I32)(w, in, N);
    table->store_fn(KD_U32)(u, in, N);
    table->store_fn(KD_I64)(l, in, N);
    assert_memory_equal(b, bytes, sizeof b);
    assert_memory_equal(w, words, sizeof w);
    assert_memory_equal(u, naturals, sizeof u);
    assert_memory_equal(l, wide, sizeof l);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_errors),     cmocka_unit_test(test_powers),
      cmocka_unit_test(test_half_types), cmocka_unit_test(test_half_rounding),
      cmocka_unit_test(test_integers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
