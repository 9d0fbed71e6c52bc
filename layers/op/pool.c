/* Rules of pooling. */
#include <stdio.h>

#include "layers/op/rule.h"
#include "layers/op/window.h"

static kd_status pool_shape(const kd_pool_attr *attr, const kd_shape *x, kd_shape *y) {
  char text[KD_SHAPE_TEXT], what[KD_SHAPE_TEXT + 32];
  int spatial = attr->spatial;
  snprintf(what, sizeof what, "pooling of %s", kd_shape_text(x, text));
  KD_CHECK(spatial >= 1 && spatial <= KD_MAX_SPATIAL && x->rank == spatial + 2, KD_ERR_USAGE,
           "%s over %d spatial axes: %d axes are needed", what, spatial, spatial + 2);
  *y = *x;
  for (int i = 0; i < spatial; i++) {
    KD_TRY(kd_window_output(what, i, x->dim[i + 1], attr->window[i], attr->stride[i], 1, attr->pad_before[i],
                            attr->pad_after[i], &y->dim[i + 1]));
    /* Every window must hold a real cell, else its maximum and average do not exist. */
    int64_t last = (y->dim[i + 1] - 1) * attr->stride[i] - attr->pad_before[i];
    KD_CHECK(attr->pad_before[i] < attr->window[i] && last < x->dim[i + 1], KD_ERR_USAGE,
             "%s: a window of %lld along spatial axis %d would hold nothing but padding", what,
             (long long)attr->window[i], i);
  }
  return KD_OK;
}

static kd_status pool_infer(const void *attr, int n_inputs, const kd_sym_info *const *x, kd_sym_info *y) {
  (void)n_inputs;
  y->dtype = x[0]->dtype;
  return pool_shape(attr, &x[0]->shape, &y->shape);
}

static void pool_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed, kd_sym *din) {
  kd_sym inputs[] = {node->input[0], node->output[0], dout[0]};
  (void)needed;
  din[0] = kd_append(g, KD_OP_POOL_GRAD, node->attr, 3, inputs, NULL);
}

static kd_status pool_grad_infer(const void *attr, int n_inputs, const kd_sym_info *const *x,
                                 kd_sym_info *y) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  kd_shape shape;
  (void)n_inputs;
  KD_TRY(pool_shape(attr, &x[0]->shape, &shape));
  KD_CHECK(kd_shape_equal(&shape, &x[1]->shape) && kd_shape_equal(&shape, &x[2]->shape), KD_ERR_USAGE,
           "gradient of pooling: results %s, but the gradient has shape %s", kd_shape_text(&shape, a),
           kd_shape_text(&x[2]->shape, b));
  y->dtype = x[2]->dtype;
  y->shape = x[0]->shape;
  return KD_OK;
}

const kd_rule kd_rule_pool = {.infer = pool_infer, .grad = pool_grad};
const kd_rule kd_rule_pool_grad = {.infer = pool_grad_infer};
