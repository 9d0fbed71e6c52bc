/* Rules of primitives: shapes and gradients, one table entry per row of device/ops.def. */
#ifndef KD_RULE_H
#define KD_RULE_H

#include "layers/graph/graph.h"

typedef struct kd_rule {
  /* Types and shapes of the outputs from those of the inputs. Fails with a text that names both shapes. */
  kd_status (*infer)(const void *attr, int n_inputs, const kd_sym_info *const *input, kd_sym_info *output);
  /* Gradients: dout[i] is KD_NO_SYM for outputs that do not reach the loss; sets din[i] for each input
   * (KD_NO_SYM: none). din[i] may have the broadcast shape: the walker sums it down. needed[i] tells which
   * are wanted. NULL only with KD_OP_NO_GRAD. */
  void (*grad)(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed, kd_sym *din);
} kd_rule;

/* Each is defined in the file of its family: kd_rule_pointwise, kd_rule_conv ... */
#define KD_OP(ID, name, attr, min_in, max_in, n_out, flags) extern const kd_rule kd_rule_##name;
#include "device/ops.def"
#undef KD_OP

const kd_rule *kd_rule_get(kd_op op);

#endif
