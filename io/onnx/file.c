#include "io/onnx/file.h"

#include <stdio.h>
#include <string.h>

#include "io/message_file.h"
#include "io/onnx/onnx.pb-c.h"

/* Constants that go to a file of their own begin on pages there, so that they can be mapped; small ones stay.
 */
enum { PAGE = 4096, SMALL = 1024 };

typedef struct writer {
  const kd_onnx_program *program;
  const kd_onnx *x;
  kd_pool *pool;
  const char *data_name; /* of the file of weights, as the model names it; NULL: all in one */
  int64_t data_bytes;
} writer;

/* --- messages -------------------------------------------------------------------------------------- */

static char *text(const char *constant) {
  return (char *)(uintptr_t)constant; /* protobuf-c writes its texts, it does not change them */
}

static ProtobufCBinaryData bytes_of(const char *constant) {
  return (ProtobufCBinaryData){strlen(constant), (uint8_t *)text(constant)};
}

static char **names_of(const writer *w, int count, const kd_onnx_value *values) {
  char **names = kd_pool_alloc(w->pool, (size_t)count + 1, sizeof *names);
  for (int i = 0; i < count; i++) names[i] = text(w->x->names[values[i]]);
  return names;
}

static Onnx__GraphProto *make_graph(writer *w, const kd_onnx_block *block, const char *name);

static Onnx__AttributeProto *make_attribute(writer *w, const kd_onnx_attribute *a) {
  Onnx__AttributeProto *p = kd_pool_alloc(w->pool, 1, sizeof *p);
  onnx__attribute_proto__init(p);
  p->name = text(a->name);
  p->has_type = 1;
  switch (a->kind) {
  case KD_ONNX_ATTR_INT:
    p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    p->has_i = 1;
    p->i = a->ints[0];
    break;
  case KD_ONNX_ATTR_FLOAT:
    p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
    p->has_f = 1;
    p->f = a->f;
    break;
  case KD_ONNX_ATTR_TEXT:
    p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
    p->has_s = 1;
    p->s = bytes_of(a->texts[0]);
    break;
  case KD_ONNX_ATTR_TEXTS:
    p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS;
    p->strings = kd_pool_alloc(w->pool, (size_t)a->count, sizeof *p->strings);
    for (int i = 0; i < a->count; i++) p->strings[p->n_strings++] = bytes_of(a->texts[i]);
    break;
  case KD_ONNX_ATTR_INTS:
    p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
    p->n_ints = (size_t)a->count;
    p->ints = a->ints;
    break;
  case KD_ONNX_ATTR_BODY:
    p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH;
    p->g = make_graph(w, a->body, "body");
    break;
  }
  return p;
}

static Onnx__NodeProto *make_node(writer *w, const kd_onnx_op *op) {
  Onnx__NodeProto *p = kd_pool_alloc(w->pool, 1, sizeof *p);
  onnx__node_proto__init(p);
  p->name = text(op->name);
  p->op_type = text(op->type);
  p->n_input = (size_t)op->n_inputs;
  p->input = names_of(w, op->n_inputs, op->inputs);
  p->n_output = (size_t)op->n_outputs;
  p->output = names_of(w, op->n_outputs, op->outputs);
  p->attribute = kd_pool_alloc(w->pool, (size_t)op->n_attributes + 1, sizeof *p->attribute);
  for (int i = 0; i < op->n_attributes; i++)
    p->attribute[p->n_attribute++] = make_attribute(w, &op->attribute[i]);
  return p;
}

/* --- inputs and outputs ---------------------------------------------------------------------------- */

/* What a size is called: after the axis of the first input that has it. NULL: it has no name. */
static const char *size_name(const writer *w, kd_onnx_size size) {
  for (int i = 0; i < w->program->n_inputs; i++) {
    const kd_onnx_port *port = &w->program->inputs[i];
    for (int axis = 0; axis < port->rank; axis++)
      if (kd_onnx_same(port->size[axis], size))
        return axis == 0 ? "batch" : kd_pool_printf(w->pool, "%s_%d", w->x->names[port->value], axis);
  }
  return NULL;
}

static Onnx__TensorShapeProto__Dimension *make_size(const writer *w, kd_onnx_size size) {
  Onnx__TensorShapeProto__Dimension *p = kd_pool_alloc(w->pool, 1, sizeof *p);
  onnx__tensor_shape_proto__dimension__init(p);
  const char *name = kd_onnx_fixed(size) ? NULL : size_name(w, size);
  if (name) {
    p->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    p->dim_param = text(name);
  } else if (kd_onnx_fixed(size)) {
    p->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    p->dim_value = size.a;
  }
  return p;
}

static Onnx__ValueInfoProto *make_port(const writer *w, kd_onnx_value value, kd_onnx_type type,
                                       const kd_onnx_port *port) {
  Onnx__ValueInfoProto *p = kd_pool_alloc(w->pool, 1, sizeof *p);
  onnx__value_info_proto__init(p);
  p->name = text(w->x->names[value]);
  p->type = kd_pool_alloc(w->pool, 1, sizeof *p->type);
  onnx__type_proto__init(p->type);
  Onnx__TypeProto__Tensor *tensor = p->type->tensor_type = kd_pool_alloc(w->pool, 1, sizeof *tensor);
  onnx__type_proto__tensor__init(tensor);
  tensor->has_elem_type = 1;
  tensor->elem_type = (int32_t)type;
  if (!port) return p;
  Onnx__TensorShapeProto *shape = tensor->shape = kd_pool_alloc(w->pool, 1, sizeof *shape);
  onnx__tensor_shape_proto__init(shape);
  shape->dim = kd_pool_alloc(w->pool, KD_MAX_RANK, sizeof *shape->dim);
  for (int i = 0; i < port->rank; i++) shape->dim[shape->n_dim++] = make_size(w, port->size[i]);
  return p;
}

static Onnx__ValueInfoProto **make_ports(const writer *w, int count, const kd_onnx_port *ports) {
  Onnx__ValueInfoProto **list = kd_pool_alloc(w->pool, (size_t)count + 1, sizeof *list);
  for (int i = 0; i < count; i++) list[i] = make_port(w, ports[i].value, ports[i].type, &ports[i]);
  return list;
}

static Onnx__ValueInfoProto **make_floats(const writer *w, int count, const kd_onnx_value *values) {
  Onnx__ValueInfoProto **list = kd_pool_alloc(w->pool, (size_t)count + 1, sizeof *list);
  for (int i = 0; i < count; i++) list[i] = make_port(w, values[i], KD_ONNX_FLOAT, NULL);
  return list;
}

/* --- constants ------------------------------------------------------------------------------------- */

static bool is_apart(const writer *w, const kd_onnx_tensor *tensor) {
  return w->data_name && tensor->bytes >= SMALL;
}

static void add_entry(const writer *w, Onnx__TensorProto *p, const char *key, const char *value) {
  Onnx__StringStringEntryProto *entry = kd_pool_alloc(w->pool, 1, sizeof *entry);
  onnx__string_string_entry_proto__init(entry);
  entry->key = text(key);
  entry->value = text(value);
  p->external_data[p->n_external_data++] = entry;
}

static Onnx__TensorProto *make_tensor(writer *w, const kd_onnx_tensor *tensor) {
  Onnx__TensorProto *p = kd_pool_alloc(w->pool, 1, sizeof *p);
  onnx__tensor_proto__init(p);
  p->name = text(w->x->names[tensor->value]);
  p->has_data_type = 1;
  p->data_type = (int32_t)tensor->type;
  p->n_dims = (size_t)tensor->shape.rank;
  p->dims = kd_pool_alloc(w->pool, KD_MAX_RANK, sizeof *p->dims);
  memcpy(p->dims, tensor->shape.dim, p->n_dims * sizeof *p->dims);
  if (!is_apart(w, tensor)) {
    p->has_raw_data = 1;
    p->raw_data = (ProtobufCBinaryData){tensor->bytes, (uint8_t *)(uintptr_t)tensor->data};
    return p;
  }
  p->has_data_location = 1;
  p->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
  p->external_data = kd_pool_alloc(w->pool, 3, sizeof *p->external_data);
  add_entry(w, p, "location", w->data_name);
  add_entry(w, p, "offset", kd_pool_printf(w->pool, "%lld", (long long)w->data_bytes));
  add_entry(w, p, "length", kd_pool_printf(w->pool, "%zu", tensor->bytes));
  w->data_bytes += ((int64_t)tensor->bytes + PAGE - 1) / PAGE * PAGE;
  return p;
}

/* --- the model ------------------------------------------------------------------------------------- */

static Onnx__GraphProto *make_graph(writer *w, const kd_onnx_block *block, const char *name) {
  Onnx__GraphProto *p = kd_pool_alloc(w->pool, 1, sizeof *p);
  onnx__graph_proto__init(p);
  p->name = text(name);
  p->node = kd_pool_alloc(w->pool, (size_t)block->n_ops + 1, sizeof *p->node);
  for (int i = 0; i < block->n_ops; i++)
    if (block->ops[i].needed) p->node[p->n_node++] = make_node(w, &block->ops[i]);
  p->n_input = (size_t)block->n_inputs;
  p->input = make_floats(w, block->n_inputs, block->inputs);
  p->n_output = (size_t)block->n_outputs;
  p->output = make_floats(w, block->n_outputs, block->outputs);
  return p;
}

static Onnx__GraphProto *make_main(writer *w) {
  const kd_onnx_program *program = w->program;
  const kd_onnx *x = w->x;
  Onnx__GraphProto *p = make_graph(w, program->main, x->model->name ? x->model->name : "model");
  p->n_input = (size_t)program->n_inputs;
  p->input = make_ports(w, program->n_inputs, program->inputs);
  p->n_output = (size_t)program->n_outputs;
  p->output = make_ports(w, program->n_outputs, program->outputs);
  p->initializer = kd_pool_alloc(w->pool, (size_t)x->n_tensors + 1, sizeof *p->initializer);
  for (int i = 0; i < x->n_tensors; i++)
    if (x->tensors[i].needed) p->initializer[p->n_initializer++] = make_tensor(w, &x->tensors[i]);
  return p;
}

/* The version of the format that came with a version of the operators. */
static int64_t ir_version(int opset) {
  static const int64_t by_opset[] = {[17] = 8, [18] = 8, [19] = 9, [20] = 9, [21] = 10, [22] = 10, [23] = 11};
  return by_opset[opset];
}

static Onnx__ModelProto *make_model(writer *w) {
  Onnx__ModelProto *p = kd_pool_alloc(w->pool, 1, sizeof *p);
  onnx__model_proto__init(p);
  Onnx__OperatorSetIdProto *opset = kd_pool_alloc(w->pool, 1, sizeof *opset);
  onnx__operator_set_id_proto__init(opset);
  opset->domain = text("");
  opset->has_version = 1;
  opset->version = w->x->target->opset;
  p->has_ir_version = 1;
  p->ir_version = ir_version(w->x->target->opset);
  p->producer_name = text("kdist");
  p->producer_version = text(KDIST_VERSION);
  p->n_opset_import = 1;
  p->opset_import = kd_pool_alloc(w->pool, 1, sizeof *p->opset_import);
  p->opset_import[0] = opset;
  p->graph = make_main(w);
  return p;
}

/* --- files ----------------------------------------------------------------------------------------- */

static void write_message(FILE *file, const void *message) {
  kd_message_write(file, message);
}

static void write_weights(FILE *file, const void *writer_) {
  static const char zero[PAGE];
  const writer *w = writer_;
  for (int i = 0; i < w->x->n_tensors; i++) {
    const kd_onnx_tensor *tensor = &w->x->tensors[i];
    if (!tensor->needed || !is_apart(w, tensor)) continue;
    fwrite(tensor->data, 1, tensor->bytes, file);
    fwrite(zero, 1, (PAGE - tensor->bytes % PAGE) % PAGE, file);
  }
}

kd_status kd_onnx_file_write(const char *path, const kd_onnx_program *program, int64_t one_file) {
  const kd_onnx *x = program->x;
  writer w = {.program = program, .x = x, .pool = x->pool};
  if (program->bytes > one_file) {
    const char *slash = strrchr(path, '/');
    w.data_name = kd_pool_printf(x->pool, "%s.data", slash ? slash + 1 : path);
  }
  const Onnx__ModelProto *model = make_model(&w);
  const char *data = kd_pool_printf(x->pool, "%s.data", path);
  if (w.data_name) KD_TRY(kd_stream_write(data, write_weights, &w));
  return kd_stream_write(path, write_message, model);
}
