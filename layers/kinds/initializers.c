/* Initializers (keras/src/initializers). The streams are kdist's own: Keras's differ between its backends. */
#include <math.h>
#include <string.h>

#include "layers/init.h"
#include "layers/kinds/kinds.h"

typedef struct initializer_options {
  double value, gain, mean, stddev, minval, maxval, scale;
  int mode, distribution;
  int64_t seed;
} initializer_options;

enum { FAN_IN, FAN_OUT, FAN_AVG };
enum { TRUNCATED_NORMAL, UNTRUNCATED_NORMAL, UNIFORM };

/* With a seed of its own an initializer gives the same values in every run and weight, as in Keras. */
static uint64_t stream(const initializer_options *o, uint64_t key) {
  return o->seed == KD_UNSET_INT ? key : kd_mix64((uint64_t)o->seed, 0);
}

static kd_status fill_zeros(const void *options, const kd_shape *shape, uint64_t key, float *values) {
  (void)options, (void)key;
  kd_fill_constant(values, kd_shape_count(shape), 0);
  return KD_OK;
}

static kd_status fill_ones(const void *options, const kd_shape *shape, uint64_t key, float *values) {
  (void)options, (void)key;
  kd_fill_constant(values, kd_shape_count(shape), 1);
  return KD_OK;
}

static kd_status fill_constant(const void *options, const kd_shape *shape, uint64_t key, float *values) {
  (void)key;
  kd_fill_constant(values, kd_shape_count(shape), (float)((const initializer_options *)options)->value);
  return KD_OK;
}

static kd_status fill_identity(const void *options, const kd_shape *shape, uint64_t key, float *values) {
  (void)key;
  char text[KD_SHAPE_TEXT];
  KD_CHECK(shape->rank == 2, KD_ERR_USAGE, "the Identity initializer needs a matrix, but the shape is %s",
           kd_shape_text(shape, text));
  kd_fill_constant(values, kd_shape_count(shape), 0);
  for (int64_t i = 0; i < shape->dim[0] && i < shape->dim[1]; i++)
    values[i * shape->dim[1] + i] = (float)((const initializer_options *)options)->gain;
  return KD_OK;
}

static kd_status fill_random_normal(const void *options, const kd_shape *shape, uint64_t key, float *values) {
  const initializer_options *o = options;
  kd_fill_normal(values, kd_shape_count(shape), stream(o, key), o->mean, o->stddev);
  return KD_OK;
}

static kd_status fill_truncated_normal(const void *options, const kd_shape *shape, uint64_t key,
                                       float *values) {
  const initializer_options *o = options;
  kd_fill_truncated_normal(values, kd_shape_count(shape), stream(o, key), o->mean, o->stddev);
  return KD_OK;
}

static kd_status fill_random_uniform(const void *options, const kd_shape *shape, uint64_t key,
                                     float *values) {
  const initializer_options *o = options;
  kd_fill_uniform(values, kd_shape_count(shape), stream(o, key), o->minval, o->maxval);
  return KD_OK;
}

/* Variance scale / fan. A normal cut at two deviations has 0.8796 of its deviation left, which is made up. */
static void fill_scaled(const initializer_options *o, double scale, int mode, int distribution,
                        const kd_shape *shape, uint64_t key, float *values) {
  const double truncated_deviation = 0.87962566103423978;
  double fan_in, fan_out;
  kd_fans(shape, &fan_in, &fan_out);
  double fan = mode == FAN_IN ? fan_in : mode == FAN_OUT ? fan_out : (fan_in + fan_out) / 2;
  double variance = scale / fmax(1, fan), limit = sqrt(3 * variance), deviation = sqrt(variance);
  int64_t count = kd_shape_count(shape);
  key = stream(o, key);
  if (distribution == UNIFORM)
    kd_fill_uniform(values, count, key, -limit, limit);
  else if (distribution == UNTRUNCATED_NORMAL)
    kd_fill_normal(values, count, key, 0, deviation);
  else
    kd_fill_truncated_normal(values, count, key, 0, deviation / truncated_deviation);
}

static kd_status fill_variance_scaling(const void *options, const kd_shape *shape, uint64_t key,
                                       float *values) {
  const initializer_options *o = options;
  fill_scaled(o, o->scale, o->mode, o->distribution, shape, key, values);
  return KD_OK;
}

/* Glorot, He and Lecun are VarianceScaling with fixed arguments. */
#define SCALED(id, scale, mode, distribution)                                                                \
  static kd_status fill_##id(const void *options, const kd_shape *shape, uint64_t key, float *values) {      \
    fill_scaled(options, scale, mode, distribution, shape, key, values);                                     \
    return KD_OK;                                                                                            \
  }
SCALED(glorot_uniform, 1, FAN_AVG, UNIFORM)
SCALED(glorot_normal, 1, FAN_AVG, TRUNCATED_NORMAL)
SCALED(he_uniform, 2, FAN_IN, UNIFORM)
SCALED(he_normal, 2, FAN_IN, TRUNCATED_NORMAL)
SCALED(lecun_uniform, 1, FAN_IN, UNIFORM)
SCALED(lecun_normal, 1, FAN_IN, TRUNCATED_NORMAL)

#define NUMBER(field, start, text) KD_ROW_FLOAT(initializer_options, field, start, 0, 0, text)
#define ROW_STDDEV                                                                                           \
  KD_ROW_FLOAT(initializer_options, stddev, "0.05", 0, 1e30, "standard deviation of the distribution")
#define ROW_SEED                                                                                             \
  {                                                                                                          \
    .name = "seed", .type = KD_OPT_INT, .offset = offsetof(initializer_options, seed), .initial = "none",    \
    .help = "own stream of random numbers; none: from the run's seed and the weight's name",                 \
    .flags = KD_OPT_NONE_OK                                                                                  \
  }

static const kd_option none_options[] = {KD_ROW_END};
static const kd_option seed_options[] = {ROW_SEED, KD_ROW_END};
static const kd_option constant_options[] = {{.name = "value",
                                              .type = KD_OPT_FLOAT,
                                              .offset = offsetof(initializer_options, value),
                                              .initial = "0.0",
                                              .help = "the value",
                                              .flags = KD_OPT_SPELT_OUT},
                                             KD_ROW_END};
static const kd_option identity_options[] = {NUMBER(gain, "1.0", "factor of the identity matrix"),
                                             KD_ROW_END};
static const kd_option normal_options[] = {NUMBER(mean, "0.0", "mean of the distribution"), ROW_STDDEV,
                                           ROW_SEED, KD_ROW_END};
static const kd_option uniform_options[] = {NUMBER(minval, "-0.05", "lower end"),
                                            NUMBER(maxval, "0.05", "upper end"), ROW_SEED, KD_ROW_END};
static const kd_option scaling_options[] = {
    {.name = "scale",
     .type = KD_OPT_FLOAT,
     .offset = offsetof(initializer_options, scale),
     .initial = "1.0",
     .help = "factor of the variance",
     .max = 1e30,
     .flags = KD_OPT_OPEN_MIN},
    KD_ROW_CHOICE(initializer_options, mode, "fan_in", "fan_in|fan_out|fan_avg",
                  "what the variance is divided by"),
    KD_ROW_CHOICE(initializer_options, distribution, "truncated_normal",
                  "truncated_normal|untruncated_normal|uniform", "shape of the distribution"),
    ROW_SEED,
    KD_ROW_END,
};

#define KIND_(id, class, others, table, text, by_fans)                                                       \
  static const kd_initializer_kind id = {{.name = class,                                                     \
                                          .aliases = others,                                                 \
                                          .help = text,                                                      \
                                          .options = table,                                                  \
                                          .options_size = sizeof(initializer_options)},                      \
                                         fill_##id,                                                          \
                                         by_fans};
#define KIND(id, class, others, table, text)        KIND_(id, class, others, table, text, false)
#define SCALED_KIND(id, class, others, table, text) KIND_(id, class, others, table, text, true)
KIND(constant, "Constant", "constant", constant_options, "one value")
SCALED_KIND(glorot_normal, "GlorotNormal", "glorot_normal", seed_options,
            "truncated normal, variance 2 / (fan_in + fan_out)")
SCALED_KIND(glorot_uniform, "GlorotUniform", "glorot_uniform", seed_options,
            "uniform, variance 2 / (fan_in + fan_out)")
SCALED_KIND(he_normal, "HeNormal", "he_normal", seed_options, "truncated normal, variance 2 / fan_in")
SCALED_KIND(he_uniform, "HeUniform", "he_uniform", seed_options, "uniform, variance 2 / fan_in")
KIND(identity, "Identity", "identity|IdentityInitializer", identity_options, "the identity matrix")
SCALED_KIND(lecun_normal, "LecunNormal", "lecun_normal", seed_options,
            "truncated normal, variance 1 / fan_in")
SCALED_KIND(lecun_uniform, "LecunUniform", "lecun_uniform", seed_options, "uniform, variance 1 / fan_in")
KIND(ones, "Ones", "ones|one", none_options, "one")
KIND(random_normal, "RandomNormal", "random_normal|normal", normal_options, "normal distribution")
KIND(random_uniform, "RandomUniform", "random_uniform|uniform", uniform_options, "uniform distribution")
KIND(truncated_normal, "TruncatedNormal", "truncated_normal", normal_options, "normal, cut at two deviations")
SCALED_KIND(variance_scaling, "VarianceScaling", "variance_scaling", scaling_options,
            "variance from the weight's shape")
KIND(zeros, "Zeros", "zeros|zero", none_options, "zero")

extern const kd_initializer_kind kd_initializer_orthogonal; /* orthogonal.c */

static const kd_kind *const kinds[] = {
    &constant.base,
    &glorot_normal.base,
    &glorot_uniform.base,
    &he_normal.base,
    &he_uniform.base,
    &identity.base,
    &lecun_normal.base,
    &lecun_uniform.base,
    &ones.base,
    &kd_initializer_orthogonal.base,
    &random_normal.base,
    &random_uniform.base,
    &truncated_normal.base,
    &variance_scaling.base,
    &zeros.base,
};
const kd_family kd_initializer_family = {"initializer", kinds, sizeof kinds / sizeof *kinds};
