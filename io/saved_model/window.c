/* Convolutions, transposed ones and pooling: windows of two or three axes, channels last. One axis is a row
 * of an image one cell high. */
#include <math.h>
#include <string.h>

#include "io/saved_model/tf.h"

typedef struct window {
  int given, spatial; /* axes in the model, and of the operator */
  bool same;          /* padding by the rule of that name */
  bool padded;        /* by numbers: pads, in ONNX's order over all axes of the image */
  int64_t pads[2 * KD_MAX_RANK];
  int64_t stride[KD_MAX_RANK], dilation[KD_MAX_RANK],
      size[KD_MAX_RANK]; /* of all axes; 1 outside of the image's */
} window;

/* A list of numbers, one for each axis of the window, behind those that come before. */
static void take_axes(const window *w, const kd_onnx_attribute *attribute, int64_t *all) {
  for (int i = 0; i < KD_MAX_RANK; i++) all[i] = 1;
  for (int i = 0; attribute && i < w->given; i++) all[1 + w->spatial - w->given + i] = attribute->ints[i];
}

static void read_window(const kd_onnx_op *op, window *w) {
  const kd_onnx_attribute *strides = kd_tf_attribute(op, "strides"), *pads = kd_tf_attribute(op, "pads");
  *w = (window){.given = strides->count, .spatial = strides->count == 1 ? 2 : strides->count};
  take_axes(w, strides, w->stride);
  if (w->given == 1) w->stride[1] = w->stride[2]; /* over one cell; strides by channel must be equal */
  take_axes(w, kd_tf_attribute(op, "dilations"), w->dilation);
  take_axes(w, kd_tf_attribute(op, "kernel_shape"), w->size);
  w->same = kd_tf_attribute(op, "auto_pad") != NULL;
  int first = 1 + w->spatial - w->given, rank = w->spatial + 2;
  for (int i = 0; pads && i < w->given; i++) {
    w->pads[first + i] = pads->ints[i];
    w->pads[rank + first + i] = pads->ints[w->given + i];
    w->padded = w->padded || pads->ints[i] || pads->ints[w->given + i];
  }
}

static kd_tf_edge image_of(kd_tf *t, const kd_onnx_op *op, const window *w) {
  kd_tf_edge v = kd_tf_in(t, op, 0);
  return w->given == 1 ? kd_tf_expand(t, v, 1) : v;
}

static kd_tf_edge kernel_of(kd_tf *t, const kd_onnx_op *op, const window *w) {
  kd_tf_edge v = kd_tf_in(t, op, 1);
  return w->given == 1 ? kd_tf_expand(t, v, 0) : v;
}

static void give_image(kd_tf *t, const kd_onnx_op *op, const window *w, kd_tf_edge v) {
  kd_tf_give(t, op, w->given == 1 ? kd_tf_squeeze(t, v, 1, (int64_t[]){1}) : v);
}

/* With its padding as cells of the image, where the operator knows but the two rules. */
static kd_tf_edge padded(kd_tf *t, const window *w, kd_tf_edge v, float filling) {
  return w->padded ? kd_tf_pad(t, v, w->spatial + 2, w->pads, kd_tf_float(t, filling)) : v;
}

/* Strides and padding of the node that was appended last. */
static void set_window(kd_tf *t, const window *w) {
  kd_tf_set_ints(t, "strides", w->spatial + 2, w->stride);
  kd_tf_set_text(t, "padding", w->same ? "SAME" : "VALID");
}

/* A kernel with zeros between its cells has the same result as dilation, which TensorFlow computes for two
 * axes alone wherever it runs. Cells are taken by number; number `size` is a cell of zeros put behind the
 * others. */
static kd_tf_edge spread_axis(kd_tf *t, window *w, kd_tf_edge kernel, int axis) {
  int64_t dilation = w->dilation[axis + 1], size = w->size[axis + 1], reach = (size - 1) * dilation + 1;
  int64_t pads[2 * KD_MAX_RANK] = {0};
  int32_t *cells = kd_pool_alloc(t->pool, (size_t)reach, sizeof *cells);
  for (int64_t i = 0; i < reach; i++) cells[i] = (int32_t)(i % dilation ? size : i / dilation);
  pads[w->spatial + 2 + axis] = 1;
  kd_tf_edge whole = kd_tf_pad(t, kernel, w->spatial + 2, pads, kd_tf_float(t, 0));
  w->dilation[axis + 1] = 1;
  w->size[axis + 1] = reach;
  return kd_tf_gather(t, whole, kd_tf_int32s(t, (int)reach, cells), axis);
}

static kd_tf_edge spread(kd_tf *t, window *w, kd_tf_edge kernel) {
  for (int axis = 0; axis < w->spatial; axis++)
    if (w->dilation[axis + 1] > 1) kernel = spread_axis(t, w, kernel, axis);
  return kernel;
}

/* --- convolutions ---------------------------------------------------------------------------------- */

static kd_tf_edge convolve(kd_tf *t, const window *w, kd_tf_edge image, kd_tf_edge kernel, bool by_channel) {
  const char *op = w->spatial == 3 ? "Conv3D" : by_channel ? "DepthwiseConv2dNative" : "Conv2D";
  kd_tf_edge y = KD_TF_T(t, op, image, kernel);
  set_window(t, w);
  kd_tf_set_ints(t, "dilations", w->spatial + 2, w->dilation);
  return y;
}

/* One channel of the image for each group: (window.., 1, groups times m) is (window.., groups, m) there. */
static kd_tf_edge convolve_channels(kd_tf *t, const window *w, int64_t groups, kd_tf_edge image,
                                    kd_tf_edge kernel) {
  int64_t shape[] = {w->size[1], w->size[2], groups, -1};
  return convolve(t, w, image, kd_tf_reshape(t, kernel, kd_tf_ints(t, 4, shape)), true);
}

/* Conv3D has no groups. */
static kd_tf_edge convolve_groups(kd_tf *t, const window *w, int groups, kd_tf_edge image,
                                  kd_tf_edge kernel) {
  kd_tf_edge *parts = kd_pool_alloc(t->pool, (size_t)groups, sizeof *parts);
  kd_tf_edge images = KD_TF(t, "Split", image.type, kd_tf_int(t, w->spatial + 1), image);
  kd_tf_set_type(t, "T", image.type);
  kd_tf_set_int(t, "num_split", groups);
  kd_tf_edge kernels = KD_TF(t, "Split", kernel.type, kd_tf_int(t, w->spatial + 1), kernel);
  kd_tf_set_type(t, "T", kernel.type);
  kd_tf_set_int(t, "num_split", groups);
  for (int g = 0; g < groups; g++)
    parts[g] = convolve(t, w, kd_tf_output(t, images, g), kd_tf_output(t, kernels, g), false);
  return kd_tf_concat(t, groups, parts, w->spatial + 1);
}

/* Whether the kernel has one channel for each group; that of a kernel that is computed is not known. */
static bool is_by_channel(const kd_tf *t, const kd_onnx_op *op) {
  const kd_onnx_tensor *kernel = t->tensor[op->inputs[1]];
  return kernel && kernel->shape.dim[kernel->shape.rank - 2] == 1;
}

kd_status kd_tf_op_conv(kd_tf *t, const kd_onnx_op *op) {
  window w;
  read_window(op, &w);
  int64_t groups = kd_tf_attribute_int(op, "group", 1);
  kd_tf_edge image = padded(t, &w, image_of(t, op, &w), 0), kernel = kernel_of(t, op, &w), y;
  bool by_channel = groups > 1 && w.stride[1] == w.stride[2] && is_by_channel(t, op);
  if (w.spatial == 3 || by_channel) kernel = spread(t, &w, kernel);
  if (groups > 1 && w.spatial == 3)
    y = convolve_groups(t, &w, (int)groups, image, kernel);
  else if (by_channel)
    y = convolve_channels(t, &w, groups, image, kernel);
  else
    y = convolve(t, &w, image, kernel, false);
  give_image(t, op, &w, y);
  return KD_OK;
}

/* --- transposed convolutions ----------------------------------------------------------------------- */

/* Sizes of the result before padding is cut off: (cells - 1) stride + window + behind. */
static kd_tf_edge sizes_of(kd_tf *t, const window *w, const int64_t *behind, kd_tf_edge image,
                           kd_tf_edge kernel) {
  int64_t more[KD_MAX_RANK];
  for (int i = 1; i <= w->spatial; i++) more[i] = w->size[i] + behind[i] - w->stride[i];
  kd_tf_edge sizes = kd_tf_sizes(t, image), parts[3];
  int64_t one = 1, from = 1, to = 1 + w->spatial;
  parts[0] = kd_tf_axis(t, sizes, 0);
  parts[1] = kd_tf_slice(t, sizes, 1, &from, &to, &one, 0);
  parts[1] = KD_TF_T(t, "Mul", parts[1], kd_tf_ints(t, w->spatial, w->stride + 1));
  parts[1] = KD_TF_T(t, "AddV2", parts[1], kd_tf_ints(t, w->spatial, more + 1));
  parts[2] = kd_tf_axis(t, kd_tf_sizes(t, kernel), w->spatial);
  return kd_tf_cast(t, kd_tf_concat(t, 3, parts, 0), TENSORFLOW__DATA_TYPE__DT_INT32);
}

static kd_tf_edge without_padding(kd_tf *t, const window *w, kd_tf_edge v) {
  int64_t begin[KD_MAX_RANK] = {0}, end[KD_MAX_RANK] = {0}, step[KD_MAX_RANK], whole = 0;
  int rank = w->spatial + 2;
  if (!w->padded) return v;
  for (int i = 0; i < rank; i++) {
    step[i] = 1;
    begin[i] = w->pads[i];
    end[i] = -w->pads[rank + i];
    whole |= (int64_t)(end[i] == 0) << i;
  }
  return kd_tf_slice(t, v, rank, begin, end, step, whole);
}

kd_status kd_tf_op_conv_transpose(kd_tf *t, const kd_onnx_op *op) {
  window w;
  int64_t behind[KD_MAX_RANK];
  read_window(op, &w);
  take_axes(&w, kd_tf_attribute(op, "output_padding"), behind);
  if (w.given == 1) behind[1] = 0;
  if (kd_tf_attribute_int(op, "group", 1) > 1)
    return kd_onnx_refuse(t->program->x, "TensorFlow has no transposed convolution in groups");
  kd_tf_edge image = image_of(t, op, &w), kernel = spread(t, &w, kernel_of(t, op, &w));
  kd_tf_edge sizes = sizes_of(t, &w, behind, image, kernel);
  const char *name = w.spatial == 3 ? "Conv3DBackpropInputV2" : "Conv2DBackpropInput";
  kd_tf_edge y = KD_TF(t, name, image.type, sizes, kernel, image);
  kd_tf_set_type(t, "T", image.type);
  if (w.spatial == 3) kd_tf_set_type(t, "Tshape", sizes.type);
  set_window(t, &w);
  give_image(t, op, &w, without_padding(t, &w, y));
  return KD_OK;
}

/* --- pooling --------------------------------------------------------------------------------------- */

kd_status kd_tf_op_pool(kd_tf *t, const kd_onnx_op *op) {
  window w;
  read_window(op, &w);
  bool average = !strcmp(op->type, "AveragePool");
  if (average && w.padded)
    return kd_onnx_refuse(t->program->x, "TensorFlow has no average over windows with such padding");
  kd_tf_edge image = padded(t, &w, image_of(t, op, &w), -INFINITY);
  const char *name = average          ? w.spatial == 3 ? "AvgPool3D" : "AvgPool"
                     : w.spatial == 3 ? "MaxPool3D"
                                      : "MaxPool";
  kd_tf_edge y = KD_TF_T(t, name, image);
  kd_tf_set_ints(t, "ksize", w.spatial + 2, w.size);
  set_window(t, &w);
  give_image(t, op, &w, y);
  return KD_OK;
}
