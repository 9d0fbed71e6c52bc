/* Normalization (keras/src/layers/preprocessing/normalization.py): (x - mean) / max(sqrt(variance), epsilon)
 * along some axes, or its inverse. Mean and variance are options, or weights that nothing trains: those that
 * Keras's `adapt` has found, in a model that Keras saved. */
#include <math.h>

#include "layers/kinds/kinds.h"

#define EPSILON 1e-7 /* keras.backend.epsilon() */

typedef struct normalization_options {
  kd_ints axis;
  kd_floats mean, variance;
  bool invert;
} normalization_options;

/* The axes that have statistics of their own, in order: their sizes, and the shape of statistics that
 * broadcasts to the input. */
typedef struct kept_axes {
  kd_shape sizes, wide;
  int last; /* the last of them in `wide`; -1: none */
} kept_axes;

static kd_status find_axes(const kd_graph *g, kd_sym x, const kd_ints *given, kept_axes *kept) {
  const kd_shape *shape = kd_sym_shape(g, x);
  bool keep[KD_MAX_RANK] = {false};
  for (int i = 0; i < given->count; i++) {
    int axis;
    KD_TRY(kd_layer_axis(g, x, given->v[i], &axis));
    keep[axis] = true;
  }
  *kept = (kept_axes){.wide.rank = shape->rank, .last = -1};
  for (int axis = 0; axis < shape->rank; axis++) {
    kept->wide.dim[axis] = keep[axis] ? shape->dim[axis] : 1;
    if (!keep[axis]) continue;
    kept->sizes.dim[kept->sizes.rank++] = shape->dim[axis];
    kept->last = axis;
  }
  return KD_OK;
}

/* Numbers as a vector; a tensor is joined from a limited number of others at a time. */
static kd_sym vector(kd_graph *g, int count, const double *numbers) {
  kd_sym whole = KD_NO_SYM;
  for (int done = 0; done < count;) {
    kd_sym parts[KD_MAX_INPUTS];
    int n = 0;
    if (whole != KD_NO_SYM) parts[n++] = whole;
    while (n < KD_MAX_INPUTS && done < count) parts[n++] = kd_full(g, KD_SHAPE(1), numbers[done++]);
    whole = kd_concat(g, n, parts, 0);
  }
  return whole;
}

static double deviation(double variance) {
  return fmax(sqrt(variance), EPSILON);
}

/* One number for all, or one for each place along the last kept axis. */
static kd_status constants(kd_build *build, const normalization_options *o, const kept_axes *kept,
                           kd_sym *mean, kd_sym *spread) {
  kd_graph *g = build->graph;
  int count = o->mean.count;
  if (count == 1) {
    *mean = kd_const(g, o->mean.v[0]);
    *spread = kd_const(g, deviation(o->variance.v[0]));
    return KD_OK;
  }
  int64_t wanted = kept->last < 0 ? 1 : kept->wide.dim[kept->last];
  KD_CHECK(count == wanted, KD_ERR_USAGE, "mean and variance have %d numbers, but the axis has size %lld",
           count, (long long)wanted);
  double *spreads = kd_pool_alloc(g->pool, (size_t)count, sizeof *spreads);
  for (int i = 0; i < count; i++) spreads[i] = deviation(o->variance.v[i]);
  kd_shape shape = {.rank = kept->wide.rank - kept->last};
  for (int i = 0; i < shape.rank; i++) shape.dim[i] = i ? 1 : count;
  *mean = kd_reshape(g, vector(g, count, o->mean.v), shape);
  *spread = kd_reshape(g, vector(g, count, spreads), shape);
  return KD_OK;
}

static kd_status adapted(kd_build *build, const kd_layer *layer, const kept_axes *kept, kd_sym *mean,
                         kd_sym *spread) {
  kd_graph *g = build->graph;
  KD_CHECK(layer->stored, KD_ERR_USAGE,
           "give mean and variance: only a model that Keras has adapted and saved holds them without");
  kd_object zeros = kd_fixed_initializer(build, "zeros"), ones = kd_fixed_initializer(build, "ones");
  kd_sym means = kd_build_weight(build, "mean", kept->sizes, &zeros, NULL, false);
  kd_sym variances = kd_build_weight(build, "variance", kept->sizes, &ones, NULL, false);
  kd_build_weight(build, "count", KD_SCALAR, &zeros, NULL, false); /* nothing reads it */
  *mean = kd_reshape(g, means, kept->wide);
  *spread = kd_max(g, kd_unary(g, KD_PW_SQRT, kd_reshape(g, variances, kept->wide)), kd_const(g, EPSILON));
  return KD_OK;
}

static kd_status normalization_build(kd_build *build, const kd_layer *layer, int n_inputs,
                                     const kd_sym *inputs, kd_sym *outputs) {
  (void)n_inputs;
  const normalization_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_sym x = kd_as_float(g, inputs[0]), mean, spread;
  KD_TRY(kd_graph_status(g));
  kept_axes kept;
  KD_TRY(find_axes(g, x, &o->axis, &kept));
  KD_TRY(o->mean.count > 0 ? constants(build, o, &kept, &mean, &spread)
                           : adapted(build, layer, &kept, &mean, &spread));
  outputs[0] = o->invert ? kd_add(g, mean, kd_mul(g, x, spread)) : kd_div(g, kd_sub(g, x, mean), spread);
  return KD_OK;
}

static void check_counts(const void *options, kd_diag *diag, kd_origin origin) {
  const normalization_options *o = options;
  if (o->mean.count != o->variance.count)
    kd_diag_error(diag, origin, "mean has %d numbers, but variance has %d: give both, of one length",
                  o->mean.count, o->variance.count);
  for (int i = 0; i < o->variance.count; i++)
    if (o->variance.v[i] < 0) kd_diag_error(diag, origin, "variance = %g is negative", o->variance.v[i]);
}

#define ROW_NUMBERS(field, text)                                                                             \
  {                                                                                                          \
    .name = #field, .type = KD_OPT_FLOATS, .offset = offsetof(normalization_options, field),                 \
    .initial = "none", .help = text, .flags = KD_OPT_NONE_OK                                                 \
  }

static const kd_option options[] = {
    {.name = "axis",
     .type = KD_OPT_INTS,
     .offset = offsetof(normalization_options, axis),
     .initial = "-1",
     .help = "axes with statistics of their own; none: one for all",
     .min = -KD_MAX_RANK,
     .max = KD_MAX_RANK,
     .flags = KD_OPT_NONE_OK},
    ROW_NUMBERS(mean, "subtracted; one number, or one for each place along the last of the axes"),
    ROW_NUMBERS(variance, "square of the divisor; as many numbers as mean"),
    KD_ROW_BOOL(normalization_options, invert, "false", "from normalised numbers back"),
    KD_ROW_END,
};

const kd_layer_kind kd_layer_normalization = {
    .base = {.name = "Normalization",
             .help = "(x - mean) / sqrt(variance) with given statistics",
             .options = options,
             .options_size = sizeof(normalization_options),
             .check = check_counts},
    .min_inputs = 1,
    .max_inputs = 1,
    .build = normalization_build,
    .mask = KD_MASK_PASS,
};
