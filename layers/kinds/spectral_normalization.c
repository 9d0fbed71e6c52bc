/* SpectralNormalization: a layer whose kernel is divided by its largest singular value before each training
 * step (keras/src/layers/normalization/spectral_normalization.py). The kernel itself is replaced, so
 * gradients are those of the new one, as with Keras on TensorFlow and PyTorch. */
#include <string.h>

#include "layers/kinds/kinds.h"
#include "layers/model.h"

typedef struct spectral_options {
  kd_object layer;
  int64_t power_iterations;
} spectral_options;

/* keras.ops.normalize's default. */
static const double EPSILON = 1e-7;

/* The weight of the inner layer that Keras calls kernel or embeddings: its number, or -1. */
static int find_kernel(const kd_build *build) {
  const kd_layer *layer = build->layer;
  const char *slash = build->part ? "/" : "", *part = build->part ? build->part : "";
  for (int pass = 0; pass < 2; pass++) {
    const char *name =
        kd_pool_printf(build->graph->pool, "%s%slayer/%s", part, slash, pass ? "embeddings" : "kernel");
    for (int i = 0; i < layer->n_weights; i++)
      if (!strcmp(build->model->weights[layer->first_weight + i].name, name)) return layer->first_weight + i;
  }
  return -1;
}

/* One more step of the power iteration: v = u W^T and u = v W, each of length 1. Products are sums over axes,
 * whose bits do not depend on the number of threads. */
static void iterate(kd_graph *g, kd_sym rows, kd_sym *u, kd_sym *v) {
  *v = kd_reduce(g, KD_REDUCE_SUM, kd_mul(g, rows, *u), 1, (int[]){1}, true);
  *v = kd_l2_normalize(g, *v, 0, NULL, EPSILON);
  *u = kd_reduce(g, KD_REDUCE_SUM, kd_mul(g, rows, *v), 1, (int[]){0}, true);
  *u = kd_l2_normalize(g, *u, 0, NULL, EPSILON);
}

/* A kernel of zeros stays, and u with it. */
static void prepare(kd_build *build, kd_sym kernel, kd_sym vector, int64_t iterations) {
  kd_graph *g = build->graph;
  const kd_shape shape = *kd_sym_shape(g, kernel);
  int64_t columns = shape.dim[shape.rank - 1];
  kd_sym rows = kd_reshape(g, kernel, KD_SHAPE(kd_shape_span(&shape, 0, shape.rank - 1), columns));
  kd_sym u = vector, v = KD_NO_SYM;
  for (int64_t i = 0; i < iterations; i++) iterate(g, rows, &u, &v);
  kd_sym sigma = kd_reduce_all(g, KD_REDUCE_SUM, kd_mul(g, kd_mul(g, rows, v), u));
  kd_sym some = kd_reduce_all(g, KD_REDUCE_MAX, kd_unary(g, KD_PW_ABS, kernel));
  kd_build_prepared(build, kernel, kd_select(g, some, kd_div(g, kernel, sigma), kernel));
  kd_build_prepared(build, vector, kd_select(g, some, u, vector));
}

static kd_status spectral_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                kd_sym *outputs) {
  const spectral_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_sym mask;
  KD_CHECK(g->rows_per_sample <= 1, KD_ERR_USAGE,
           "SpectralNormalization within TimeDistributed is not available");
  KD_TRY(kd_build_inner(build, "layer", &o->layer, n_inputs, inputs, build->input_mask, &outputs[0], &mask));
  int number = find_kernel(build);
  KD_CHECK(number >= 0, KD_ERR_USAGE,
           "layer: %s has no kernel and no embeddings to normalise; Dense, convolutions, EinsumDense and "
           "Embedding have",
           o->layer.kind->name);
  const kd_weight *weight = &build->model->weights[number];
  int64_t columns = weight->shape.dim[weight->shape.rank - 1];
  kd_object start = kd_fixed_initializer(build, "TruncatedNormal(stddev=0.02)");
  kd_sym vector = kd_build_weight(build, "vector_u", KD_SHAPE(1, columns), &start, NULL, false);
  if (build->declare) {
    build->model->weights[number].again = build->part ? kd_pool_strdup(build->model->pool, build->part) : "";
    return kd_graph_status(g);
  }
  if (build->training && build->weight_sym)
    prepare(build, build->weight_sym[number], vector, o->power_iterations);
  return kd_graph_status(g);
}

static const kd_option options[] = {
    {.name = "layer",
     .type = KD_OPT_OBJECT,
     .offset = offsetof(spectral_options, layer),
     .help = "layer whose kernel is normalised, as Dense(3)",
     .family = &kd_layer_family},
    KD_ROW_INT(spectral_options, power_iterations, "1", 1, 1000,
               "steps towards the largest singular value before each training step"),
    KD_ROW_END,
};

const kd_layer_kind kd_layer_spectral_normalization = {
    .base = {.name = "SpectralNormalization",
             .help = "a layer whose kernel is kept at a spectral norm of one",
             .options = options,
             .options_size = sizeof(spectral_options)},
    .min_inputs = 1,
    .max_inputs = 1,
    .build = spectral_build,
};
