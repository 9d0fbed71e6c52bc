/* Products: matmul, convolutions and the transposed ones. Convolutions of ONNX have the channels behind the
 * batch, and kernels (filters, channels, window..). */
#include <stddef.h>

#include "io/onnx/form.h"

/* Graphs are exported before fusion, which alone gives products a bias and an activation. */
static kd_status check_plain(const kd_onnx *x, const kd_node *node, kd_epilogue epilogue) {
  if (node->n_inputs == 2 && epilogue == KD_EPI_NONE) return KD_OK;
  return kd_onnx_refuse(x, "it has been fused");
}

static kd_onnx_value factor(kd_onnx *x, kd_sym sym, bool transposed) {
  int rank = kd_sym_shape(x->graph, sym)->rank, perm[KD_MAX_RANK];
  if (!transposed) return kd_onnx_get(x, sym);
  for (int i = 0; i < rank; i++) perm[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
  return kd_onnx_get_permuted(x, sym, perm);
}

kd_status kd_form_matmul(kd_onnx *x, const kd_node *node, const kd_node *other) {
  (void)other;
  const kd_matmul_attr *attr = node->attr;
  KD_TRY(check_plain(x, node, attr->epilogue));
  kd_onnx_value a = factor(x, node->input[0], attr->transpose_a);
  kd_onnx_value b = factor(x, node->input[1], attr->transpose_b);
  kd_onnx_put(x, node->output[0], KD_ONNX(x, "MatMul", a, b));
  return KD_OK;
}

/* (window.., channels, filters) to (filters, channels, window..), where channels come first. */
static kd_onnx_value kernel_of(kd_onnx *x, kd_sym sym) {
  int rank = kd_sym_shape(x->graph, sym)->rank, perm[KD_MAX_RANK];
  if (x->target->channels_last) return kd_onnx_get(x, sym);
  for (int i = 0; i < rank; i++) perm[i] = i < 2 ? rank - 1 - i : i - 2;
  return kd_onnx_get_permuted(x, sym, perm);
}

/* image: the sizes of the convolution's input; NULL for a transposed one, whose padding never follows them.
 */
static kd_status set_window(kd_onnx *x, const kd_conv_attr *s, const kd_conv_attr *t,
                            const kd_onnx_size *image, const kd_shape *kernel) {
  kd_onnx_window w = {.spatial = s->spatial,
                      .size = image ? image + 1 : NULL,
                      .stride = s->stride,
                      .before = {s->pad_before, t->pad_before},
                      .after = {s->pad_after, t->pad_after}};
  for (int i = 0; i < s->spatial; i++) w.reach[i] = (kernel->dim[i] - 1) * s->dilation[i] + 1;
  kd_onnx_set_ints(x, "kernel_shape", s->spatial, kernel->dim);
  kd_onnx_set_ints(x, "dilations", s->spatial, s->dilation);
  kd_onnx_set_int(x, "group", s->groups);
  return kd_onnx_set_window(x, &w);
}

kd_status kd_form_conv(kd_onnx *x, const kd_node *node, const kd_node *other) {
  const kd_conv_attr *attr = node->attr;
  kd_onnx_size size[KD_MAX_RANK];
  KD_TRY(check_plain(x, node, attr->epilogue));
  kd_onnx_sizes(x, node->input[0], size);
  kd_onnx_value image = kd_onnx_get_first(x, node->input[0]), kernel = kernel_of(x, node->input[1]);
  kd_onnx_put_first(x, node->output[0], KD_ONNX(x, "Conv", image, kernel));
  return set_window(x, attr, other->attr, size, kd_sym_shape(x->graph, node->input[1]));
}

/* Cells of the result behind those that the windows reach. */
static int64_t unreached(const kd_conv_attr *attr, int axis, int64_t cells, int64_t window) {
  int64_t reach = (window - 1) * attr->dilation[axis] + 1;
  int64_t covered = (cells - 1) * attr->stride[axis] + reach - attr->pad_before[axis] - attr->pad_after[axis];
  return attr->shape.dim[axis + 1] - covered;
}

kd_status kd_form_conv_grad_data(kd_onnx *x, const kd_node *node, const kd_node *other) {
  const kd_conv_attr *s = node->attr, *t = other->attr;
  const kd_shape *window = kd_sym_shape(x->graph, node->input[1]);
  kd_onnx_size cells[KD_MAX_RANK];
  int64_t behind[KD_MAX_SPATIAL];
  kd_onnx_sizes(x, node->input[0], cells);
  for (int i = 0; i < s->spatial; i++) {
    behind[i] = unreached(s, i, cells[i + 1].a, window->dim[i]);
    if (behind[i] != unreached(t, i, cells[i + 1].b, window->dim[i]))
      return kd_onnx_refuse(x, "padding depends on a variable size; give the inputs fixed sizes");
  }
  kd_onnx_value image = kd_onnx_get_first(x, node->input[0]), kernel = kernel_of(x, node->input[1]);
  kd_onnx_put_first(x, node->output[0], KD_ONNX(x, "ConvTranspose", image, kernel));
  kd_onnx_set_ints(x, "output_padding", s->spatial, behind);
  return set_window(x, s, t, NULL, window);
}
