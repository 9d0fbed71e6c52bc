/* Types of products, shared by the rules of matmul and convolution. */
#ifndef KD_OP_PRODUCT_H
#define KD_OP_PRODUCT_H

#include "layers/graph/graph.h"

/* The types of attributes and operands are among those that products take. `what` begins the text. */
kd_status kd_product_check(const char *what, const kd_product_types *types, const kd_sym_info *a,
                           const kd_sym_info *b);

/* The types of a product that gives the gradient of `like`: the factors of the product that is derived, the
 * result in the type of its gradient (kd_grad_type). So the gradient of a kernel is float32. */
kd_product_types kd_product_grad(const kd_graph *g, const kd_product_types *of, kd_sym like);

#endif
