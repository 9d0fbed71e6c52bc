/* Pooling, normalisation and softmax. */
#include "io/onnx/form.h"

kd_status kd_form_pool(kd_onnx *x, const kd_node *node, const kd_node *other) {
  const kd_pool_attr *s = node->attr, *t = other->attr;
  kd_onnx_size size[KD_MAX_RANK];
  kd_onnx_window w = {.spatial = s->spatial,
                      .size = size + 1,
                      .stride = s->stride,
                      .before = {s->pad_before, t->pad_before},
                      .after = {s->pad_after, t->pad_after}};
  kd_onnx_sizes(x, node->input[0], size);
  for (int i = 0; i < s->spatial; i++) {
    if (s->window[i] != t->window[i])
      return kd_onnx_refuse(x, "windows depend on a variable size; give the inputs fixed sizes");
    w.reach[i] = s->window[i];
  }
  kd_onnx_value image = kd_onnx_get_first(x, node->input[0]);
  kd_onnx_put_first(x, node->output[0], KD_ONNX(x, s->average ? "AveragePool" : "MaxPool", image));
  kd_onnx_set_ints(x, "kernel_shape", s->spatial, s->window);
  if (s->average) kd_onnx_set_int(x, "count_include_pad", 0);
  return kd_onnx_set_window(x, &w);
}

static kd_onnx_value mean_of(kd_onnx *x, kd_onnx_value v, int rank) {
  int64_t axes[KD_MAX_RANK];
  for (int i = 0; i < rank - 1; i++) axes[i] = i;
  return kd_onnx_reduce(x, "ReduceMean", v, rank - 1, axes, true);
}

/* With the statistics of the batch: of a call with training = true. */
kd_status kd_form_batch_norm(kd_onnx *x, const kd_node *node, const kd_node *other) {
  (void)other;
  const kd_norm_attr *attr = node->attr;
  int rank = kd_sym_shape(x->graph, node->input[0])->rank;
  if (attr->relu) return kd_onnx_refuse(x, "it has been fused");
  kd_onnx_value v = kd_onnx_get(x, node->input[0]), mean = mean_of(x, v, rank);
  kd_onnx_value centred = KD_ONNX(x, "Sub", v, mean);
  kd_onnx_value variance = mean_of(x, KD_ONNX(x, "Mul", centred, centred), rank);
  kd_onnx_value deviation = KD_ONNX(x, "Sqrt", KD_ONNX(x, "Add", variance, kd_onnx_float(x, attr->epsilon)));
  kd_onnx_value y = KD_ONNX(x, "Mul", KD_ONNX(x, "Div", centred, deviation), kd_onnx_get(x, node->input[1]));
  kd_onnx_put(x, node->output[0], KD_ONNX(x, "Add", y, kd_onnx_get(x, node->input[2])));
  return KD_OK;
}

kd_status kd_form_layer_norm(kd_onnx *x, const kd_node *node, const kd_node *other) {
  (void)other;
  const kd_norm_attr *attr = node->attr;
  kd_onnx_value y = KD_ONNX(x, "LayerNormalization", kd_onnx_get(x, node->input[0]),
                            kd_onnx_get(x, node->input[1]), kd_onnx_get(x, node->input[2]));
  kd_onnx_set_int(x, "axis", -1);
  kd_onnx_set_float(x, "epsilon", attr->epsilon);
  kd_onnx_put(x, node->output[0], y);
  return KD_OK;
}

kd_status kd_form_softmax(kd_onnx *x, const kd_node *node, const kd_node *other) {
  (void)other;
  const kd_softmax_attr *attr = node->attr;
  kd_onnx_value y = KD_ONNX(x, attr->log ? "LogSoftmax" : "Softmax", kd_onnx_get(x, node->input[0]));
  kd_onnx_set_int(x, "axis", -1);
  kd_onnx_put(x, node->output[0], y);
  return KD_OK;
}
