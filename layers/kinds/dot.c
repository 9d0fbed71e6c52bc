/* Dot: sums of products of two inputs along one axis of each (keras/src/layers/merging/dot.py). */
#include <string.h>

#include "layers/kinds/einsum.h"

typedef struct dot_options {
  kd_ints axes;
  bool normalize;
} dot_options;

static kd_status dot_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                           kd_sym *outputs) {
  (void)n_inputs;
  const dot_options *o = layer->options;
  kd_graph *g = build->graph;
  char text[2][KD_SHAPE_TEXT];
  kd_sym x[2] = {kd_as_float(g, inputs[0]), kd_as_float(g, inputs[1])};
  KD_TRY(kd_graph_status(g));
  /* Batch "0", summed "1", then letters: those of the first input, those of the second. */
  kd_einsum e = {.y = "0"};
  char *labels[2] = {e.x, e.w}, letter = 'a';
  int64_t size[2];
  for (int i = 0; i < 2; i++) {
    const kd_shape *shape = kd_sym_shape(g, x[i]);
    int axis;
    KD_CHECK(shape->rank >= 2, KD_ERR_USAGE, "input %d of shape %s has no axis beside the batch", i + 1,
             kd_layer_shape(g, x[i], text[0]));
    KD_TRY(kd_layer_axis(g, x[i], o->axes.v[o->axes.count == 2 ? i : 0], &axis));
    size[i] = shape->dim[axis];
    for (int k = 0; k < shape->rank; k++) labels[i][k] = k == 0 ? '0' : k == axis ? '1' : letter++;
    if (o->normalize) x[i] = kd_l2_normalize(g, x[i], 1, &axis, 1e-7);
  }
  KD_CHECK(size[0] == size[1], KD_ERR_USAGE,
           "the axes of the inputs of shape %s and %s have %lld and %lld numbers",
           kd_layer_shape(g, inputs[0], text[0]), kd_layer_shape(g, inputs[1], text[1]), (long long)size[0],
           (long long)size[1]);
  int rank = 1 + letter - 'a';
  KD_CHECK(rank <= KD_MAX_RANK, KD_ERR_USAGE, "the result would have %d axes; at most %d are possible", rank,
           KD_MAX_RANK);
  for (int k = 1; k < rank; k++) e.y[k] = (char)('a' + k - 1);
  outputs[0] = kd_einsum_apply(g, &e, x[0], x[1]);
  if (rank == 1 && outputs[0] != KD_NO_SYM)
    outputs[0] = kd_reshape(g, outputs[0], KD_SHAPE(kd_sym_shape(g, x[0])->dim[0], 1));
  return KD_OK;
}

static void dot_check(const void *options, kd_diag *diag, kd_origin origin) {
  if (((const dot_options *)options)->axes.count > 2)
    kd_diag_error(diag, origin, "axes must be one axis, or one for each of the two inputs");
}

static const kd_option options[] = {
    KD_ROW_INTS(dot_options, axes, NULL, -KD_MAX_RANK, KD_MAX_RANK,
                "axis that is summed over, or one per input"),
    KD_ROW_BOOL(dot_options, normalize, "false", "divide by the L2 norms along the axes first"),
    KD_ROW_END,
};

const kd_layer_kind kd_layer_dot = {
    .base = {.name = "Dot",
             .help = "sums of products of two inputs along one axis of each",
             .options = options,
             .options_size = sizeof(dot_options),
             .check = dot_check},
    .min_inputs = 2,
    .max_inputs = 2,
    .build = dot_build,
    .takes_list = true,
};
