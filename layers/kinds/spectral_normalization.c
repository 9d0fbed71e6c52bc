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

/* The number of one of the present layer's weights, or -1. */
static int find_weight(const kd_build *build, const char *place) {
  const kd_layer *layer = build->layer;
  const char *name = build->part ? kd_pool_printf(build->graph->pool, "%s/%s", build->part, place) : place;
  for (int i = 0; i < layer->n_weights; i++)
    if (!strcmp(build->model->weights[layer->first_weight + i].name, name)) return layer->first_weight + i;
  return -1;
}

/* What Keras calls kernel or embeddings of the inner layer. */
static int find_kernel(const kd_build *build) {
  int number = find_weight(build, "layer/kernel");
  return number >= 0 ? number : find_weight(build, "layer/embeddings");
}

/* One more step of the power iteration: v = u W^T and u = v W, each of length 1. Products are sums over axes,
 * whose bits do not depend on the number of threads. */
static void iterate(kd_graph *g, kd_sym rows, kd_sym *u, kd_sym *v) {
  *v = kd_reduce(g, KD_REDUCE_SUM, kd_mul(g, rows, *u), 1, (int[]){1}, true);
  *v = kd_l2_normalize(g, *v, 0, NULL, EPSILON);
  *u = kd_reduce(g, KD_REDUCE_SUM, kd_mul(g, rows, *v), 1, (int[]){0}, true);
  *u = kd_l2_normalize(g, *u, 0, NULL, EPSILON);
}

/* The weights as a training call leaves them. A kernel of zeros stays, and u with it. */
static void normalise(kd_graph *g, int64_t iterations, kd_sym *kernel, kd_sym *vector) {
  const kd_shape shape = *kd_sym_shape(g, *kernel);
  int64_t columns = shape.dim[shape.rank - 1];
  kd_sym rows = kd_reshape(g, *kernel, KD_SHAPE(kd_shape_span(&shape, 0, shape.rank - 1), columns));
  kd_sym u = *vector, v = KD_NO_SYM;
  for (int64_t i = 0; i < iterations; i++) iterate(g, rows, &u, &v);
  kd_sym sigma = kd_reduce_all(g, KD_REDUCE_SUM, kd_mul(g, kd_mul(g, rows, v), u));
  kd_sym some = kd_reduce_all(g, KD_REDUCE_MAX, kd_unary(g, KD_PW_ABS, *kernel));
  *kernel = kd_select(g, some, kd_div(g, *kernel, sigma), *kernel);
  *vector = kd_select(g, some, u, *vector);
}

/* A weight of the layer by its number, before the layer asks for it. */
static kd_sym weight_of(kd_build *build, int number) {
  int next = build->next_weight;
  build->next_weight = number - build->layer->first_weight;
  kd_sym weight = kd_build_weight(build, "weight", build->model->weights[number].shape, NULL, NULL, false);
  build->next_weight = next;
  return weight;
}

/* A training call in a pass that changes no weight: the inner layer alone sees the new kernel. */
static kd_status build_replaced(kd_build *build, const spectral_options *o, int n_inputs,
                                const kd_sym *inputs, kd_sym *output) {
  int number = find_kernel(build), last = find_weight(build, "vector_u");
  kd_sym before = weight_of(build, number), kernel = before, vector = weight_of(build, last), mask;
  normalise(build->graph, o->power_iterations, &kernel, &vector);
  build->weight_sym[number] = kd_cast(build->graph, kernel, kd_sym_get(build->graph, before)->dtype);
  kd_status status =
      kd_build_inner(build, "layer", &o->layer, n_inputs, inputs, build->input_mask, output, &mask);
  build->weight_sym[number] = before;
  build->next_weight++; /* the vector */
  return status;
}

/* The step changes the weights first, and then computes with the new ones. */
static kd_status prepare(kd_build *build, int64_t iterations, int number, kd_sym vector, bool used) {
  kd_sym old_kernel = build->weight_sym[number], kernel = old_kernel, old_vector = vector;
  normalise(build->graph, iterations, &kernel, &vector);
  kd_build_prepared(build, old_kernel, kernel);
  kd_build_prepared(build, old_vector, vector);
  KD_TRY(kd_graph_status(build->graph));
  KD_CHECK(!used, KD_ERR_USAGE,
           "changes %s before each step, so that no call with training = false can stand before this one",
           build->model->weights[number].name);
  return KD_OK;
}

static kd_status spectral_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                                kd_sym *outputs) {
  const spectral_options *o = layer->options;
  kd_graph *g = build->graph;
  kd_sym mask;
  KD_CHECK(g->rows_per_sample <= 1, KD_ERR_USAGE,
           "SpectralNormalization within TimeDistributed is not available");
  bool known = !build->declare && build->weight_sym;
  if (known && build->training && !build->fits) return build_replaced(build, o, n_inputs, inputs, outputs);
  int before = known ? find_kernel(build) : -1;
  bool used = before >= 0 && build->weight_sym[before] != KD_NO_SYM;
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
  if (build->training && known) KD_TRY(prepare(build, o->power_iterations, number, vector, used));
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
    .takes_training = true,
};
