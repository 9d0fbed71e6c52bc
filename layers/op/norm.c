/* Rules of batch and layer normalisation. Statistics are float32 whatever the type of x. */
#include "layers/op/rule.h"

/* Scale and offset have one value per channel. */
static kd_status check_channels(const char *what, const kd_sym_info *x, const kd_sym_info *parameter) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  KD_CHECK(kd_dtype_is_float(x->dtype), KD_ERR_USAGE, "%s of a tensor of type %s", what,
           kd_dtype_name(x->dtype));
  KD_CHECK(x->shape.rank >= 2 && parameter->shape.rank == 1 &&
               parameter->shape.dim[0] == x->shape.dim[x->shape.rank - 1],
           KD_ERR_USAGE, "%s of %s with a parameter of shape %s: one value per channel is needed", what,
           kd_shape_text(&x->shape, a), kd_shape_text(&parameter->shape, b));
  return KD_OK;
}

static kd_status check_same(const char *what, const kd_sym_info *x, const kd_sym_info *dy) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  KD_CHECK(kd_shape_equal(&x->shape, &dy->shape), KD_ERR_USAGE, "%s of %s with a gradient of shape %s", what,
           kd_shape_text(&x->shape, a), kd_shape_text(&dy->shape, b));
  return KD_OK;
}

static kd_status batch_norm_infer(const void *attr, int n_inputs, const kd_sym_info *const *x,
                                  kd_sym_info *y) {
  (void)attr;
  for (int i = 1; i < n_inputs; i++) KD_TRY(check_channels("batch normalisation", x[0], x[i]));
  y[0].dtype = x[0]->dtype;
  y[0].shape = x[0]->shape;
  for (int i = 1; i < 3; i++) {
    y[i].dtype = KD_F32;
    y[i].shape = x[1]->shape;
  }
  return KD_OK;
}

static kd_status batch_norm_grad_infer(const void *attr, int n_inputs, const kd_sym_info *const *x,
                                       kd_sym_info *y) {
  (void)attr, (void)n_inputs;
  for (int i = 1; i < 5; i++) KD_TRY(check_channels("gradient of batch normalisation", x[0], x[i]));
  KD_TRY(check_same("gradient of batch normalisation", x[0], x[5]));
  y[0].dtype = x[0]->dtype;
  y[0].shape = x[0]->shape;
  for (int i = 1; i < 3; i++) {
    y[i].dtype = KD_F32;
    y[i].shape = x[1]->shape;
  }
  return KD_OK;
}

static kd_sym add_maybe(kd_graph *g, kd_sym sum, kd_sym term) {
  return sum == KD_NO_SYM ? term : kd_add(g, sum, term);
}

/* Through the statistics themselves: d mean / dx = 1 / rows, d variance / dx = 2 (x - mean) / rows. */
static kd_sym batch_statistics_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, kd_sym dx) {
  const kd_shape *shape = kd_sym_shape(g, node->input[0]);
  double rows = (double)kd_shape_span(shape, 0, shape->rank - 1);
  if (dout[1] != KD_NO_SYM) dx = add_maybe(g, dx, kd_scale(g, dout[1], 1 / rows));
  if (dout[2] != KD_NO_SYM) {
    kd_sym centred = kd_sub(g, node->input[0], node->output[1]);
    dx = add_maybe(g, dx, kd_mul(g, centred, kd_scale(g, dout[2], 2 / rows)));
  }
  return dx;
}

static void batch_norm_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                            kd_sym *din) {
  if (dout[0] != KD_NO_SYM) {
    kd_sym inputs[] = {node->input[0],  node->input[1],  node->input[2],
                       node->output[1], node->output[2], dout[0]};
    kd_append(g, KD_OP_BATCH_NORM_GRAD, node->attr, 6, inputs, din);
  }
  if (needed[0] && (dout[1] != KD_NO_SYM || dout[2] != KD_NO_SYM))
    din[0] = batch_statistics_grad(g, node, dout, din[0]);
}

/* --- layer normalisation --------------------------------------------------------------------------- */

static kd_shape rows_shape(const kd_shape *x) {
  kd_shape rows = *x;
  rows.dim[--rows.rank] = 0;
  return rows;
}

static kd_status layer_norm_infer(const void *attr, int n_inputs, const kd_sym_info *const *x,
                                  kd_sym_info *y) {
  (void)attr;
  for (int i = 1; i < n_inputs; i++) KD_TRY(check_channels("layer normalisation", x[0], x[i]));
  y[0].dtype = x[0]->dtype;
  y[0].shape = x[0]->shape;
  for (int i = 1; i < 3; i++) {
    y[i].dtype = KD_F32;
    y[i].shape = rows_shape(&x[0]->shape);
  }
  return KD_OK;
}

static kd_status layer_norm_grad_infer(const void *attr, int n_inputs, const kd_sym_info *const *x,
                                       kd_sym_info *y) {
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  kd_shape rows = rows_shape(&x[0]->shape);
  (void)attr, (void)n_inputs;
  KD_TRY(check_channels("gradient of layer normalisation", x[0], x[1]));
  KD_TRY(check_same("gradient of layer normalisation", x[0], x[4]));
  for (int i = 2; i < 4; i++)
    KD_CHECK(kd_shape_equal(&x[i]->shape, &rows), KD_ERR_USAGE,
             "gradient of layer normalisation of %s with statistics of shape %s",
             kd_shape_text(&x[0]->shape, a), kd_shape_text(&x[i]->shape, b));
  y[0].dtype = x[0]->dtype;
  y[0].shape = x[0]->shape;
  for (int i = 1; i < 3; i++) {
    y[i].dtype = KD_F32;
    y[i].shape = x[1]->shape;
  }
  return KD_OK;
}

/* Through the statistics: d mean / dx = 1 / c, d rstd / dx = -rstd^3 (x - mean) / c. */
static kd_sym layer_statistics_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, kd_sym dx) {
  kd_shape rows = *kd_sym_shape(g, node->input[0]);
  double channels = (double)rows.dim[rows.rank - 1];
  rows.dim[rows.rank - 1] = 1;
  kd_sym mean = kd_reshape(g, node->output[1], rows), rstd = kd_reshape(g, node->output[2], rows);
  if (dout[1] != KD_NO_SYM) dx = add_maybe(g, dx, kd_scale(g, kd_reshape(g, dout[1], rows), 1 / channels));
  if (dout[2] != KD_NO_SYM) {
    kd_sym cube = kd_mul(g, rstd, kd_unary(g, KD_PW_SQUARE, rstd));
    kd_sym slope = kd_scale(g, kd_mul(g, kd_reshape(g, dout[2], rows), cube), -1 / channels);
    dx = add_maybe(g, dx, kd_mul(g, kd_sub(g, node->input[0], mean), slope));
  }
  return dx;
}

static void layer_norm_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                            kd_sym *din) {
  if (dout[0] != KD_NO_SYM) {
    kd_sym inputs[] = {node->input[0], node->input[1], node->output[1], node->output[2], dout[0]};
    kd_append(g, KD_OP_LAYER_NORM_GRAD, node->attr, 5, inputs, din);
  }
  if (needed[0] && (dout[1] != KD_NO_SYM || dout[2] != KD_NO_SYM))
    din[0] = layer_statistics_grad(g, node, dout, din[0]);
}

const kd_rule kd_rule_batch_norm = {.infer = batch_norm_infer, .grad = batch_norm_grad};
const kd_rule kd_rule_batch_norm_grad = {.infer = batch_norm_grad_infer};
const kd_rule kd_rule_layer_norm = {.infer = layer_norm_infer, .grad = layer_norm_grad};
const kd_rule kd_rule_layer_norm_grad = {.infer = layer_norm_grad_infer};
