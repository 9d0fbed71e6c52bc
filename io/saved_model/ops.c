/* What the nodes of ONNX are in TensorFlow: a table, by name. */
#include <string.h>

#include "io/saved_model/tf.h"

#define FLOAT TENSORFLOW__DATA_TYPE__DT_FLOAT
#define INT32 TENSORFLOW__DATA_TYPE__DT_INT32
#define INT64 TENSORFLOW__DATA_TYPE__DT_INT64
#define BOOL  TENSORFLOW__DATA_TYPE__DT_BOOL

/* --- the node of ONNX ------------------------------------------------------------------------------ */

kd_tf_edge kd_tf_in(const kd_tf *t, const kd_onnx_op *op, int number) {
  return t->edge[op->inputs[number]];
}

void kd_tf_give(kd_tf *t, const kd_onnx_op *op, kd_tf_edge result) {
  t->edge[op->outputs[0]] = result;
}

const kd_onnx_attribute *kd_tf_attribute(const kd_onnx_op *op, const char *name) {
  for (int i = 0; i < op->n_attributes; i++)
    if (!strcmp(op->attribute[i].name, name)) return &op->attribute[i];
  return NULL;
}

int64_t kd_tf_attribute_int(const kd_onnx_op *op, const char *name, int64_t none) {
  const kd_onnx_attribute *attribute = kd_tf_attribute(op, name);
  return attribute ? attribute->ints[0] : none;
}

const int64_t *kd_tf_known(const kd_tf *t, const kd_onnx_op *op, int number, int *count) {
  const kd_onnx_tensor *tensor = t->tensor[op->inputs[number]];
  if (!tensor || tensor->type != KD_ONNX_INT64) return NULL;
  *count = (int)(tensor->bytes / sizeof(int64_t));
  return tensor->data;
}

/* --- rules ----------------------------------------------------------------------------------------- */

static kd_status cast(kd_tf *t, const kd_onnx_op *op) {
  kd_onnx_type to = (kd_onnx_type)kd_tf_attribute_int(op, "to", KD_ONNX_FLOAT);
  kd_tf_give(t, op, kd_tf_cast(t, kd_tf_in(t, op, 0), kd_tf_type_of(to)));
  return KD_OK;
}

static kd_status where(kd_tf *t, const kd_onnx_op *op) {
  kd_tf_edge a = kd_tf_in(t, op, 1);
  kd_tf_give(t, op, KD_TF(t, "SelectV2", a.type, kd_tf_in(t, op, 0), a, kd_tf_in(t, op, 2)));
  kd_tf_set_type(t, "T", a.type);
  return KD_OK;
}

static kd_status clip(kd_tf *t, const kd_onnx_op *op) {
  kd_tf_edge v = KD_TF_T(t, "Maximum", kd_tf_in(t, op, 0), kd_tf_in(t, op, 1));
  kd_tf_give(t, op, KD_TF_T(t, "Minimum", v, kd_tf_in(t, op, 2)));
  return KD_OK;
}

static kd_status reduce(kd_tf *t, const kd_onnx_op *op) {
  static const char *const names[][2] = {{"ReduceSum", "Sum"},   {"ReduceMean", "Mean"},
                                         {"ReduceMax", "Max"},   {"ReduceMin", "Min"},
                                         {"ReduceProd", "Prod"}, {"ReduceSumSquare", "Sum"}};
  int i = 0;
  while (strcmp(names[i][0], op->type) != 0) i++;
  kd_tf_edge v = kd_tf_in(t, op, 0);
  if (!strcmp(op->type, "ReduceSumSquare")) v = KD_TF_T(t, "Square", v);
  kd_tf_give(t, op,
             kd_tf_reduce(t, names[i][1], v, kd_tf_in(t, op, 1), kd_tf_attribute_int(op, "keepdims", 1)));
  return KD_OK;
}

static kd_status argmax(kd_tf *t, const kd_onnx_op *op) {
  int32_t axis = (int32_t)kd_tf_attribute_int(op, "axis", 0);
  kd_tf_edge inputs[] = {kd_tf_in(t, op, 0), kd_tf_int(t, axis)};
  kd_tf_give(t, op, kd_tf_typed(t, "ArgMax", INT64, 2, inputs));
  kd_tf_set_type(t, "Tidx", INT32);
  kd_tf_set_type(t, "output_type", INT64);
  return KD_OK;
}

static kd_status layer_norm(kd_tf *t, const kd_onnx_op *op) {
  kd_tf_edge v = kd_tf_in(t, op, 0), last = kd_tf_int(t, -1);
  kd_tf_edge centred = KD_TF_T(t, "Sub", v, kd_tf_reduce(t, "Mean", v, last, true));
  kd_tf_edge variance = kd_tf_reduce(t, "Mean", KD_TF_T(t, "Square", centred), last, true);
  kd_tf_edge epsilon = kd_tf_float(t, kd_tf_attribute(op, "epsilon")->f);
  kd_tf_edge deviation = KD_TF_T(t, "Sqrt", KD_TF_T(t, "AddV2", variance, epsilon));
  kd_tf_edge y = KD_TF_T(t, "Mul", KD_TF_T(t, "RealDiv", centred, deviation), kd_tf_in(t, op, 1));
  kd_tf_give(t, op, KD_TF_T(t, "AddV2", y, kd_tf_in(t, op, 2)));
  return KD_OK;
}

/* --- the table ------------------------------------------------------------------------------------- */

typedef struct entry {
  const char *onnx;
  const char *tensorflow; /* the one operator with the same operands */
  kd_tf_rule *rule;       /* else */
  kd_tf_type result;      /* of the operator; 0: as its first operand */
  bool untyped;           /* no attribute T */
} entry;

static const entry entries[] = {
    {"Abs", .tensorflow = "Abs"},
    {"Add", .tensorflow = "AddV2"},
    {"And", .tensorflow = "LogicalAnd", .result = BOOL, .untyped = true},
    {"ArgMax", .rule = argmax},
    {"AveragePool", .rule = kd_tf_op_pool},
    {"Cast", .rule = cast},
    {"Clip", .rule = clip},
    {"Concat", .rule = kd_tf_op_concat},
    {"Conv", .rule = kd_tf_op_conv},
    {"ConvTranspose", .rule = kd_tf_op_conv_transpose},
    {"Cos", .tensorflow = "Cos"},
    {"Div", .tensorflow = "RealDiv"},
    {"Elu", .tensorflow = "Elu"},
    {"Equal", .tensorflow = "Equal", .result = BOOL},
    {"Erf", .tensorflow = "Erf"},
    {"Exp", .tensorflow = "Exp"},
    {"Expand", .rule = kd_tf_op_expand},
    {"Floor", .tensorflow = "Floor"},
    {"Gather", .rule = kd_tf_op_gather},
    {"Identity", .tensorflow = "Identity"},
    {"IsInf", .tensorflow = "IsInf", .result = BOOL},
    {"IsNaN", .tensorflow = "IsNan", .result = BOOL},
    {"LayerNormalization", .rule = layer_norm},
    {"Less", .tensorflow = "Less", .result = BOOL},
    {"LessOrEqual", .tensorflow = "LessEqual", .result = BOOL},
    {"Log", .tensorflow = "Log"},
    {"LogSoftmax", .tensorflow = "LogSoftmax"},
    {"MatMul", .tensorflow = "BatchMatMulV2"},
    {"Max", .tensorflow = "Maximum"},
    {"MaxPool", .rule = kd_tf_op_pool},
    {"Min", .tensorflow = "Minimum"},
    {"Mod", .tensorflow = "Mod"}, /* of floats: the sign is that of the first operand in both */
    {"Mul", .tensorflow = "Mul"},
    {"Neg", .tensorflow = "Neg"},
    {"Not", .tensorflow = "LogicalNot", .result = BOOL, .untyped = true},
    {"Or", .tensorflow = "LogicalOr", .result = BOOL, .untyped = true},
    {"Pad", .rule = kd_tf_op_pad},
    {"Pow", .tensorflow = "Pow"},
    {"Range", .rule = kd_tf_op_range},
    {"Reciprocal", .tensorflow = "Reciprocal"},
    {"ReduceMax", .rule = reduce},
    {"ReduceMean", .rule = reduce},
    {"ReduceMin", .rule = reduce},
    {"ReduceProd", .rule = reduce},
    {"ReduceSum", .rule = reduce},
    {"ReduceSumSquare", .rule = reduce},
    {"Relu", .tensorflow = "Relu"},
    {"Reshape", .rule = kd_tf_op_reshape},
    {"Round", .tensorflow = "Round"},
    {"Scan", .rule = kd_tf_op_scan},
    {"Shape", .rule = kd_tf_op_shape},
    {"Sigmoid", .tensorflow = "Sigmoid"},
    {"Sign", .tensorflow = "Sign"},
    {"Sin", .tensorflow = "Sin"},
    {"Slice", .rule = kd_tf_op_slice},
    {"Softmax", .tensorflow = "Softmax"},
    {"Softplus", .tensorflow = "Softplus"},
    {"Softsign", .tensorflow = "Softsign"},
    {"Split", .rule = kd_tf_op_split},
    {"Sqrt", .tensorflow = "Sqrt"},
    {"Squeeze", .rule = kd_tf_op_squeeze},
    {"Sub", .tensorflow = "Sub"},
    {"Tanh", .tensorflow = "Tanh"},
    {"Transpose", .rule = kd_tf_op_transpose},
    {"Unsqueeze", .rule = kd_tf_op_unsqueeze},
    {"Where", .rule = where},
};

static const entry *find(const char *type) {
  for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
    if (!strcmp(entries[i].onnx, type)) return &entries[i];
  return NULL;
}

/* --- translation ----------------------------------------------------------------------------------- */

static void same_operands(kd_tf *t, const kd_onnx_op *op, const entry *e) {
  kd_tf_edge *inputs = kd_pool_alloc(t->pool, (size_t)op->n_inputs + 1, sizeof *inputs);
  for (int i = 0; i < op->n_inputs; i++) inputs[i] = kd_tf_in(t, op, i);
  kd_tf_give(t, op,
             (e->untyped ? kd_tf_call : kd_tf_typed)(t, e->tensorflow, e->result, op->n_inputs, inputs));
}

kd_status kd_tf_translate(kd_tf *t, const kd_onnx_op *op) {
  const entry *e = find(op->type);
  t->program->x->node = op->node;
  t->base = t->program->x->names[op->outputs[0]];
  if (!e) return kd_onnx_refuse(t->program->x, "TensorFlow has no %s", op->type);
  if (e->rule) return e->rule(t, op);
  same_operands(t, op, e);
  return KD_OK;
}

kd_status kd_tf_translate_all(kd_tf *t, const kd_onnx_block *block) {
  for (int i = 0; i < block->n_ops; i++)
    if (block->ops[i].needed) KD_TRY(kd_tf_translate(t, &block->ops[i]));
  return KD_OK;
}
