/* Parts of the pointwise rule that its files share. */
#ifndef KD_OP_POINTWISE_RULE_H
#define KD_OP_POINTWISE_RULE_H

#include "layers/graph/graph.h"

/* Steps whose operand is the random state. */
bool kd_pw_is_random(kd_pw op);

/* The gradient of a pointwise program (kd_rule.grad). */
void kd_pointwise_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed, kd_sym *din);

/* The gradient of one step y = op(x[0], x[1], x[2]): sets dx[i] where wanted[i] (KD_NO_SYM: none). All are
 * tensors of g; dy may have any shape that broadcasts to y's. */
void kd_pw_step_grad(kd_graph *g, kd_pw op, const kd_sym *x, kd_sym y, kd_sym dy, const bool *wanted,
                     kd_sym *dx);

#endif
