/* Rules of the convolution and of its two gradients. The three are linear in each operand and are each
 * other's gradients. */
#include <stdio.h>

#include "layers/op/product.h"
#include "layers/op/rule.h"
#include "layers/op/window.h"

/* The shape that x (n, s.., c) and kernel (k.., c / groups, f) give. */
static kd_status conv_shape(const kd_conv_attr *attr, const kd_shape *x, const kd_shape *kernel,
                            kd_shape *y) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  int spatial = attr->spatial;
  KD_CHECK(spatial >= 1 && spatial <= KD_MAX_SPATIAL && x->rank == spatial + 2 && kernel->rank == spatial + 2,
           KD_ERR_USAGE, "convolution over %d spatial axes of %s with kernel %s: %d axes are needed", spatial,
           kd_shape_text(x, a), kd_shape_text(kernel, b), spatial + 2);
  int64_t channels = x->dim[spatial + 1], filters = kernel->dim[spatial + 1];
  KD_CHECK(attr->groups >= 1 && channels % attr->groups == 0 && filters % attr->groups == 0, KD_ERR_USAGE,
           "convolution with %lld groups: %lld input channels and %lld filters must be multiples of it",
           (long long)attr->groups, (long long)channels, (long long)filters);
  KD_CHECK(kernel->dim[spatial] == channels / attr->groups, KD_ERR_USAGE,
           "convolution of %s with kernel %s: the kernel takes %lld channels per group, the input has %lld",
           kd_shape_text(x, a), kd_shape_text(kernel, b), (long long)kernel->dim[spatial],
           (long long)(channels / attr->groups));
  *y = *x;
  y->dim[spatial + 1] = filters;
  char what[2 * KD_SHAPE_TEXT + 40];
  snprintf(what, sizeof what, "convolution of %s with kernel %s", kd_shape_text(x, a),
           kd_shape_text(kernel, b));
  for (int i = 0; i < spatial; i++)
    KD_TRY(kd_window_output(what, i, x->dim[i + 1], kernel->dim[i], attr->stride[i], attr->dilation[i],
                            attr->pad_before[i], attr->pad_after[i], &y->dim[i + 1]));
  return KD_OK;
}

static kd_status conv_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x, kd_sym_info *y) {
  const kd_conv_attr *attr = attr_;
  char text[KD_SHAPE_TEXT];
  KD_TRY(kd_product_check("convolution", &attr->types, x[0], x[1]));
  KD_TRY(conv_shape(attr, &x[0]->shape, &x[1]->shape, &y->shape));
  int64_t filters = y->shape.dim[y->shape.rank - 1];
  if (n_inputs == 3)
    KD_CHECK(x[2]->shape.rank == 1 && x[2]->shape.dim[0] == filters, KD_ERR_USAGE,
             "bias of shape %s for %lld filters", kd_shape_text(&x[2]->shape, text), (long long)filters);
  y->dtype = attr->types.result;
  return KD_OK;
}

/* dy must have the shape that x and kernel give. */
static kd_status check_dy(const kd_conv_attr *attr, const kd_shape *x, const kd_shape *kernel,
                          const kd_shape *dy) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  kd_shape y;
  KD_TRY(conv_shape(attr, x, kernel, &y));
  KD_CHECK(kd_shape_equal(&y, dy), KD_ERR_USAGE, "transposed convolution of %s: the shapes need %s",
           kd_shape_text(dy, a), kd_shape_text(&y, b));
  return KD_OK;
}

static kd_status grad_data_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x,
                                 kd_sym_info *y) {
  const kd_conv_attr *attr = attr_;
  (void)n_inputs;
  KD_TRY(kd_product_check("transposed convolution", &attr->types, x[0], x[1]));
  KD_TRY(check_dy(attr, &attr->shape, &x[1]->shape, &x[0]->shape));
  y->dtype = attr->types.result;
  y->shape = attr->shape;
  return KD_OK;
}

static kd_status grad_kernel_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x,
                                   kd_sym_info *y) {
  const kd_conv_attr *attr = attr_;
  (void)n_inputs;
  KD_TRY(kd_product_check("kernel gradient", &attr->types, x[0], x[1]));
  KD_TRY(check_dy(attr, &x[0]->shape, &attr->shape, &x[1]->shape));
  y->dtype = attr->types.result;
  y->shape = attr->shape;
  return KD_OK;
}

/* One of the three operations with the geometry of attr: the gradient of `like`, whose shape it has. */
static kd_sym emit(kd_graph *g, kd_op op, const kd_conv_attr *attr, kd_sym a, kd_sym b, kd_sym like) {
  kd_conv_attr same = *attr;
  same.shape = op == KD_OP_CONV ? KD_SCALAR : *kd_sym_shape(g, like);
  same.types = kd_product_grad(g, &attr->types, like);
  return kd_append(g, op, &same, 2, (kd_sym[]){a, b}, NULL);
}

static void conv_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed, kd_sym *din) {
  const kd_conv_attr *attr = node->attr;
  kd_sym x = node->input[0], kernel = node->input[1];
  if (attr->epilogue != KD_EPI_NONE) {
    kd_graph_fail(g, "a convolution with a fused activation has no gradient");
    return;
  }
  if (needed[0]) din[0] = emit(g, KD_OP_CONV_GRAD_DATA, attr, dout[0], kernel, x);
  if (needed[1]) din[1] = emit(g, KD_OP_CONV_GRAD_KERNEL, attr, x, dout[0], kernel);
  if (node->n_inputs == 3 && needed[2]) din[2] = dout[0]; /* summed down by the walker */
}

static void grad_data_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                           kd_sym *din) {
  kd_sym dy = node->input[0], kernel = node->input[1];
  if (needed[0]) din[0] = emit(g, KD_OP_CONV, node->attr, dout[0], kernel, dy);
  if (needed[1]) din[1] = emit(g, KD_OP_CONV_GRAD_KERNEL, node->attr, dout[0], dy, kernel);
}

static void grad_kernel_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                             kd_sym *din) {
  kd_sym x = node->input[0], dy = node->input[1];
  if (needed[0]) din[0] = emit(g, KD_OP_CONV_GRAD_DATA, node->attr, dy, dout[0], x);
  if (needed[1]) din[1] = emit(g, KD_OP_CONV, node->attr, x, dout[0], dy);
}

const kd_rule kd_rule_conv = {.infer = conv_infer, .grad = conv_grad};
const kd_rule kd_rule_conv_grad_data = {.infer = grad_data_infer, .grad = grad_data_grad};
const kd_rule kd_rule_conv_grad_kernel = {.infer = grad_kernel_infer, .grad = grad_kernel_grad};
