#include "device/cuda/dnn_graph.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "device/base/memory.h"

enum { ALIGNMENT = 16, FIRST_INNER = 100, MOST_WORD = 64 };

cudnnDataType_t kd_dnn_type(kd_dtype dtype) {
  return dtype == KD_BF16 ? CUDNN_DATA_BFLOAT16 : dtype == KD_F16 ? CUDNN_DATA_HALF : CUDNN_DATA_FLOAT;
}

static void fail(kd_dnn_graph *g, int error, const char *what) {
  if (error && g->status == KD_OK) g->status = kd_dnn_error(error, what);
}

/* --- the text -------------------------------------------------------------------------------------- */

static void write_word(kd_dnn_graph *g, const char *format, ...) {
  va_list args;
  while (g->text_room < g->text_bytes + MOST_WORD) {
    g->text_room = g->text_room ? 2 * g->text_room : 1024;
    g->text = kd_realloc(g->text, g->text_room, 1);
  }
  va_start(args, format);
  g->text_bytes += (size_t)vsnprintf(g->text + g->text_bytes, MOST_WORD, format, args);
  va_end(args);
}

static size_t number_of(const kd_dnn_graph *g, kd_dnn_part part) {
  size_t i = 0;
  while (i < g->n_parts && g->part[i] != part) i++;
  return i;
}

/* Value i of an attribute: a number, bits of a float, or the number of a descriptor. */
static void write_value(kd_dnn_graph *g, cudnnBackendAttributeType_t type, const void *values, int64_t i) {
  switch (type) {
  case CUDNN_TYPE_BACKEND_DESCRIPTOR:
    write_word(g, " #%zu", number_of(g, ((const kd_dnn_part *)values)[i]));
    return;
  case CUDNN_TYPE_INT64:
    write_word(g, " %" PRId64, ((const int64_t *)values)[i]);
    return;
  case CUDNN_TYPE_BOOLEAN:
    write_word(g, " %d", ((const bool *)values)[i]);
    return;
  case CUDNN_TYPE_FLOAT:
    write_word(g, " %a", (double)((const float *)values)[i]);
    return;
  default:
    write_word(g, " %d", ((const int *)values)[i]); /* an enumeration */
  }
}

/* --- descriptors ----------------------------------------------------------------------------------- */

void kd_dnn_graph_begin(kd_dnn_graph *g) {
  *g = (kd_dnn_graph){.next_uid = FIRST_INNER};
}

void kd_dnn_graph_release(kd_dnn_graph *g) {
  for (size_t i = g->n_parts; i > 0; i--) (void)cudnnBackendDestroyDescriptor(g->part[i - 1]);
  kd_free(g->part);
  kd_free(g->text);
  *g = (kd_dnn_graph){0};
}

kd_dnn_part kd_dnn_open(kd_dnn_graph *g, cudnnBackendDescriptorType_t type) {
  kd_dnn_part made = NULL;
  if (g->status != KD_OK) return NULL;
  fail(g, (int)cudnnBackendCreateDescriptor(type, &made), "a descriptor");
  if (g->status != KD_OK) return NULL;
  g->part = kd_grow(g->part, g->n_parts, &g->part_room, sizeof(kd_dnn_part));
  g->part[g->n_parts++] = made;
  write_word(g, "%d:", (int)type);
  return made;
}

void kd_dnn_set(kd_dnn_graph *g, kd_dnn_part part, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t count, const void *values) {
  if (g->status != KD_OK) return;
  write_word(g, " %d", (int)name);
  for (int64_t i = 0; i < count; i++) write_value(g, type, values, i);
  write_word(g, ",");
  fail(g, (int)cudnnBackendSetAttribute(part, name, type, count, values), "an attribute");
}

void kd_dnn_set_int(kd_dnn_graph *g, kd_dnn_part part, cudnnBackendAttributeName_t name, int64_t value) {
  kd_dnn_set(g, part, name, CUDNN_TYPE_INT64, 1, &value);
}

void kd_dnn_set_part(kd_dnn_graph *g, kd_dnn_part part, cudnnBackendAttributeName_t name, kd_dnn_part value) {
  kd_dnn_set(g, part, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

void kd_dnn_set_float32(kd_dnn_graph *g, kd_dnn_part part, cudnnBackendAttributeName_t name) {
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  kd_dnn_set(g, part, name, CUDNN_TYPE_DATA_TYPE, 1, &type);
}

void kd_dnn_finish(kd_dnn_graph *g, kd_dnn_part part, const char *what) {
  if (g->status != KD_OK) return;
  write_word(g, "\n");
  fail(g, (int)cudnnBackendFinalize(part), what);
}

/* --- tensors and operations ------------------------------------------------------------------------ */

kd_dnn_part kd_dnn_add_tensor(kd_dnn_graph *g, const kd_dnn_tensor *t) {
  int64_t stride[KD_DNN_AXES], next = 1;
  bool inner = t->uid == 0;
  for (int d = t->rank - 1; d >= 0; d--) {
    stride[d] = t->stride[t->rank - 1] ? t->stride[d] : next;
    next *= t->size[d];
  }
  kd_dnn_part made = kd_dnn_open(g, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  kd_dnn_set(g, made, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &t->type);
  kd_dnn_set(g, made, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, t->rank, t->size);
  kd_dnn_set(g, made, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, t->rank, stride);
  kd_dnn_set_int(g, made, CUDNN_ATTR_TENSOR_UNIQUE_ID, inner ? g->next_uid++ : t->uid);
  kd_dnn_set_int(g, made, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, t->alignment ? t->alignment : ALIGNMENT);
  if (inner) kd_dnn_set(g, made, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &inner);
  if (t->by_value) kd_dnn_set(g, made, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &t->by_value);
  kd_dnn_finish(g, made, "a tensor");
  return made;
}

void kd_dnn_add_operation(kd_dnn_graph *g, kd_dnn_part operation, const char *what) {
  kd_dnn_finish(g, operation, what);
  if (g->status == KD_OK && g->n_operations == KD_DNN_OPERATIONS)
    g->status = kd_fail(KD_ERR_INTERNAL, "a cuDNN graph of more than %d operations", KD_DNN_OPERATIONS);
  if (g->status == KD_OK) g->operation[g->n_operations++] = operation;
}

/* axis: of an index; -1: none. b, t: NULL: none. */
static void add_step(kd_dnn_graph *g, cudnnPointwiseMode_t mode, int64_t axis, kd_dnn_part x, kd_dnn_part b,
                     kd_dnn_part t, kd_dnn_part y) {
  kd_dnn_part step = kd_dnn_open(g, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  kd_dnn_set(g, step, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
  kd_dnn_set_float32(g, step, CUDNN_ATTR_POINTWISE_MATH_PREC);
  if (axis >= 0) kd_dnn_set_int(g, step, CUDNN_ATTR_POINTWISE_AXIS, axis);
  kd_dnn_finish(g, step, "a step");
  kd_dnn_part made = kd_dnn_open(g, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  kd_dnn_set_part(g, made, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, step);
  kd_dnn_set_part(g, made, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
  if (b) kd_dnn_set_part(g, made, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
  if (t) kd_dnn_set_part(g, made, CUDNN_ATTR_OPERATION_POINTWISE_TDESC, t);
  kd_dnn_set_part(g, made, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
  kd_dnn_add_operation(g, made, "a step");
}

void kd_dnn_pointwise(kd_dnn_graph *g, cudnnPointwiseMode_t mode, kd_dnn_part x, kd_dnn_part b,
                      kd_dnn_part y) {
  add_step(g, mode, -1, x, b, NULL, y);
}

void kd_dnn_index(kd_dnn_graph *g, kd_dnn_part x, int64_t axis, kd_dnn_part y) {
  add_step(g, CUDNN_POINTWISE_GEN_INDEX, axis, x, NULL, NULL, y);
}

void kd_dnn_select(kd_dnn_graph *g, kd_dnn_part choice, kd_dnn_part x, kd_dnn_part other, kd_dnn_part y) {
  add_step(g, CUDNN_POINTWISE_BINARY_SELECT, -1, x, other, choice, y);
}

void kd_dnn_matmul(kd_dnn_graph *g, kd_dnn_part a, kd_dnn_part b, kd_dnn_part c) {
  kd_dnn_part how = kd_dnn_open(g, CUDNN_BACKEND_MATMUL_DESCRIPTOR);
  kd_dnn_set_float32(g, how, CUDNN_ATTR_MATMUL_COMP_TYPE);
  kd_dnn_finish(g, how, "a product");
  kd_dnn_part made = kd_dnn_open(g, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
  kd_dnn_set_part(g, made, CUDNN_ATTR_OPERATION_MATMUL_DESC, how);
  kd_dnn_set_part(g, made, CUDNN_ATTR_OPERATION_MATMUL_ADESC, a);
  kd_dnn_set_part(g, made, CUDNN_ATTR_OPERATION_MATMUL_BDESC, b);
  kd_dnn_set_part(g, made, CUDNN_ATTR_OPERATION_MATMUL_CDESC, c);
  kd_dnn_add_operation(g, made, "a product");
}

void kd_dnn_reduce(kd_dnn_graph *g, cudnnReduceTensorOp_t kind, kd_dnn_part x, kd_dnn_part y) {
  kd_dnn_part how = kd_dnn_open(g, CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
  kd_dnn_set(g, how, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1, &kind);
  kd_dnn_set_float32(g, how, CUDNN_ATTR_REDUCTION_COMP_TYPE);
  kd_dnn_finish(g, how, "a reduction");
  kd_dnn_part made = kd_dnn_open(g, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
  kd_dnn_set_part(g, made, CUDNN_ATTR_OPERATION_REDUCTION_DESC, how);
  kd_dnn_set_part(g, made, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x);
  kd_dnn_set_part(g, made, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y);
  kd_dnn_add_operation(g, made, "a reduction");
}

void kd_dnn_reshape(kd_dnn_graph *g, kd_dnn_part x, kd_dnn_part y) {
  kd_dnn_part made = kd_dnn_open(g, CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR);
  kd_dnn_set_part(g, made, CUDNN_ATTR_OPERATION_RESHAPE_XDESC, x);
  kd_dnn_set_part(g, made, CUDNN_ATTR_OPERATION_RESHAPE_YDESC, y);
  kd_dnn_add_operation(g, made, "another order of axes");
}

kd_status kd_dnn_graph_end(kd_dnn_graph *g) {
  g->graph = kd_dnn_open(g, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  kd_dnn_set(g, g->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, g->n_operations,
             g->operation);
  kd_dnn_finish(g, g->graph, "a graph");
  return g->status;
}
