/* Appending nodes, attributes and constants. */
#include <stdarg.h>
#include <string.h>

#include "io/onnx/form.h"

kd_status kd_onnx_refuse(const kd_onnx *x, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = kd_pool_vprintf(x->pool, format, args);
  va_end(args);
  return kd_fail(KD_ERR_USAGE, "layer %s has no form in %s: primitive %s: %s", x->node->scope,
                 x->target->name, kd_op_get(x->node->op)->name, text);
}

/* --- values ---------------------------------------------------------------------------------------- */

kd_onnx_value kd_onnx_new(kd_onnx *x, const char *name) {
  x->names = kd_pool_grow(x->pool, x->names, (size_t)x->n_values, &x->name_capacity, sizeof *x->names);
  x->truth = kd_pool_grow(x->pool, x->truth, (size_t)x->n_values, &x->truth_capacity, sizeof *x->truth);
  x->names[x->n_values] = name;
  x->truth[x->n_values] = 0;
  return x->n_values++;
}

static bool is_taken(const kd_onnx *x, const char *name) {
  for (int i = 1; i < x->n_values; i++)
    if (!strcmp(x->names[i], name)) return true;
  return false;
}

const char *kd_onnx_unique(kd_onnx *x, const char *name) {
  const char *unique = name;
  for (int i = 1; is_taken(x, unique); i++) unique = kd_pool_printf(x->pool, "%s_%d", name, i);
  return unique;
}

/* --- nodes ----------------------------------------------------------------------------------------- */

/* Numbers of values are counted up, so names of this form differ. */
static const char *name_node(kd_onnx *x, const char *type) {
  const char *scope = x->node ? x->node->scope : "";
  return kd_pool_printf(x->pool, "%s%s%s_%d", scope, *scope ? "/" : "", type, x->n_values);
}

static kd_onnx_value *copy_values(kd_onnx *x, int count, const kd_onnx_value *values) {
  kd_onnx_value *copy = kd_pool_alloc(x->pool, (size_t)count + 1, sizeof *copy);
  if (count) memcpy(copy, values, (size_t)count * sizeof *copy);
  return copy;
}

void kd_onnx_append(kd_onnx *x, const char *type, int n_inputs, const kd_onnx_value *inputs, int n_outputs,
                    kd_onnx_value *outputs) {
  kd_onnx_block *block = x->block;
  kd_onnx_op op = {.type = type,
                   .name = name_node(x, type),
                   .node = x->node,
                   .n_inputs = n_inputs,
                   .n_outputs = n_outputs,
                   .inputs = copy_values(x, n_inputs, inputs)};
  for (int i = 0; i < n_outputs; i++)
    outputs[i] = kd_onnx_new(x, i ? kd_pool_printf(x->pool, "%s:%d", op.name, i) : op.name);
  op.outputs = copy_values(x, n_outputs, outputs);
  block->ops = kd_pool_grow(x->pool, block->ops, (size_t)block->n_ops, &block->capacity, sizeof *block->ops);
  block->ops[block->n_ops++] = op;
}

kd_onnx_value kd_onnx_call(kd_onnx *x, const char *type, int n_inputs, const kd_onnx_value *inputs) {
  kd_onnx_value output;
  kd_onnx_append(x, type, n_inputs, inputs, 1, &output);
  return output;
}

static kd_onnx_attribute *add_attribute(kd_onnx *x, const char *name, int kind) {
  kd_onnx_op *op = &x->block->ops[x->block->n_ops - 1];
  kd_onnx_attribute *attribute = &op->attribute[op->n_attributes++];
  *attribute = (kd_onnx_attribute){.name = name, .kind = kind};
  return attribute;
}

void kd_onnx_set_ints(kd_onnx *x, const char *name, int count, const int64_t *values) {
  kd_onnx_attribute *attribute = add_attribute(x, name, KD_ONNX_ATTR_INTS);
  attribute->count = count;
  attribute->ints = kd_pool_alloc(x->pool, (size_t)count + 1, sizeof *values);
  if (count) memcpy(attribute->ints, values, (size_t)count * sizeof *values);
}

void kd_onnx_set_int(kd_onnx *x, const char *name, int64_t value) {
  kd_onnx_set_ints(x, name, 1, &value);
  kd_onnx_op *op = &x->block->ops[x->block->n_ops - 1];
  op->attribute[op->n_attributes - 1].kind = KD_ONNX_ATTR_INT;
}

void kd_onnx_set_float(kd_onnx *x, const char *name, float value) {
  add_attribute(x, name, KD_ONNX_ATTR_FLOAT)->f = value;
}

void kd_onnx_set_texts(kd_onnx *x, const char *name, int count, const char *const *values) {
  kd_onnx_attribute *attribute = add_attribute(x, name, KD_ONNX_ATTR_TEXTS);
  attribute->count = count;
  attribute->texts = kd_pool_alloc(x->pool, (size_t)count, sizeof *attribute->texts);
  memcpy(attribute->texts, values, (size_t)count * sizeof *values);
}

void kd_onnx_set_text(kd_onnx *x, const char *name, const char *value) {
  kd_onnx_set_texts(x, name, 1, &value);
  kd_onnx_op *op = &x->block->ops[x->block->n_ops - 1];
  op->attribute[op->n_attributes - 1].kind = KD_ONNX_ATTR_TEXT;
}

void kd_onnx_set_body(kd_onnx *x, const char *name, kd_onnx_block *body) {
  add_attribute(x, name, KD_ONNX_ATTR_BODY)->body = body;
}

/* --- constants ------------------------------------------------------------------------------------- */

void kd_onnx_add_tensor(kd_onnx *x, const kd_onnx_tensor *tensor) {
  x->tensors =
      kd_pool_grow(x->pool, x->tensors, (size_t)x->n_tensors, &x->tensor_capacity, sizeof *x->tensors);
  x->tensors[x->n_tensors++] = *tensor;
}

static kd_onnx_value find_constant(const kd_onnx *x, const kd_onnx_tensor *wanted) {
  for (int i = 0; i < x->n_tensors; i++) {
    const kd_onnx_tensor *t = &x->tensors[i];
    if (t->type == wanted->type && t->bytes == wanted->bytes && kd_shape_equal(&t->shape, &wanted->shape) &&
        !memcmp(t->data, wanted->data, t->bytes))
      return t->value;
  }
  return 0;
}

/* Small constants alone come here, so that comparing them is quick. */
static kd_onnx_value constant(kd_onnx *x, kd_onnx_type type, kd_shape shape, const void *data, size_t bytes) {
  kd_onnx_tensor tensor = {.type = type, .shape = shape, .data = data, .bytes = bytes};
  kd_onnx_value value = find_constant(x, &tensor);
  if (value) return value;
  tensor.data = memcpy(kd_pool_alloc(x->pool, bytes + 1, 1), data, bytes);
  tensor.value = kd_onnx_new(x, kd_pool_printf(x->pool, "constant_%d", x->n_values));
  kd_onnx_add_tensor(x, &tensor);
  return tensor.value;
}

kd_onnx_value kd_onnx_float(kd_onnx *x, float value) {
  return constant(x, KD_ONNX_FLOAT, KD_SCALAR, &value, sizeof value);
}

kd_onnx_value kd_onnx_int(kd_onnx *x, int64_t value) {
  return constant(x, KD_ONNX_INT64, KD_SCALAR, &value, sizeof value);
}

kd_onnx_value kd_onnx_ints(kd_onnx *x, int count, const int64_t *values) {
  return constant(x, KD_ONNX_INT64, KD_SHAPE(count), values, (size_t)count * sizeof *values);
}

/* --- common nodes ---------------------------------------------------------------------------------- */

kd_onnx_value kd_onnx_cast(kd_onnx *x, kd_onnx_value v, kd_onnx_type type) {
  kd_onnx_value y = KD_ONNX(x, "Cast", v);
  kd_onnx_set_int(x, "to", type);
  return y;
}

kd_onnx_value kd_onnx_transpose(kd_onnx *x, kd_onnx_value v, int rank, const int *perm) {
  int64_t axes[KD_MAX_RANK];
  for (int i = 0; i < rank; i++) axes[i] = perm[i];
  kd_onnx_value y = KD_ONNX(x, "Transpose", v);
  kd_onnx_set_ints(x, "perm", rank, axes);
  return y;
}

kd_onnx_value kd_onnx_unsqueeze(kd_onnx *x, kd_onnx_value v, int count, const int64_t *axes) {
  return KD_ONNX(x, "Unsqueeze", v, kd_onnx_ints(x, count, axes));
}

kd_onnx_value kd_onnx_truth(kd_onnx *x, kd_onnx_value number) {
  if (x->truth[number]) return x->truth[number];
  kd_onnx_value truth = kd_onnx_cast(x, number, KD_ONNX_BOOL);
  return x->truth[number] = truth;
}

kd_onnx_value kd_onnx_number(kd_onnx *x, kd_onnx_value truth) {
  kd_onnx_value number = kd_onnx_cast(x, truth, KD_ONNX_FLOAT);
  x->truth[number] = truth;
  return number;
}
