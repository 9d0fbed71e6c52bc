/* Rule of the sum over ranks. Every rank's loss is its part of the whole, so the gradient of the sum with
 * respect to one rank's part is the sum of all ranks' gradients: the same exchange. */
#include "layers/op/rule.h"

static kd_status exchange_infer(const void *attr, int n_inputs, const kd_sym_info *const *x, kd_sym_info *y) {
  (void)attr, (void)n_inputs;
  KD_CHECK(x[0]->dtype == KD_F32, KD_ERR_USAGE, "exchange of %s: only float32 is summed over ranks",
           kd_dtype_name(x[0]->dtype));
  y->dtype = KD_F32;
  y->shape = x[0]->shape;
  return KD_OK;
}

static void exchange_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                          kd_sym *din) {
  (void)needed;
  din[0] = dout[0] == KD_NO_SYM ? KD_NO_SYM
                                : kd_exchange(g, kd_broadcast(g, dout[0], *kd_sym_shape(g, node->output[0])));
}

const kd_rule kd_rule_exchange = {.infer = exchange_infer, .grad = exchange_grad};
