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

typedef void (*interpret_fn)(const call *c);

static const interpret_fn functions[KD_N_OPS] = {
#define KD_OP(ID, name, attr, min_in, max_in, n_out, flags) [KD_OP_##ID] = interpret_##name,
#include "device/ops.def"
#undef KD_OP
};

static void truncate_integers(kd_dtype dtype, int64_t count, double *y) {
  for (int64_t i = 0; !kd_dtype_is_float(dtype) && i < count; i++) y[i] = trunc(y[i]);
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
  functions[node->op](&c);
  for (int i = 0; i < node->n_outputs; i++)
    truncate_integers(c.y_dtype[i], kd_shape_count(&c.y_shape[i]), c.y[i]);
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
