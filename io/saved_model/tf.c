/* Nodes, attributes and constants of a graph of TensorFlow. */
#include "io/saved_model/tf.h"

#include <ctype.h>
#include <string.h>

kd_tf_type kd_tf_type_of(kd_onnx_type type) {
  switch (type) {
  case KD_ONNX_FLOAT:
    return TENSORFLOW__DATA_TYPE__DT_FLOAT;
  case KD_ONNX_DOUBLE:
    return TENSORFLOW__DATA_TYPE__DT_DOUBLE;
  case KD_ONNX_INT32:
    return TENSORFLOW__DATA_TYPE__DT_INT32;
  case KD_ONNX_INT64:
    return TENSORFLOW__DATA_TYPE__DT_INT64;
  case KD_ONNX_UINT8:
    return TENSORFLOW__DATA_TYPE__DT_UINT8;
  case KD_ONNX_UINT32:
    return TENSORFLOW__DATA_TYPE__DT_UINT32;
  case KD_ONNX_BOOL:
    return TENSORFLOW__DATA_TYPE__DT_BOOL;
  }
  return TENSORFLOW__DATA_TYPE__DT_INVALID;
}

static char *text(const char *constant) {
  return (char *)(uintptr_t)constant; /* protobuf-c writes its texts, it does not change them */
}

/* --- names ----------------------------------------------------------------------------------------- */

static bool is_taken(const kd_tf *t, const char *name) {
  for (int i = 0; i < t->n_nodes; i++)
    if (!strcmp(t->nodes[i]->name, name)) return true;
  return false;
}

const char *kd_tf_unique(const kd_tf *t, const char *name) {
  char *clean = kd_pool_strdup(t->pool, *name ? name : "node");
  for (char *c = clean; *c; c++)
    if (!isalnum((unsigned char)*c) && !strchr("._/-", *c)) *c = '_';
  if (!isalnum((unsigned char)clean[0])) clean[0] = 'n'; /* a name begins with a letter */
  const char *unique = clean;
  for (int i = 1; is_taken(t, unique); i++) unique = kd_pool_printf(t->pool, "%s_%d", clean, i);
  return unique;
}

/* --- nodes ----------------------------------------------------------------------------------------- */

static Tensorflow__NodeDef *append(kd_tf *t, const char *op, const char *name, int n_inputs) {
  enum { ATTRIBUTES = 8 };
  Tensorflow__NodeDef *node = kd_pool_alloc(t->pool, 1, sizeof *node);
  tensorflow__node_def__init(node);
  node->name = text(kd_tf_unique(t, name));
  node->op = text(op);
  node->input = kd_pool_alloc(t->pool, (size_t)n_inputs + 1, sizeof *node->input);
  node->attr = kd_pool_alloc(t->pool, ATTRIBUTES, sizeof(Tensorflow__NodeDef__AttrEntry *));
  t->nodes = kd_pool_grow(t->pool, t->nodes, (size_t)t->n_nodes, &t->capacity, sizeof(Tensorflow__NodeDef *));
  t->nodes[t->n_nodes++] = node;
  return node;
}

/* A tensor from outside, in the loop. */
static kd_tf_edge entered(kd_tf *t, kd_tf_edge outside) {
  kd_tf_frame *frame = t->frame;
  for (int i = 0; i < frame->n_entered; i++)
    if (!strcmp(frame->entered[i].outside, outside.name)) return frame->entered[i].inside;
  Tensorflow__NodeDef *node = append(t, "Enter", kd_pool_printf(t->pool, "%s/enter", t->base), 1);
  node->input[node->n_input++] = text(outside.name);
  kd_tf_set_type(t, "T", outside.type);
  kd_tf_set_text(t, "frame_name", frame->name);
  kd_tf_set_bool(t, "is_constant", true);
  kd_tf_edge inside = {node->name, outside.type, true};
  frame->entered = kd_pool_grow(t->pool, frame->entered, (size_t)frame->n_entered, &frame->capacity,
                                sizeof *frame->entered);
  frame->entered[frame->n_entered++] = (struct kd_tf_entered){outside.name, inside};
  return inside;
}

kd_tf_edge kd_tf_call(kd_tf *t, const char *op, kd_tf_type type, int n_inputs, const kd_tf_edge *inputs) {
  kd_tf_edge *here = kd_pool_alloc(t->pool, (size_t)n_inputs + 1, sizeof *here);
  for (int i = 0; i < n_inputs; i++)
    here[i] = t->frame && !inputs[i].inside ? entered(t, inputs[i]) : inputs[i];
  Tensorflow__NodeDef *node = append(t, op, t->base, n_inputs);
  for (int i = 0; i < n_inputs; i++) node->input[node->n_input++] = text(here[i].name);
  return (kd_tf_edge){node->name, type, t->frame != NULL};
}

kd_tf_edge kd_tf_output(const kd_tf *t, kd_tf_edge first, int number) {
  if (number) first.name = kd_pool_printf(t->pool, "%s:%d", first.name, number);
  return first;
}

kd_tf_edge kd_tf_typed(kd_tf *t, const char *op, kd_tf_type type, int n_inputs, const kd_tf_edge *inputs) {
  kd_tf_edge result = kd_tf_call(t, op, type ? type : inputs[0].type, n_inputs, inputs);
  kd_tf_set_type(t, "T", inputs[0].type);
  return result;
}

/* --- attributes ------------------------------------------------------------------------------------ */

static Tensorflow__AttrValue *add_attribute(kd_tf *t, const char *name,
                                            Tensorflow__AttrValue__ValueCase kind) {
  Tensorflow__NodeDef *node = t->nodes[t->n_nodes - 1];
  Tensorflow__NodeDef__AttrEntry *entry = kd_pool_alloc(t->pool, 1, sizeof *entry);
  tensorflow__node_def__attr_entry__init(entry);
  entry->key = text(name);
  entry->value = kd_pool_alloc(t->pool, 1, sizeof *entry->value);
  tensorflow__attr_value__init(entry->value);
  entry->value->value_case = kind;
  node->attr[node->n_attr++] = entry;
  return entry->value;
}

void kd_tf_set_type(kd_tf *t, const char *name, kd_tf_type type) {
  add_attribute(t, name, TENSORFLOW__ATTR_VALUE__VALUE_TYPE)->type = type;
}

void kd_tf_set_int(kd_tf *t, const char *name, int64_t value) {
  add_attribute(t, name, TENSORFLOW__ATTR_VALUE__VALUE_I)->i = value;
}

void kd_tf_set_bool(kd_tf *t, const char *name, bool value) {
  add_attribute(t, name, TENSORFLOW__ATTR_VALUE__VALUE_B)->b = value;
}

void kd_tf_set_text(kd_tf *t, const char *name, const char *value) {
  add_attribute(t, name, TENSORFLOW__ATTR_VALUE__VALUE_S)->s =
      (ProtobufCBinaryData){strlen(value), (uint8_t *)text(value)};
}

void kd_tf_set_ints(kd_tf *t, const char *name, int count, const int64_t *values) {
  Tensorflow__AttrValue__ListValue *list = kd_pool_alloc(t->pool, 1, sizeof *list);
  tensorflow__attr_value__list_value__init(list);
  list->n_i = (size_t)count;
  list->i = kd_pool_alloc(t->pool, (size_t)count + 1, sizeof *list->i);
  if (count) memcpy(list->i, values, (size_t)count * sizeof *values);
  add_attribute(t, name, TENSORFLOW__ATTR_VALUE__VALUE_LIST)->list = list;
}

Tensorflow__TensorShapeProto *kd_tf_shape(kd_pool *pool, int rank, const int64_t *dim) {
  Tensorflow__TensorShapeProto *shape = kd_pool_alloc(pool, 1, sizeof *shape);
  tensorflow__tensor_shape_proto__init(shape);
  shape->dim = kd_pool_alloc(pool, (size_t)rank + 1, sizeof(Tensorflow__TensorShapeProto__Dim *));
  for (int i = 0; i < rank; i++) {
    Tensorflow__TensorShapeProto__Dim *d = kd_pool_alloc(pool, 1, sizeof *d);
    tensorflow__tensor_shape_proto__dim__init(d);
    d->has_size = 1;
    d->size = dim[i];
    shape->dim[shape->n_dim++] = d;
  }
  return shape;
}

Tensorflow__TensorShapeProto *kd_tf_open_shape(kd_pool *pool, int rank, const kd_onnx_size *size) {
  int64_t dim[KD_MAX_RANK];
  for (int i = 0; i < rank; i++) dim[i] = kd_onnx_fixed(size[i]) ? size[i].a : -1;
  return kd_tf_shape(pool, rank, dim);
}

void kd_tf_set_shape(kd_tf *t, const char *name, int rank, const kd_onnx_size *size) {
  add_attribute(t, name, TENSORFLOW__ATTR_VALUE__VALUE_SHAPE)->shape = kd_tf_open_shape(t->pool, rank, size);
}

/* --- constants ------------------------------------------------------------------------------------- */

kd_tf_edge kd_tf_constant(kd_tf *t, const char *name, kd_tf_type type, const kd_shape *shape,
                          const void *data, size_t bytes) {
  Tensorflow__TensorProto *tensor = kd_pool_alloc(t->pool, 1, sizeof *tensor);
  tensorflow__tensor_proto__init(tensor);
  tensor->has_dtype = 1;
  tensor->dtype = type;
  tensor->tensor_shape = kd_tf_shape(t->pool, shape->rank, shape->dim);
  tensor->has_tensor_content = 1;
  tensor->tensor_content = (ProtobufCBinaryData){bytes, (uint8_t *)(uintptr_t)data};
  const Tensorflow__NodeDef *node = append(t, "Const", name, 0);
  kd_tf_set_type(t, "dtype", type);
  add_attribute(t, "value", TENSORFLOW__ATTR_VALUE__VALUE_TENSOR)->tensor = tensor;
  return (kd_tf_edge){node->name, type, false};
}

static kd_tf_edge small(kd_tf *t, kd_tf_type type, kd_shape shape, const void *data, size_t bytes) {
  void *copy = kd_pool_alloc(t->pool, bytes + 1, 1);
  if (bytes) memcpy(copy, data, bytes);
  return kd_tf_constant(t, kd_pool_printf(t->pool, "%s/constant", t->base), type, &shape, copy, bytes);
}

kd_tf_edge kd_tf_ints(kd_tf *t, int count, const int64_t *values) {
  return small(t, TENSORFLOW__DATA_TYPE__DT_INT64, KD_SHAPE(count), values, (size_t)count * sizeof *values);
}

kd_tf_edge kd_tf_int32s(kd_tf *t, int count, const int32_t *values) {
  return small(t, TENSORFLOW__DATA_TYPE__DT_INT32, KD_SHAPE(count), values, (size_t)count * sizeof *values);
}

kd_tf_edge kd_tf_int(kd_tf *t, int32_t value) {
  return small(t, TENSORFLOW__DATA_TYPE__DT_INT32, KD_SCALAR, &value, sizeof value);
}

kd_tf_edge kd_tf_float(kd_tf *t, float value) {
  return small(t, TENSORFLOW__DATA_TYPE__DT_FLOAT, KD_SCALAR, &value, sizeof value);
}
