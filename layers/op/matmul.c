/* Rule of the matrix product. */
#include "layers/op/product.h"
#include "layers/op/rule.h"

/* Rows and columns of an operand after its transposition. */
static void matrix_of(const kd_shape *shape, bool transposed, int64_t *rows, int64_t *columns) {
  int64_t first = shape->dim[shape->rank - 2], second = shape->dim[shape->rank - 1];
  *rows = transposed ? second : first;
  *columns = transposed ? first : second;
}

static kd_status matmul_infer(const void *attr_, int n_inputs, const kd_sym_info *const *x, kd_sym_info *y) {
  const kd_matmul_attr *attr = attr_;
  const kd_shape *a = &x[0]->shape, *b = &x[1]->shape;
  char ta[KD_SHAPE_TEXT], tb[KD_SHAPE_TEXT];
  int64_t m, ka, kb, n;
  KD_CHECK(a->rank >= 2 && b->rank >= 2, KD_ERR_USAGE, "matmul of %s and %s: both need two axes or more",
           kd_shape_text(a, ta), kd_shape_text(b, tb));
  matrix_of(a, attr->transpose_a, &m, &ka);
  matrix_of(b, attr->transpose_b, &kb, &n);
  KD_CHECK(ka == kb, KD_ERR_USAGE, "matmul of %s%s and %s%s: inner sizes %lld and %lld differ",
           kd_shape_text(a, ta), attr->transpose_a ? " transposed" : "", kd_shape_text(b, tb),
           attr->transpose_b ? " transposed" : "", (long long)ka, (long long)kb);
  KD_TRY(kd_product_check("matmul", &attr->types, x[0], x[1]));
  kd_shape lead_a = *a, lead_b = *b;
  lead_a.rank -= 2;
  lead_b.rank -= 2;
  KD_CHECK(kd_shape_broadcast(&lead_a, &lead_b, &y->shape), KD_ERR_USAGE,
           "matmul of %s and %s: the leading axes do not broadcast", kd_shape_text(a, ta),
           kd_shape_text(b, tb));
  y->shape.dim[y->shape.rank++] = m;
  y->shape.dim[y->shape.rank++] = n;
  y->dtype = attr->types.result;
  if (n_inputs == 3)
    KD_CHECK(x[2]->shape.rank == 1 && x[2]->shape.dim[0] == n, KD_ERR_USAGE,
             "bias of shape %s for %lld columns", kd_shape_text(&x[2]->shape, ta), (long long)n);
  return KD_OK;
}

/* All leading axes joined: (..., k) -> (rows, k). */
static kd_sym flatten_rows(kd_graph *g, kd_sym x) {
  kd_shape shape = *kd_sym_shape(g, x);
  return kd_reshape(g, x, KD_SHAPE(kd_shape_span(&shape, 0, shape.rank - 1), shape.dim[shape.rank - 1]));
}

/* A product in the types of `of` that gives the gradient of `like`. */
static kd_sym emit(kd_graph *g, const kd_matmul_attr *of, kd_sym like, kd_sym x, kd_sym y, bool transpose_x,
                   bool transpose_y) {
  kd_matmul_attr attr = {
      .transpose_a = transpose_x, .transpose_b = transpose_y, .types = kd_product_grad(g, &of->types, like)};
  return kd_append(g, KD_OP_MATMUL, &attr, 2, (kd_sym[]){x, y}, NULL);
}

/* With A = op(a), B = op(b): dA = dy B^T and dB = A^T dy, each transposed back when its operand was. */
static void matmul_grad(kd_graph *g, const kd_node *node, const kd_sym *dout, const bool *needed,
                        kd_sym *din) {
  const kd_matmul_attr *attr = node->attr;
  kd_sym a = node->input[0], b = node->input[1], dy = dout[0];
  bool ta = attr->transpose_a, tb = attr->transpose_b;
  if (attr->epilogue != KD_EPI_NONE) {
    kd_graph_fail(g, "a matmul with a fused activation has no gradient");
    return;
  }
  if (needed[0]) din[0] = ta ? emit(g, attr, a, b, dy, tb, true) : emit(g, attr, a, dy, b, false, !tb);
  if (needed[1]) {
    /* One matrix used by all rows: its gradient is one product over all rows, not a sum of products. */
    if (kd_sym_shape(g, b)->rank == 2 && !ta) {
      a = flatten_rows(g, a);
      dy = flatten_rows(g, dy);
    }
    din[1] = tb ? emit(g, attr, b, dy, a, true, ta) : emit(g, attr, b, a, dy, !ta, false);
  }
  if (node->n_inputs == 3 && needed[2]) din[2] = dout[0]; /* summed down by the walker */
}

const kd_rule kd_rule_matmul = {.infer = matmul_infer, .grad = matmul_grad};
