/* UpSampling1D, 2D and 3D (keras/src/layers/reshaping): each cell repeated, or new cells between two. */
#include "layers/kinds/kinds.h"

typedef struct up_sampling_options {
  kd_ints size;
  int data_format, interpolation;
} up_sampling_options;

enum { NEAREST, BILINEAR };

static int64_t size_along(const up_sampling_options *o, int i) {
  return o->size.v[o->size.count == 1 ? 0 : i];
}

static kd_status check(const up_sampling_options *o, const kd_graph *g, int spatial, kd_sym x) {
  char text[KD_SHAPE_TEXT];
  KD_CHECK(o->size.count == 1 || o->size.count == spatial, KD_ERR_USAGE,
           "size has %d numbers, but needs 1 or %d", o->size.count, spatial);
  KD_CHECK(kd_sym_shape(g, x)->rank == spatial + 2, KD_ERR_USAGE,
           "needs an input of rank %d, but its shape is %s", spatial + 2, kd_layer_shape(g, x, text));
  return KD_OK;
}

/* (n, a, b, c) seen as (n, a, 1, b, 1, c), repeated along the new axes and seen whole again. */
static kd_sym repeat(kd_graph *g, const up_sampling_options *o, int spatial, kd_sym x) {
  const kd_shape shape = *kd_sym_shape(g, x);
  kd_shape split = {.rank = 2 * spatial + 2, .dim = {shape.dim[0]}}, repeated = split, whole = shape;
  for (int i = 0; i < spatial; i++) {
    split.dim[2 * i + 1] = repeated.dim[2 * i + 1] = shape.dim[i + 1];
    split.dim[2 * i + 2] = 1;
    repeated.dim[2 * i + 2] = size_along(o, i);
    whole.dim[i + 1] *= size_along(o, i);
  }
  split.dim[split.rank - 1] = repeated.dim[split.rank - 1] = shape.dim[spatial + 1];
  return kd_reshape(g, kd_broadcast(g, kd_reshape(g, x, split), repeated), whole);
}

/* One axis alone: volumes split whole would have more axes than tensors have. */
static kd_sym repeat_axis(kd_graph *g, kd_sym x, int axis, int64_t size) {
  kd_shape whole = *kd_sym_shape(g, x);
  int64_t before = kd_shape_span(&whole, 0, axis), cells = whole.dim[axis],
          after = kd_shape_span(&whole, axis + 1, whole.rank);
  kd_sym split = kd_reshape(g, x, KD_SHAPE(before, cells, 1, after));
  whole.dim[axis] *= size;
  return kd_reshape(g, kd_broadcast(g, split, KD_SHAPE(before, cells, size, after)), whole);
}

/* x along the axis, one cell earlier (step -1) or later (1); the cell at the border stands twice. */
static kd_sym neighbour(kd_graph *g, kd_sym x, int axis, int step) {
  int64_t cells = kd_sym_shape(g, x)->dim[axis];
  if (cells == 1) return x;
  kd_sym part = kd_slice_axis(g, x, axis, step < 0 ? 0 : 1, cells - 1);
  kd_sym border = kd_slice_axis(g, x, axis, step < 0 ? 0 : cells - 1, 1);
  return kd_concat(g, 2, (kd_sym[]){step < 0 ? border : part, step < 0 ? part : border}, axis);
}

/* New cell r of `size` lies (r + 1/2) / size - 1/2 from the centre of its old one (half-pixel centres),
 * between that and the neighbour on its side. */
static kd_sym interpolate(kd_graph *g, kd_sym x, int axis, int64_t size) {
  kd_shape shape = *kd_sym_shape(g, x), split = {.rank = shape.rank + 1},
           places = {.rank = shape.rank - axis};
  for (int i = 0, k = 0; i < shape.rank; i++) {
    split.dim[k++] = shape.dim[i];
    if (i == axis) split.dim[k++] = 1;
  }
  for (int i = 0; i < places.rank; i++) places.dim[i] = i == 0 ? size : 1;
  kd_sym place = kd_shift(g, kd_scale(g, kd_shift(g, kd_iota(g, places, 0), 0.5), 1.0 / (double)size), -0.5);
  kd_sym before = kd_reshape(g, kd_sub(g, neighbour(g, x, axis, -1), x), split);
  kd_sym after = kd_reshape(g, kd_sub(g, neighbour(g, x, axis, 1), x), split);
  kd_sym zero = kd_const(g, 0), earlier = kd_max(g, kd_unary(g, KD_PW_NEG, place), zero),
         later = kd_max(g, place, zero);
  kd_sym y =
      kd_add(g, kd_reshape(g, x, split), kd_add(g, kd_mul(g, before, earlier), kd_mul(g, after, later)));
  shape.dim[axis] *= size;
  return kd_reshape(g, y, shape);
}

static kd_status up_sample(kd_build *build, const kd_layer *layer, int spatial, kd_sym x, kd_sym *output) {
  const up_sampling_options *o = layer->options;
  kd_graph *g = build->graph;
  KD_TRY(check(o, g, spatial, x));
  if (o->interpolation == NEAREST) {
    *output = spatial < 3 ? repeat(g, o, spatial, x) : x;
    for (int i = 0; spatial == 3 && i < 3; i++) *output = repeat_axis(g, *output, i + 1, size_along(o, i));
    return KD_OK;
  }
  *output = kd_as_float(g, x);
  for (int i = 0; i < spatial; i++) *output = interpolate(g, *output, i + 1, size_along(o, i));
  return KD_OK;
}

static kd_status up_sampling1d_build(kd_build *build, const kd_layer *layer, int n_inputs,
                                     const kd_sym *inputs, kd_sym *outputs) {
  (void)n_inputs;
  return up_sample(build, layer, 1, inputs[0], &outputs[0]);
}

static kd_status up_sampling2d_build(kd_build *build, const kd_layer *layer, int n_inputs,
                                     const kd_sym *inputs, kd_sym *outputs) {
  (void)n_inputs;
  return up_sample(build, layer, 2, inputs[0], &outputs[0]);
}

static kd_status up_sampling3d_build(kd_build *build, const kd_layer *layer, int n_inputs,
                                     const kd_sym *inputs, kd_sym *outputs) {
  (void)n_inputs;
  return up_sample(build, layer, 3, inputs[0], &outputs[0]);
}

#define ROW_SIZE KD_ROW_INTS(up_sampling_options, size, "2", 1, 65536, "copies along each spatial axis")
static const kd_option up_sampling1d_table[] = {ROW_SIZE, KD_ROW_END};
static const kd_option up_sampling2d_table[] = {
    ROW_SIZE,
    KD_ROW_DATA_FORMAT(up_sampling_options),
    KD_ROW_CHOICE(up_sampling_options, interpolation, "nearest", "nearest|bilinear",
                  "how new cells are made"),
    KD_ROW_END,
};
static const kd_option up_sampling3d_table[] = {ROW_SIZE, KD_ROW_DATA_FORMAT(up_sampling_options),
                                                KD_ROW_END};

#define LAYER(id, class, text)                                                                               \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class,                                                                                \
               .help = text,                                                                                 \
               .options = id##_table,                                                                        \
               .options_size = sizeof(up_sampling_options)},                                                 \
      .min_inputs = 1,                                                                                       \
      .max_inputs = 1,                                                                                       \
      .build = id##_build,                                                                                   \
  };
LAYER(up_sampling1d, "UpSampling1D", "each time step repeated")
LAYER(up_sampling2d, "UpSampling2D", "each pixel repeated, or pixels between two")
LAYER(up_sampling3d, "UpSampling3D", "each cell of a volume repeated")
