/* Flatten, Reshape, Permute, RepeatVector and Identity: layers that move numbers without changing them. */
#include "layers/kinds/kinds.h"

typedef struct flatten_options {
  int data_format;
} flatten_options;

typedef struct reshape_options {
  kd_ints target_shape;
} reshape_options;

typedef struct permute_options {
  kd_ints dims;
} permute_options;

typedef struct repeat_options {
  int64_t n;
} repeat_options;

#define BUILD(id)                                                                                            \
  static kd_status id(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,            \
                      kd_sym *outputs)

BUILD(identity_build) {
  (void)build, (void)layer, (void)n_inputs;
  outputs[0] = inputs[0];
  return KD_OK;
}

BUILD(flatten_build) {
  (void)layer, (void)n_inputs;
  const kd_shape *shape = kd_sym_shape(build->graph, inputs[0]);
  outputs[0] =
      kd_reshape(build->graph, inputs[0], KD_SHAPE(shape->dim[0], kd_shape_span(shape, 1, shape->rank)));
  return KD_OK;
}

/* Replaces the one -1 of a target; fails when the counts disagree. */
static kd_status resolve_target(const kd_graph *g, kd_sym x, const kd_ints *target, kd_shape *result) {
  char from[KD_SHAPE_TEXT], to[KD_SHAPE_TEXT];
  const kd_shape *shape = kd_sym_shape(g, x);
  KD_CHECK(target->count < KD_MAX_RANK, KD_ERR_USAGE, "target_shape has %d sizes; at most %d are possible",
           target->count, KD_MAX_RANK - 1);
  *result = (kd_shape){.rank = target->count + 1, .dim = {-1}};
  for (int i = 0; i < target->count; i++) result->dim[i + 1] = target->v[i];
  kd_shape_text(result, to);
  int64_t count = kd_shape_span(shape, 1, shape->rank);
  long long known = 1;
  int unknown = 0;
  for (int i = 1; i < result->rank; i++) {
    if (result->dim[i] == -1)
      unknown = i;
    else
      KD_TRY(kd_size_mul(known, result->dim[i], &known));
  }
  bool fits = unknown ? known > 0 && count % known == 0 : known == count;
  KD_CHECK(fits, KD_ERR_USAGE,
           "an input of shape %s has %lld numbers a sample, which target_shape %s cannot hold",
           kd_layer_shape(g, x, from), (long long)count, to);
  if (unknown) result->dim[unknown] = count / known;
  result->dim[0] = shape->dim[0];
  return KD_OK;
}

BUILD(reshape_build) {
  (void)n_inputs;
  const reshape_options *o = layer->options;
  kd_shape target;
  KD_TRY(resolve_target(build->graph, inputs[0], &o->target_shape, &target));
  outputs[0] = kd_reshape(build->graph, inputs[0], target);
  return KD_OK;
}

static void check_target(const void *options, kd_diag *diag, kd_origin origin) {
  const reshape_options *o = options;
  int unknown = 0;
  for (int i = 0; i < o->target_shape.count; i++) unknown += o->target_shape.v[i] == -1;
  if (unknown > 1) kd_diag_error(diag, origin, "target_shape may have one -1, but it has %d", unknown);
}

BUILD(permute_build) {
  (void)n_inputs;
  const permute_options *o = layer->options;
  char text[KD_SHAPE_TEXT];
  int rank = kd_sym_shape(build->graph, inputs[0])->rank;
  KD_CHECK(o->dims.count == rank - 1, KD_ERR_USAGE,
           "dims has %d axes, but the input of shape %s has %d after the batch", o->dims.count,
           kd_layer_shape(build->graph, inputs[0], text), rank - 1);
  int axes[KD_MAX_RANK] = {0};
  for (int i = 0; i < o->dims.count; i++) axes[i + 1] = (int)o->dims.v[i];
  outputs[0] = kd_transpose(build->graph, inputs[0], axes);
  return KD_OK;
}

static void check_dims(const void *options, kd_diag *diag, kd_origin origin) {
  const permute_options *o = options;
  int64_t seen = 0;
  for (int i = 0; i < o->dims.count; i++)
    if (o->dims.v[i] <= o->dims.count) seen |= (int64_t)1 << o->dims.v[i];
  if (seen != ((int64_t)1 << (o->dims.count + 1)) - 2)
    kd_diag_error(diag, origin, "dims must name each axis from 1 to %d once", o->dims.count);
}

BUILD(repeat_build) {
  (void)n_inputs;
  const repeat_options *o = layer->options;
  kd_graph *g = build->graph;
  char text[KD_SHAPE_TEXT];
  const kd_shape shape = *kd_sym_shape(g, inputs[0]);
  KD_CHECK(shape.rank == 2, KD_ERR_USAGE, "needs an input of rank 2, but its shape is %s",
           kd_layer_shape(g, inputs[0], text));
  kd_sym row = kd_reshape(g, inputs[0], KD_SHAPE(shape.dim[0], 1, shape.dim[1]));
  outputs[0] = kd_broadcast(g, row, KD_SHAPE(shape.dim[0], o->n, shape.dim[1]));
  return KD_OK;
}

static const kd_option no_options[] = {KD_ROW_END};
static const kd_option flatten_table[] = {KD_ROW_DATA_FORMAT(flatten_options), KD_ROW_END};
static const kd_option reshape_table[] = {{.name = "target_shape",
                                           .type = KD_OPT_INTS,
                                           .offset = offsetof(reshape_options, target_shape),
                                           .help = "sizes without the batch; one may be -1",
                                           .min = -1,
                                           .max = KD_SIZE_LIMIT,
                                           .flags = KD_OPT_LIST},
                                          KD_ROW_END};
static const kd_option permute_table[] = {{.name = "dims",
                                           .type = KD_OPT_INTS,
                                           .offset = offsetof(permute_options, dims),
                                           .help = "new order of the axes, counted from 1 after the batch",
                                           .min = 1,
                                           .max = KD_MAX_RANK - 1,
                                           .flags = KD_OPT_LIST},
                                          KD_ROW_END};
static const kd_option repeat_table[] = {
    KD_ROW_INT(repeat_options, n, NULL, 1, KD_SIZE_LIMIT, "number of copies"), KD_ROW_END};

#define LAYER(id, class, text, table, size, function, checks, masks)                                         \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class, .help = text, .options = table, .options_size = size, .check = checks},        \
      .min_inputs = 1,                                                                                       \
      .max_inputs = 1,                                                                                       \
      .build = function,                                                                                     \
      .mask = masks,                                                                                         \
  };
LAYER(identity, "Identity", "its input", no_options, 1, identity_build, NULL, KD_MASK_PASS)
LAYER(flatten, "Flatten", "all axes of a sample in one", flatten_table, sizeof(flatten_options),
      flatten_build, NULL, KD_MASK_DROP)
LAYER(reshape, "Reshape", "the same numbers in another shape", reshape_table, sizeof(reshape_options),
      reshape_build, check_target, KD_MASK_DROP)
LAYER(permute, "Permute", "axes in another order", permute_table, sizeof(permute_options), permute_build,
      check_dims, KD_MASK_DROP)
LAYER(repeat_vector, "RepeatVector", "n copies of a vector", repeat_table, sizeof(repeat_options),
      repeat_build, NULL, KD_MASK_DROP)
