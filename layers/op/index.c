/* Rules of look-ups: rows of a table by number, and the sum of rows back into a table. */
#include "layers/op/rule.h"

static kd_status check_ids(const kd_sym_info *ids, const char *what) {
  KD_CHECK(!kd_dtype_is_float(ids->dtype), KD_ERR_USAGE, "%s: row numbers of type %s; cast them to int32",
           what, kd_dtype_name(ids->dtype));
  return KD_OK;
}

static kd_status gather_infer(const void *attr, int n_inputs, const kd_sym_info *const *x, kd_sym_info *y) {
  const kd_shape *table = &x[0]->shape, *ids = &x[1]->shape;
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  (void)attr, (void)n_inputs;
  KD_TRY(check_ids(x[1], "look-up"));
  KD_CHECK(table->rank == 2, KD_ERR_USAGE, "look-up in a table of shape %s: two axes are needed",
           kd_shape_text(table, a));
  KD_CHECK(ids->rank < KD_MAX_RANK, KD_ERR_USAGE, "look-up of row numbers %s in %s: too many axes",
           kd_shape_text(ids, b), kd_shape_text(table, a));
  y->dtype = x[0]->dtype;
  y->shape = *ids;
  y->shape.dim[y->shape.rank++] = table->dim[1];
  return KD_OK;
}

static void gather_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                        kd_sym *din) {
  kd_shape_attr attr = {*kd_sym_shape(g, node->input[0])};
  if (!needed[0]) return;
  kd_sym rows = kd_cast(g, dout[0], kd_grad_type(g, node->input[0]));
  din[0] = kd_append(g, KD_OP_SCATTER_ADD, &attr, 2, (kd_sym[]){node->input[1], rows}, NULL);
}

static kd_status scatter_add_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x,
                                   kd_sym_info *y) {
  const kd_shape_attr *attr = attr_;
  const kd_shape *ids = &x[0]->shape, *rows = &x[1]->shape;
  char a[KD_SHAPE_TEXT], b[KD_SHAPE_TEXT];
  KD_TRY(check_ids(x[0], "sum of rows"));
  bool fits =
      attr->shape.rank == 2 && rows->rank == ids->rank + 1 && rows->dim[ids->rank] == attr->shape.dim[1];
  for (int i = 0; fits && i < ids->rank; i++) fits = rows->dim[i] == ids->dim[i];
  KD_CHECK(fits, KD_ERR_USAGE, "sum of rows %s by row numbers %s: the shapes do not fit",
           kd_shape_text(rows, a), kd_shape_text(ids, b));
  KD_CHECK(n_inputs < 3 || (kd_shape_equal(&x[2]->shape, &attr->shape) && x[2]->dtype == x[1]->dtype),
           KD_ERR_USAGE, "sum of rows of %s into %s of %s and shape %s", kd_dtype_name(x[1]->dtype),
           kd_shape_text(&attr->shape, a), kd_dtype_name(x[2]->dtype), kd_shape_text(&x[2]->shape, b));
  y->dtype = x[1]->dtype;
  y->shape = attr->shape;
  return KD_OK;
}

/* Rows that an id names are not the base's. */
static kd_sym base_grad(kd_graph *g, kd_sym ids, kd_sym dout) {
  kd_shape ones = *kd_sym_shape(g, ids);
  ones.dim[ones.rank++] = 1;
  kd_shape_attr table = {KD_SHAPE(kd_sym_shape(g, dout)->dim[0], 1)};
  kd_sym uses = kd_append(g, KD_OP_SCATTER_ADD, &table, 2, (kd_sym[]){ids, kd_full(g, ones, 1.0)}, NULL);
  return kd_select(g, uses, kd_const(g, 0.0), dout);
}

static void scatter_add_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                             kd_sym *din) {
  if (node->n_inputs > 2 && needed[2]) din[2] = base_grad(g, node->input[0], dout[0]);
  if (needed[1]) din[1] = kd_gather(g, dout[0], node->input[0]);
}

const kd_rule kd_rule_gather = {.infer = gather_infer, .grad = gather_grad};
const kd_rule kd_rule_scatter_add = {.infer = scatter_add_infer, .grad = scatter_add_grad};
