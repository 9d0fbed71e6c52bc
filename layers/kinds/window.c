#include "layers/kinds/window.h"

static kd_status expand(int spatial, const char *name, const kd_ints *ints, int64_t *sizes) {
  KD_CHECK(ints->count == 1 || ints->count == spatial, KD_ERR_USAGE, "%s has %d numbers, but needs 1 or %d",
           name, ints->count, spatial);
  for (int i = 0; i < spatial; i++) sizes[i] = ints->v[ints->count == 1 ? 0 : i];
  return KD_OK;
}

kd_status kd_window_make(int spatial, int padding, const char *size_name, const kd_ints *size,
                         const kd_ints *stride, const kd_ints *dilation, kd_window *window) {
  *window = (kd_window){.spatial = spatial, .padding = padding};
  KD_TRY(expand(spatial, size_name, size, window->size));
  KD_TRY(expand(spatial, "strides", stride->count ? stride : size, window->stride));
  const kd_ints one = {1, {1}};
  return expand(spatial, "dilation_rate", dilation ? dilation : &one, window->dilation);
}

static int64_t positive(int64_t value) {
  return value > 0 ? value : 0;
}

kd_status kd_window_fit(kd_window *window, const kd_graph *graph, kd_sym x) {
  char text[KD_SHAPE_TEXT];
  const kd_shape *shape = kd_sym_shape(graph, x);
  KD_CHECK(shape->rank == window->spatial + 2, KD_ERR_USAGE, "needs an input of rank %d, but its shape is %s",
           window->spatial + 2, kd_layer_shape(graph, x, text));
  for (int i = 0; i < window->spatial; i++) {
    int64_t input = shape->dim[i + 1], stride = window->stride[i];
    int64_t reach = (window->size[i] - 1) * window->dilation[i] + 1, total = 0;
    if (window->padding == KD_PADDING_SAME) {
      total = positive(((input + stride - 1) / stride - 1) * stride + reach - input);
      window->before[i] = total / 2;
    } else if (window->padding == KD_PADDING_CAUSAL) {
      window->before[i] = total = reach - 1;
    }
    window->after[i] = total - window->before[i];
    KD_CHECK(
        input > 0 && input + total >= reach, KD_ERR_USAGE,
        "a window of %lld cells does not fit axis %d of the input of shape %s; padding = same would pad it",
        (long long)reach, i + 1, kd_layer_shape(graph, x, text));
  }
  return KD_OK;
}

kd_conv_attr kd_window_conv(const kd_window *window, int64_t groups) {
  kd_conv_attr attr = {.spatial = window->spatial, .groups = groups};
  for (int i = 0; i < window->spatial; i++) {
    attr.stride[i] = window->stride[i];
    attr.dilation[i] = window->dilation[i];
    attr.pad_before[i] = window->before[i];
    attr.pad_after[i] = window->after[i];
  }
  return attr;
}

void kd_window_check(const kd_ints *stride, const kd_ints *dilation, kd_diag *diag, kd_origin origin) {
  int64_t most_stride = 1, most_dilation = 1;
  for (int i = 0; i < stride->count; i++)
    if (stride->v[i] > most_stride) most_stride = stride->v[i];
  for (int i = 0; i < dilation->count; i++)
    if (dilation->v[i] > most_dilation) most_dilation = dilation->v[i];
  if (most_stride > 1 && most_dilation > 1)
    kd_diag_error(diag, origin, "strides = %lld and dilation_rate = %lld: only one of them may be above 1",
                  (long long)most_stride, (long long)most_dilation);
}
