/* Primitives that no pass of prediction has: gradients, losses, metrics, and what fusion makes. */
#include "io/onnx/form.h"

#define NEVER(name)                                                                                          \
  kd_status kd_form_##name(kd_onnx *x, const kd_node *node, const kd_node *other) {                          \
    (void)node, (void)other;                                                                                 \
    return kd_onnx_refuse(x, "it belongs to training");                                                      \
  }

NEVER(in_top_k)
NEVER(scatter_add)
NEVER(conv_grad_kernel)
NEVER(pool_grad)
NEVER(batch_norm_grad)
NEVER(norm_pool)
NEVER(norm_pool_grad)
NEVER(layer_norm_grad)
NEVER(softmax_grad)
NEVER(sparse_xent)
NEVER(sparse_xent_grad)
NEVER(ctc)
NEVER(ctc_grad)
NEVER(attention_grad)
NEVER(recurrent_grad)
