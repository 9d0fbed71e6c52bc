/* ZeroPadding and Cropping (keras/src/layers/reshaping): cells added to or taken from the ends of spatial
 * axes. */
#include "layers/kinds/kinds.h"

typedef struct border_options {
  const kd_value *cells;
  int data_format;
} border_options;

typedef struct borders {
  int64_t before[3], after[3];
} borders;

static bool read_cells(const kd_value *value, int64_t *cells) {
  *cells = value->integer;
  return value->type == KD_V_INT && value->integer >= 0 && value->integer <= (int64_t)KD_SIZE_LIMIT;
}

/* One axis: n for both ends, or (before, after). */
static bool read_axis(const kd_value *value, int64_t *before, int64_t *after) {
  if (value->type == KD_V_LIST)
    return value->count == 2 && read_cells(&value->items[0], before) && read_cells(&value->items[1], after);
  bool right = read_cells(value, before);
  *after = *before;
  return right;
}

/* Keras's forms: one number; 1D: (before, after); 2D and 3D: one item for each axis. */
static bool read_borders(const kd_value *value, int spatial, borders *b) {
  if (spatial == 1) return read_axis(value, &b->before[0], &b->after[0]);
  bool list = value->type == KD_V_LIST;
  if (list && value->count != spatial) return false;
  for (int i = 0; i < spatial; i++)
    if (!read_axis(list ? &value->items[i] : value, &b->before[i], &b->after[i])) return false;
  return true;
}

static kd_status prepare(const kd_build *build, const kd_layer *layer, int spatial, kd_sym x, borders *b) {
  char text[KD_SHAPE_TEXT];
  const border_options *o = layer->options;
  KD_CHECK(read_borders(o->cells, spatial, b), KD_ERR_INTERNAL, "cells were not checked");
  KD_CHECK(kd_sym_shape(build->graph, x)->rank == spatial + 2, KD_ERR_USAGE,
           "needs an input of rank %d, but its shape is %s", spatial + 2,
           kd_layer_shape(build->graph, x, text));
  return KD_OK;
}

static kd_status pad(kd_build *build, const kd_layer *layer, int spatial, kd_sym x, kd_sym *output) {
  borders b = {0};
  KD_TRY(prepare(build, layer, spatial, x, &b));
  kd_pad_attr attr = {.value = 0};
  for (int i = 0; i < spatial; i++) {
    attr.before[i + 1] = b.before[i];
    attr.after[i + 1] = b.after[i];
  }
  *output = kd_pad(build->graph, x, &attr);
  return KD_OK;
}

static kd_status crop(kd_build *build, const kd_layer *layer, int spatial, kd_sym x, kd_sym *output) {
  char text[KD_SHAPE_TEXT];
  borders b = {0};
  KD_TRY(prepare(build, layer, spatial, x, &b));
  *output = x;
  for (int i = 0; i < spatial; i++) {
    int64_t size = kd_sym_shape(build->graph, x)->dim[i + 1], left = size - b.before[i] - b.after[i];
    KD_CHECK(left > 0, KD_ERR_USAGE,
             "cropping of %lld and %lld cells leaves nothing of axis %d of the input of shape %s",
             (long long)b.before[i], (long long)b.after[i], i + 1, kd_layer_shape(build->graph, x, text));
    if (left < size) *output = kd_slice_axis(build->graph, *output, i + 1, b.before[i], left);
  }
  return KD_OK;
}

static void check(const void *options, const char *name, int spatial, kd_diag *diag, kd_origin origin) {
  borders b = {0};
  const border_options *o = options;
  if (o->cells && read_borders(o->cells, spatial, &b)) return;
  static const char *const forms[] = {"or (before, after)",
                                      "(height, width), or ((top, bottom), (left, right))",
                                      "(a, b, c) for the three axes, or a pair (before, after) for each"};
  kd_diag_error(diag, origin, "%s must be a number of cells, %s", name, forms[spatial - 1]);
}

#define ROW(name_, start)                                                                                    \
  {                                                                                                          \
    .name = name_, .type = KD_OPT_VALUE, .offset = offsetof(border_options, cells), .initial = start,        \
    .help = "cells at both ends of each spatial axis"                                                        \
  }
static const kd_option padding1d_table[] = {ROW("padding", "1"), KD_ROW_DATA_FORMAT(border_options),
                                            KD_ROW_END};
static const kd_option padding2d_table[] = {ROW("padding", "(1, 1)"), KD_ROW_DATA_FORMAT(border_options),
                                            KD_ROW_END};
static const kd_option padding3d_table[] = {ROW("padding", "((1, 1), (1, 1), (1, 1))"),
                                            KD_ROW_DATA_FORMAT(border_options), KD_ROW_END};
static const kd_option cropping1d_table[] = {ROW("cropping", "(1, 1)"), KD_ROW_END};
static const kd_option cropping2d_table[] = {ROW("cropping", "((0, 0), (0, 0))"),
                                             KD_ROW_DATA_FORMAT(border_options), KD_ROW_END};
static const kd_option cropping3d_table[] = {ROW("cropping", "((1, 1), (1, 1), (1, 1))"),
                                             KD_ROW_DATA_FORMAT(border_options), KD_ROW_END};

#define LAYER(id, class, text, table, function, word, spatial)                                               \
  static kd_status id##_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,    \
                              kd_sym *outputs) {                                                             \
    (void)n_inputs;                                                                                          \
    return function(build, layer, spatial, inputs[0], &outputs[0]);                                          \
  }                                                                                                          \
  static void id##_check(const void *options, kd_diag *diag, kd_origin origin) {                             \
    check(options, word, spatial, diag, origin);                                                             \
  }                                                                                                          \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class,                                                                                \
               .help = text,                                                                                 \
               .options = table,                                                                             \
               .options_size = sizeof(border_options),                                                       \
               .check = id##_check},                                                                         \
      .min_inputs = 1,                                                                                       \
      .max_inputs = 1,                                                                                       \
      .build = id##_build,                                                                                   \
  };
LAYER(zero_padding1d, "ZeroPadding1D", "zeros at both ends of time", padding1d_table, pad, "padding", 1)
LAYER(zero_padding2d, "ZeroPadding2D", "zeros around images", padding2d_table, pad, "padding", 2)
LAYER(zero_padding3d, "ZeroPadding3D", "zeros around volumes", padding3d_table, pad, "padding", 3)
LAYER(cropping1d, "Cropping1D", "cells taken from both ends of time", cropping1d_table, crop, "cropping", 1)
LAYER(cropping2d, "Cropping2D", "cells taken from the edges of images", cropping2d_table, crop, "cropping", 2)
LAYER(cropping3d, "Cropping3D", "cells taken from the faces of volumes", cropping3d_table, crop, "cropping",
      3)
