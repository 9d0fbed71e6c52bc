#include "device/cpu/conv_shape.h"

/* Texts of sizes for error messages. */
static kd_status disagree(const char *what, const kd_tensor *x, const kd_tensor *kernel, const kd_tensor *y) {
  char x_text[KD_SHAPE_TEXT], kernel_text[KD_SHAPE_TEXT], y_text[KD_SHAPE_TEXT];
  return kd_fail(KD_ERR_INTERNAL, "convolution of x %s with kernel %s to y %s: %s",
                 kd_shape_text(&x->shape, x_text), kd_shape_text(&kernel->shape, kernel_text),
                 kd_shape_text(&y->shape, y_text), what);
}

/* Both operands have one type, here after conversion (converted.c). */
static kd_status read_types(const kd_launch *launch, kd_product_types *types) {
  kd_dtype a = launch->input[0].dtype, b = launch->input[1].dtype, y = launch->output[0].dtype;
  bool known = a == b && (a == KD_F32 ? y == KD_F32 : a == KD_BF16 && (y == KD_BF16 || y == KD_F32));
  KD_CHECK(known, KD_ERR_INTERNAL, "convolution of %s and %s to %s", kd_dtype_name(a), kd_dtype_name(b),
           kd_dtype_name(y));
  *types = (kd_product_types){.factors = a, .result = y};
  return KD_OK;
}

static void read_axis(const kd_conv_attr *attr, const kd_tensor *x, const kd_tensor *kernel,
                      const kd_tensor *y, int from, int to, kd_conv_shape *shape) {
  shape->in[to] = x->shape.dim[1 + from];
  shape->out[to] = y->shape.dim[1 + from];
  shape->window[to] = kernel->shape.dim[from];
  shape->stride[to] = attr->stride[from];
  shape->dilation[to] = attr->dilation[from] > 1 ? attr->dilation[from] : 1;
  shape->before[to] = attr->pad_before[from];
  shape->after[to] = attr->pad_after[from];
}

/* The number of output cells that the padded input has room for. */
static int64_t expected_out(const kd_conv_shape *shape, int axis) {
  int64_t reach = (shape->window[axis] - 1) * shape->dilation[axis] + 1;
  int64_t room = shape->in[axis] + shape->before[axis] + shape->after[axis] - reach;
  return room < 0 ? 0 : room / shape->stride[axis] + 1;
}

kd_status kd_conv_shape_read(const kd_launch *launch, const kd_tensor *x, const kd_tensor *kernel,
                             const kd_tensor *y, kd_conv_shape *shape) {
  const kd_conv_attr *attr = launch->attr;
  kd_product_types types;
  KD_TRY(read_types(launch, &types));
  int spatial = attr->spatial, rank = spatial + 2;
  if (spatial < 1 || spatial > KD_MAX_SPATIAL) return disagree("1 to 3 spatial axes", x, kernel, y);
  if (x->shape.rank != rank || kernel->shape.rank != rank || y->shape.rank != rank)
    return disagree("ranks differ", x, kernel, y);
  *shape = (kd_conv_shape){
      .spatial = spatial == 1 ? 2 : spatial,
      .types = types,
      .batch = x->shape.dim[0],
      .channels = x->shape.dim[rank - 1],
      .filters = y->shape.dim[rank - 1],
      .groups = attr->groups > 1 ? attr->groups : 1,
      .in = {1, 1, 1},
      .out = {1, 1, 1},
      .window = {1, 1, 1},
      .stride = {1, 1, 1},
      .dilation = {1, 1, 1},
  };
  for (int axis = 0; axis < spatial; axis++)
    read_axis(attr, x, kernel, y, axis, axis + shape->spatial - spatial, shape);
  if (y->shape.dim[0] != shape->batch) return disagree("batch sizes differ", x, kernel, y);
  if (shape->channels % shape->groups || shape->filters % shape->groups)
    return disagree("groups do not divide the channels", x, kernel, y);
  if (kernel->shape.dim[spatial] * shape->groups != shape->channels ||
      kernel->shape.dim[spatial + 1] != shape->filters)
    return disagree("channels differ", x, kernel, y);
  for (int axis = 0; axis < shape->spatial; axis++)
    if (shape->stride[axis] < 1 || shape->out[axis] < 1 || expected_out(shape, axis) != shape->out[axis])
      return disagree("the output size does not follow from window, stride and padding", x, kernel, y);
  return KD_OK;
}

bool kd_conv_shape_is_product(const kd_conv_shape *shape) {
  if (shape->groups != 1) return false;
  for (int axis = 0; axis < shape->spatial; axis++)
    if (shape->window[axis] != 1 || shape->stride[axis] != 1 || shape->before[axis] || shape->after[axis])
      return false;
  return true;
}

int64_t kd_conv_shape_pixels(const kd_conv_shape *shape) {
  int64_t pixels = shape->batch;
  for (int axis = 0; axis < shape->spatial; axis++) pixels *= shape->out[axis];
  return pixels;
}
