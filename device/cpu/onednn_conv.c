/* Convolutions by oneDNN, and the changes of layout of their kernels. */
#include "device/base/memory.h"
#include "device/cpu/onednn_internal.h"

/* Channels-last memory seen in the library's axis order (n, c, spatial..). */
static kd_status image_desc(const kd_conv_shape *shape, kd_dtype type, int64_t channels, const int64_t *size,
                            dnnl_memory_desc_t *desc) {
  dnnl_dims_t dims = {shape->batch, channels}, strides;
  int64_t stride = channels;
  for (int axis = shape->spatial - 1; axis >= 0; axis--) {
    dims[2 + axis] = size[axis];
    strides[2 + axis] = stride;
    stride *= size[axis];
  }
  strides[0] = stride;
  strides[1] = 1;
  return kd_onednn_check(
      dnnl_memory_desc_init_by_strides(desc, 2 + shape->spatial, dims, kd_onednn_type(type), strides),
      "image");
}

/* The kernel (k.., c/groups, f) in the library's axis order ([g,] o, i, spatial..), where g and o together
 * are the filter axis f; and the same sizes without a layout. */
static kd_status kernel_descs(const kd_conv_shape *shape, kd_dtype dtype, dnnl_memory_desc_t *plain,
                              dnnl_memory_desc_t *any) {
  dnnl_dims_t dims, strides;
  int64_t outputs = shape->filters / shape->groups, inputs = shape->channels / shape->groups;
  int rank = 0;
  if (shape->groups > 1) {
    dims[rank] = shape->groups;
    strides[rank++] = outputs;
  }
  dims[rank] = outputs;
  strides[rank++] = 1;
  dims[rank] = inputs;
  strides[rank++] = shape->filters;
  int64_t stride = inputs * shape->filters;
  for (int axis = shape->spatial - 1; axis >= 0; axis--) {
    dims[rank + axis] = shape->window[axis];
    strides[rank + axis] = stride;
    stride *= shape->window[axis];
  }
  rank += shape->spatial;
  dnnl_data_type_t type = kd_onednn_type(dtype);
  KD_TRY(kd_onednn_check(dnnl_memory_desc_init_by_strides(plain, rank, dims, type, strides), "kernel"));
  return kd_onednn_check(dnnl_memory_desc_init_by_tag(any, rank, dims, type, dnnl_format_tag_any), "kernel");
}

typedef struct conv_descs {
  dnnl_memory_desc_t x, y, kernel, bias;
  dnnl_dims_t stride, dilation, before,
      after; /* the library declares full arrays and counts dilation from 0 */
} conv_descs;

static void read_windows(const kd_conv_shape *shape, conv_descs *d) {
  for (int axis = 0; axis < shape->spatial; axis++) {
    d->stride[axis] = shape->stride[axis];
    d->dilation[axis] = shape->dilation[axis] - 1;
    d->before[axis] = shape->before[axis];
    d->after[axis] = shape->after[axis];
  }
}

static dnnl_status_t describe_direction(kd_conv_direction direction, const conv_descs *d, bool bias,
                                        dnnl_convolution_desc_t *operation) {
  switch (direction) {
  case KD_CONV_GRAD_X:
    return dnnl_dilated_convolution_backward_data_desc_init(operation, dnnl_convolution_direct, &d->x,
                                                            &d->kernel, &d->y, d->stride, d->dilation,
                                                            d->before, d->after);
  case KD_CONV_GRAD_W:
    return dnnl_dilated_convolution_backward_weights_desc_init(operation, dnnl_convolution_direct, &d->x,
                                                               &d->kernel, NULL, &d->y, d->stride,
                                                               d->dilation, d->before, d->after);
  default:
    return dnnl_dilated_convolution_forward_desc_init(
        operation, dnnl_forward_training, dnnl_convolution_direct, &d->x, &d->kernel, bias ? &d->bias : NULL,
        &d->y, d->stride, d->dilation, d->before, d->after);
  }
}

/* Below this many input channels the direct code was 4 to 40 % faster than brgconv, the library's first
 * choice; at 32 they are equal, above it is slower. */
enum { FEW_CHANNELS = 32 };

static kd_status conv_desc(kd_onednn *self, kd_conv_direction direction, const conv_descs *d, bool bias,
                           kd_epilogue epilogue) {
  dnnl_convolution_desc_t operation;
  if (direction == KD_CONV_FORWARD) {
    KD_TRY(kd_onednn_check(describe_direction(direction, d, bias, &operation), "convolution"));
    const char *avoid = d->x.dims[1] < FEW_CHANNELS ? "brgconv:" : NULL;
    return kd_onednn_make_desc(self, &operation, epilogue, NULL, avoid, "jit:avx512", "convolution");
  }
  dnnl_primitive_desc_t hint = NULL;
  KD_TRY(kd_onednn_check(describe_direction(KD_CONV_FORWARD, d, false, &operation), "convolution"));
  KD_TRY(kd_onednn_check(dnnl_primitive_desc_create(&hint, &operation, NULL, kd_onednn_engine(), NULL),
                         "convolution"));
  kd_status status =
      kd_onednn_check(describe_direction(direction, d, false, &operation), "convolution gradient");
  if (status == KD_OK)
    status = kd_onednn_make_desc(self, &operation, KD_EPI_NONE, hint, NULL, NULL, "convolution gradient");
  dnnl_primitive_desc_destroy(hint);
  return status;
}

static kd_status build_conv(kd_onednn *self, const kd_conv_shape *shape, kd_conv_direction direction,
                            bool bias, kd_epilogue epilogue) {
  static const struct {
    int x, w, y;
  } args[] = {
      [KD_CONV_FORWARD] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
      [KD_CONV_GRAD_X] = {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
      [KD_CONV_GRAD_W] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST},
  };
  conv_descs d;
  read_windows(shape, &d);
  const kd_dtype factors = shape->types.factors, result = shape->types.result;
  KD_TRY(image_desc(shape, direction == KD_CONV_GRAD_X ? result : factors, shape->channels, shape->in, &d.x));
  KD_TRY(
      image_desc(shape, direction == KD_CONV_FORWARD ? result : factors, shape->filters, shape->out, &d.y));
  KD_TRY(kernel_descs(shape, direction == KD_CONV_GRAD_W ? result : factors, &self->plain_kernel, &d.kernel));
  dnnl_dims_t filters = {shape->filters};
  KD_TRY(kd_onednn_check(dnnl_memory_desc_init_by_tag(&d.bias, 1, filters, dnnl_f32, dnnl_a), "bias"));
  KD_TRY(conv_desc(self, direction, &d, bias, epilogue));
  self->kernel = *kd_onednn_query(self, args[direction].w);
  KD_TRY(kd_onednn_add_memory(self, KD_ONEDNN_X, args[direction].x, &d.x));
  KD_TRY(kd_onednn_add_memory(self, KD_ONEDNN_W, args[direction].w, &self->kernel));
  if (bias) KD_TRY(kd_onednn_add_memory(self, KD_ONEDNN_BIAS, DNNL_ARG_BIAS, &d.bias));
  KD_TRY(kd_onednn_add_memory(self, KD_ONEDNN_Y, args[direction].y, &d.y));
  return kd_onednn_finish(self, "convolution", true);
}

static double conv_flops(const kd_conv_shape *s) {
  double flops =
      2.0 * (double)kd_conv_shape_pixels(s) * (double)s->filters * (double)(s->channels / s->groups);
  for (int i = 0; i < s->spatial; i++) flops *= (double)s->window[i];
  return flops;
}

kd_status kd_onednn_conv_create(const kd_conv_shape *shape, kd_conv_direction direction, bool bias,
                                kd_epilogue epilogue, int threads, kd_onednn **primitive) {
  threads = kd_onednn_team(threads, conv_flops(shape));
  KD_TRY(kd_onednn_start(threads));
  kd_onednn *self = kd_calloc(1, sizeof *self);
  self->threads = threads;
  return kd_onednn_deliver(self, build_conv(self, shape, direction, bias, epilogue), primitive);
}

size_t kd_onednn_kernel_bytes(const kd_onednn *of) {
  if (dnnl_memory_desc_equal(&of->plain_kernel, &of->kernel)) return 0;
  return dnnl_memory_desc_get_size(&of->kernel);
}

static kd_status build_reorder(kd_onednn *self, const dnnl_memory_desc_t *from,
                               const dnnl_memory_desc_t *to) {
  dnnl_primitive_attr_t attr = NULL;
  KD_TRY(kd_onednn_attributes(KD_EPI_NONE, &attr));
  dnnl_status_t status =
      dnnl_reorder_primitive_desc_create(&self->desc, from, kd_onednn_engine(), to, kd_onednn_engine(), attr);
  dnnl_primitive_attr_destroy(attr);
  KD_TRY(kd_onednn_check(status, "reorder"));
  KD_TRY(kd_onednn_add_memory(self, KD_ONEDNN_X, DNNL_ARG_FROM, from));
  KD_TRY(kd_onednn_add_memory(self, KD_ONEDNN_Y, DNNL_ARG_TO, to));
  return kd_onednn_finish(self, "reorder", false);
}

kd_status kd_onednn_reorder_create(const kd_onednn *of, bool to_library, kd_onednn **primitive) {
  KD_TRY(kd_onednn_start(of->threads));
  kd_onednn *self = kd_calloc(1, sizeof *self);
  self->threads = of->threads;
  const dnnl_memory_desc_t *plain = &of->plain_kernel, *library = &of->kernel;
  kd_status status = build_reorder(self, to_library ? plain : library, to_library ? library : plain);
  return kd_onednn_deliver(self, status, primitive);
}
