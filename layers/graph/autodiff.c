/* Reverse-mode differentiation: nodes are visited from the loss backward, each gives the gradients of its
 * inputs from those of its outputs, and the gradients of a tensor's uses are added.
 *
 * A gradient may be held in a smaller shape that broadcasts to its tensor's: the gradient of a mean is one
 * number, and pointwise work takes it as it is. It is spread only where an operation needs all of it. */
#include "layers/graph/graph.h"
#include "layers/op/rule.h"

typedef struct walk {
  kd_graph *g;
  bool *reached; /* by tensor: a wanted tensor leads to it */
  kd_sym *grad;  /* by tensor: sum of the gradients so far */
} walk;

/* Tensors whose gradient is needed: the wanted ones and all floats computed from them. */
static void mark_reached(walk *w, int n_wanted, const kd_sym *wanted) {
  for (int i = 0; i < n_wanted; i++)
    if (wanted[i] != KD_NO_SYM) w->reached[wanted[i]] = true;
  for (int n = 0; n < w->g->n_nodes; n++) {
    const kd_node *node = &w->g->nodes[n];
    bool any = false;
    for (int i = 0; i < node->n_inputs; i++) any = any || w->reached[node->input[i]];
    for (int i = 0; any && i < node->n_outputs; i++)
      if (kd_dtype_is_float(kd_sym_get(w->g, node->output[i])->dtype)) w->reached[node->output[i]] = true;
  }
}

static bool broadcasts_to(const kd_shape *from, const kd_shape *to) {
  kd_shape common;
  return kd_shape_broadcast(from, to, &common) && kd_shape_equal(&common, to);
}

/* Size along an axis of `full` of a shape that broadcasts to it. */
static int64_t aligned_size(const kd_shape *shape, const kd_shape *full, int axis) {
  int own = axis - (full->rank - shape->rank);
  return own < 0 ? 1 : shape->dim[own];
}

/* The sum of a gradient over the axes along which the input was repeated. `full` is the shape in which the
 * operation worked. Axes along which the gradient itself is one repeated number only scale it. */
static kd_sym sum_down(kd_graph *g, kd_sym grad, const kd_shape *full, const kd_shape *input) {
  kd_shape shape = *kd_sym_shape(g, grad);
  double repeats = 1;
  for (int axis = 0; axis < full->rank; axis++) {
    int64_t size = full->dim[axis];
    if (aligned_size(input, full, axis) == 1 && aligned_size(&shape, full, axis) == 1)
      repeats *= (double)size;
  }
  int rank = shape.rank < input->rank ? shape.rank : input->rank;
  kd_shape target = {.rank = rank};
  for (int i = 0; i < rank; i++) {
    bool repeated = input->dim[input->rank - rank + i] == 1;
    target.dim[i] = repeated ? 1 : shape.dim[shape.rank - rank + i];
  }
  return kd_scale(g, kd_reduce_to(g, grad, &target), repeats);
}

/* The row numbers and rows that a tensor is the sum of, in one axis; false when it is none. */
static bool is_row_sum(kd_graph *g, kd_sym sym, kd_sym *ids, kd_sym *rows) {
  const kd_node *node = kd_producer(g, sym, false);
  if (!node || node->op != KD_OP_SCATTER_ADD || node->n_inputs != 2) return false;
  kd_sym ids_then = node->input[0], rows_then = node->input[1];
  int64_t n = kd_shape_count(kd_sym_shape(g, ids_then));
  *ids = kd_reshape(g, ids_then, KD_SHAPE(n));
  *rows = kd_reshape(g, rows_then, KD_SHAPE(n, kd_sym_shape(g, sym)->dim[1]));
  return true;
}

/* The gradient of a table that is looked up twice is one sum of the rows of both: the table is written once.
 */
static kd_sym add_grads(kd_graph *g, kd_sym a, kd_sym b) {
  kd_sym ids[2], rows[2];
  if (!is_row_sum(g, a, &ids[0], &rows[0]) || !is_row_sum(g, b, &ids[1], &rows[1]) ||
      kd_sym_get(g, ids[0])->dtype != kd_sym_get(g, ids[1])->dtype)
    return kd_add(g, a, b);
  kd_shape_attr table = {*kd_sym_shape(g, a)};
  kd_sym joined[] = {kd_concat(g, 2, ids, 0), kd_concat(g, 2, rows, 0)};
  return kd_append(g, KD_OP_SCATTER_ADD, &table, 2, joined, NULL);
}

static void add_grad(walk *w, const kd_node *node, kd_sym input, kd_sym grad) {
  kd_shape shape = *kd_sym_shape(w->g, input), given = *kd_sym_shape(w->g, grad), full = shape;
  if (node->op == KD_OP_POINTWISE)
    full = *kd_sym_shape(w->g, node->output[0]);
  else if (!broadcasts_to(&given, &shape))
    full = given;
  grad = sum_down(w->g, grad, &full, &shape);
  kd_sym *sum = &w->grad[input];
  *sum = *sum == KD_NO_SYM ? grad : add_grads(w->g, *sum, grad);
}

static bool is_move(kd_op op) {
  return op == KD_OP_RESHAPE || op == KD_OP_TRANSPOSE || op == KD_OP_SLICE || op == KD_OP_BROADCAST;
}

kd_dtype kd_grad_type(const kd_graph *g, kd_sym sym) {
  const kd_sym_info *info = kd_sym_get(g, sym), *root = info;
  while (root->node >= 0 && is_move(g->nodes[root->node].op))
    root = kd_sym_get(g, g->nodes[root->node].input[0]);
  return root->role == KD_ROLE_WEIGHT && kd_dtype_is_half(info->dtype) ? KD_F32 : info->dtype;
}

/* The gradient of a tensor in the tensor's own shape, and in its type. */
static kd_sym whole_grad(walk *w, kd_sym sym) {
  if (w->grad[sym] == KD_NO_SYM) return KD_NO_SYM;
  const kd_sym_info *info = kd_sym_get(w->g, sym);
  return kd_cast(w->g, kd_broadcast(w->g, w->grad[sym], info->shape), kd_grad_type(w->g, sym));
}

/* Pointwise work and reshapes take gradients in smaller shapes. */
static bool takes_small_grads(kd_op op) {
  return op == KD_OP_POINTWISE || op == KD_OP_RESHAPE;
}

static void visit(walk *w, const kd_node *node) {
  kd_sym dout[KD_MAX_OUTPUTS], din[KD_MAX_INPUTS];
  bool needed[KD_MAX_INPUTS], any_out = false, any_in = false;
  for (int i = 0; i < node->n_outputs; i++) any_out = any_out || w->grad[node->output[i]] != KD_NO_SYM;
  for (int i = 0; i < node->n_inputs; i++) {
    din[i] = KD_NO_SYM;
    needed[i] = w->reached[node->input[i]];
    any_in = any_in || needed[i];
  }
  if (!any_out || !any_in) return;
  kd_graph_scope(w->g, node->scope);
  for (int i = 0; i < node->n_outputs; i++)
    dout[i] = takes_small_grads(node->op) ? w->grad[node->output[i]] : whole_grad(w, node->output[i]);
  const kd_rule *rule = kd_rule_get(node->op);
  if (!rule->grad) {
    kd_graph_fail(w->g, "%s: %s has no gradient, but a trainable weight reaches the loss through it",
                  node->scope[0] ? node->scope : "graph", kd_op_get(node->op)->name);
    return;
  }
  rule->grad(w->g, node, dout, needed, din);
  for (int i = 0; i < node->n_inputs; i++)
    if (needed[i] && din[i] != KD_NO_SYM) add_grad(w, node, node->input[i], din[i]);
}

static void walk_back(walk *w, kd_sym loss) {
  w->grad[loss] = kd_const(w->g, 1);
  for (int n = kd_sym_get(w->g, loss)->node; n >= 0 && w->g->status == KD_OK; n--) {
    const kd_node *node = &w->g->nodes[n];
    visit(w, node);
  }
}

kd_status kd_autodiff(kd_graph *g, kd_sym loss, int n_wanted, const kd_sym *wanted, kd_sym *grads) {
  char text[KD_SHAPE_TEXT];
  for (int i = 0; i < n_wanted; i++) grads[i] = KD_NO_SYM;
  KD_TRY(kd_graph_status(g));
  const kd_sym_info *info = kd_sym_get(g, loss);
  KD_CHECK(loss != KD_NO_SYM && info->shape.rank == 0 && kd_dtype_is_float(info->dtype), KD_ERR_INTERNAL,
           "the loss must be a scalar, not a %s tensor of shape %s", kd_dtype_name(info->dtype),
           kd_shape_text(&info->shape, text));
  walk w = {.g = g, .reached = kd_calloc((size_t)g->n_syms, sizeof(bool))};
  w.grad = kd_calloc((size_t)g->n_syms, sizeof(kd_sym));
  for (int i = 0; i < g->n_syms; i++) w.grad[i] = KD_NO_SYM;
  const char *scope = g->scope;
  bool backward = g->backward;
  g->backward = true;
  mark_reached(&w, n_wanted, wanted);
  walk_back(&w, loss);
  for (int i = 0; i < n_wanted; i++)
    if (wanted[i] != KD_NO_SYM) grads[i] = whole_grad(&w, wanted[i]);
  g->backward = backward;
  g->scope = scope;
  kd_free(w.reached);
  kd_free(w.grad);
  return kd_graph_status(g);
}
