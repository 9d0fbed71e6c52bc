#include "support/interpret.h"

#include <math.h>

#include "support/interpret_call.h"

cell cell_of(const kd_shape *shape, int64_t flat) {
  cell at = {{0}};
  for (int axis = shape->rank - 1; axis >= 0; axis--) {
    at.i[axis] = flat % shape->dim[axis];
    flat /= shape->dim[axis];
  }
  return at;
}

int64_t flat_of(const kd_shape *shape, const cell *at) {
  int64_t flat = 0;
  for (int axis = 0; axis < shape->rank; axis++) flat = flat * shape->dim[axis] + at->i[axis];
  return flat;
}

int64_t broadcast_flat(const kd_shape *from, const kd_shape *to, const cell *at) {
  int64_t flat = 0;
  for (int axis = 0; axis < from->rank; axis++) {
    int64_t i = at->i[axis + to->rank - from->rank];
    flat = flat * from->dim[axis] + (from->dim[axis] == 1 ? 0 : i);
  }
  return flat;
}

double apply_epilogue(kd_epilogue epilogue, double x) {
  switch (epilogue) {
  case KD_EPI_RELU:
    return x > 0 ? x : 0;
  case KD_EPI_TANH:
    return tanh(x);
  case KD_EPI_SIGMOID:
    return 1 / (1 + exp(-x));
  case KD_EPI_NONE:
    break;
  }
  return x;
}

double round_to(kd_dtype dtype, double x) {
  if (!kd_dtype_is_half(dtype) || !isfinite(x) || x == 0) return x;
  int digits = dtype == KD_BF16 ? 8 : 11, least = dtype == KD_BF16 ? -125 : -13, exponent;
  frexp(x, &exponent);
  double unit = ldexp(1, (exponent < least ? least : exponent) - digits), rounded = rint(x / unit) * unit;
  double most = dtype == KD_BF16 ? ldexp(255, 120) : 65504;
  return fabs(rounded) > most ? copysign((double)INFINITY, x) : rounded;
}

typedef void (*interpret_fn)(const call *c);

static const interpret_fn functions[KD_N_OPS] = {
#define KD_OP(ID, name, attr, min_in, max_in, n_out, flags) [KD_OP_##ID] = interpret_##name,
#include "device/ops.def"
#undef KD_OP
};

/* Results as their type holds them: integers are cut, half types rounded. */
static void store(kd_dtype dtype, int64_t count, double *y) {
  for (int64_t i = 0; i < count; i++) y[i] = kd_dtype_is_float(dtype) ? round_to(dtype, y[i]) : trunc(y[i]);
}

/* Operands as a product takes them: copies, in the type of its factors. */
static void round_factors(const kd_product_types *types, call *c, double *rounded[2]) {
  for (int i = 0; i < 2; i++) {
    int64_t count = kd_shape_count(&c->x_shape[i]);
    rounded[i] = kd_calloc((size_t)count, sizeof(double));
    for (int64_t e = 0; e < count; e++) rounded[i][e] = round_to(types->factors, c->x[i][e]);
    c->x[i] = rounded[i];
  }
}

static const kd_product_types *product_types(const kd_node *node) {
  switch (node->op) {
  case KD_OP_MATMUL:
    return &((const kd_matmul_attr *)node->attr)->types;
  case KD_OP_CONV:
  case KD_OP_CONV_GRAD_DATA:
  case KD_OP_CONV_GRAD_KERNEL:
    return &((const kd_conv_attr *)node->attr)->types;
  default:
    return NULL;
  }
}

kd_status interpret_node(const kd_graph *graph, const kd_node *node, double **values) {
  call c = {.op = node->op, .attr = node->attr, .n_inputs = node->n_inputs, .n_outputs = node->n_outputs};
  for (int i = 0; i < node->n_inputs; i++) {
    kd_sym sym = node->input[i];
    KD_CHECK(values[sym], KD_ERR_INTERNAL, "tensor %d (%s) has no values", sym, kd_sym_get(graph, sym)->name);
    c.x_shape[i] = *kd_sym_shape(graph, sym);
    c.x[i] = values[sym];
  }
  for (int i = 0; i < node->n_outputs; i++) {
    kd_sym sym = node->output[i];
    c.y_shape[i] = *kd_sym_shape(graph, sym);
    c.y_dtype[i] = kd_sym_get(graph, sym)->dtype;
    if (!values[sym]) values[sym] = kd_calloc((size_t)kd_shape_count(&c.y_shape[i]), sizeof(double));
    c.y[i] = values[sym];
    for (int64_t e = 0; e < kd_shape_count(&c.y_shape[i]); e++) c.y[i][e] = 0;
  }
  double *rounded[2] = {NULL, NULL};
  const kd_product_types *types = product_types(node);
  if (types) round_factors(types, &c, rounded);
  functions[node->op](&c);
  for (int i = 0; i < node->n_outputs; i++) store(c.y_dtype[i], kd_shape_count(&c.y_shape[i]), c.y[i]);
  for (int i = 0; i < 2; i++) kd_free(rounded[i]);
  return KD_OK;
}

kd_status interpret(const kd_graph *graph, double **values) {
  KD_TRY(kd_graph_status(graph));
  for (int i = 0; i < graph->n_nodes; i++) KD_TRY(interpret_node(graph, &graph->nodes[i], values));
  return KD_OK;
}

void interpret_free(const kd_graph *graph, double **values) {
  for (kd_sym sym = 0; sym < graph->n_syms; sym++) {
    if (graph->syms[sym].role != KD_ROLE_NODE) continue;
    kd_free(values[sym]);
    values[sym] = NULL;
  }
}
