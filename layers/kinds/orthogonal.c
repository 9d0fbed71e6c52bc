/* The Orthogonal initializer (keras/src/initializers/random_initializers.py), and the bias of LSTM with an
 * open forget gate. */
#include <math.h>

#include "device/base/memory.h"
#include "layers/init.h"
#include "layers/kinds/rnn.h"

typedef struct orthogonal_options {
  double gain;
  int64_t seed;
} orthogonal_options;

/* Four accumulators, so that the additions do not wait for each other. */
static double dot(const double *a, const double *b, int64_t n) {
  double sum[4] = {0};
  int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int k = 0; k < 4; k++) sum[k] += a[i + k] * b[i + k];
  for (; i < n; i++) sum[0] += a[i] * b[i];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Makes `count` vectors of n numbers orthonormal by the modified Gram-Schmidt process. Its triangular factor
 * has a positive diagonal, which is what Keras makes of its QR decomposition by changing signs. */
static void orthonormalize(double *v, int64_t count, int64_t n) {
  for (int64_t i = 0; i < count; i++) {
    double *a = v + i * n;
    for (int64_t j = 0; j < i; j++) {
      const double *b = v + j * n;
      double along = dot(a, b, n);
      for (int64_t k = 0; k < n; k++) a[k] -= along * b[k];
    }
    double length = sqrt(dot(a, a, n));
    for (int64_t k = 0; k < n; k++) a[k] /= length;
  }
}

/* The matrix (all axes but the last, last axis) has orthonormal rows or, when it is higher than wide,
 * columns. */
static kd_status fill_orthogonal(const void *options, const kd_shape *shape, uint64_t key, float *values) {
  const orthogonal_options *o = options;
  char text[KD_SHAPE_TEXT];
  KD_CHECK(shape->rank >= 2, KD_ERR_USAGE,
           "the Orthogonal initializer needs two axes or more, but the shape is %s",
           kd_shape_text(shape, text));
  int64_t rows = kd_shape_span(shape, 0, shape->rank - 1), columns = shape->dim[shape->rank - 1];
  int64_t vectors = rows < columns ? rows : columns, n = rows < columns ? columns : rows;
  if (o->seed != KD_UNSET_INT) key = kd_mix64((uint64_t)o->seed, 0);
  kd_fill_normal(values, rows * columns, key, 0, 1);
  double *v = kd_calloc((size_t)(rows * columns), sizeof *v);
  for (int64_t i = 0; i < rows * columns; i++) v[i] = (double)values[i];
  orthonormalize(v, vectors, n);
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < columns; c++)
      values[r * columns + c] = (float)(o->gain * (rows < columns ? v[r * n + c] : v[c * n + r]));
  kd_free(v);
  return KD_OK;
}

static const kd_option orthogonal_table[] = {
    KD_ROW_FLOAT(orthogonal_options, gain, "1.0", 0, 0, "factor of the orthogonal matrix"),
    {.name = "seed",
     .type = KD_OPT_INT,
     .offset = offsetof(orthogonal_options, seed),
     .initial = "none",
     .help = "own stream of random numbers; none: from the run's seed and the weight's name",
     .flags = KD_OPT_NONE_OK},
    KD_ROW_END,
};

const kd_initializer_kind kd_initializer_orthogonal = {
    {.name = "Orthogonal",
     .aliases = "orthogonal|OrthogonalInitializer",
     .help = "a random matrix of orthonormal rows or columns",
     .options = orthogonal_table,
     .options_size = sizeof(orthogonal_options)},
    fill_orthogonal,
    false};

/* --- forget gate ------------------------------------------------------------------------------------- */

typedef struct forget_options {
  kd_object inner;
  int64_t units;
} forget_options;

static kd_status fill_forget(const void *options, const kd_shape *shape, uint64_t key, float *values) {
  const forget_options *o = options;
  const kd_initializer_kind *kind = (const kd_initializer_kind *)o->inner.kind;
  int64_t u = o->units;
  kd_shape first = KD_SHAPE(u), rest = KD_SHAPE(2 * u);
  kd_fill_constant(values, kd_shape_count(shape), 0);
  if (kind) KD_TRY(kind->fill(o->inner.options, &first, key, values));
  kd_fill_constant(values + u, u, 1);
  return kind ? kind->fill(o->inner.options, &rest, kd_mix64(key, 1), values + 2 * u) : KD_OK;
}

static const kd_initializer_kind forget_bias = {
    {.name = "ForgetBias", .options_size = sizeof(forget_options)}, fill_forget, false};

kd_object kd_forget_bias(kd_pool *pool, const kd_object *bias_initializer, int64_t units) {
  forget_options *o = kd_pool_alloc(pool, 1, sizeof *o);
  *o = (forget_options){*bias_initializer, units};
  return (kd_object){.kind = &forget_bias.base, .options = o};
}
