/* A graph of TensorFlow while it is made from a program of ONNX's nodes: nodes, attributes, constants. */
#ifndef KD_SAVED_MODEL_TF_H
#define KD_SAVED_MODEL_TF_H

#include "io/onnx/program.h"
#include "io/saved_model/saved_model.pb-c.h"

typedef Tensorflow__DataType kd_tf_type;

/* A result of a node as others name it, "node" or "node:1". */
typedef struct kd_tf_edge {
  const char *name;
  kd_tf_type type;
  bool inside; /* of a loop */
} kd_tf_edge;

/* The loop whose body is being made. */
typedef struct kd_tf_frame {
  const char *name;
  int n_entered;
  size_t capacity;
  struct kd_tf_entered { /* what stands outside, and the same inside */
    const char *outside;
    kd_tf_edge inside;
  } * entered;
} kd_tf_frame;

typedef struct kd_tf {
  const kd_onnx_program *program;
  kd_pool *pool;
  Tensorflow__NodeDef **nodes;
  int n_nodes;
  size_t capacity;
  const char *base;              /* new nodes are called after it */
  kd_tf_edge *edge;              /* by value of ONNX */
  const kd_onnx_tensor **tensor; /* by value of ONNX: the constant that it is; NULL: none */
  kd_tf_frame *frame;            /* NULL: outside of loops */
} kd_tf;

kd_tf_type kd_tf_type_of(kd_onnx_type type);

/* --- nodes (tf.c) --- */

/* A name that no node has, of characters that TensorFlow takes. */
const char *kd_tf_unique(const kd_tf *t, const char *name);
/* Appends a node; gives its first result, of that type. In a loop, operands from outside enter it. */
kd_tf_edge kd_tf_call(kd_tf *t, const char *op, kd_tf_type type, int n_inputs, const kd_tf_edge *inputs);
#define KD_TF(t, op, type, ...)                                                                              \
  kd_tf_call(t, op, type, (int)(sizeof((kd_tf_edge[]){__VA_ARGS__}) / sizeof(kd_tf_edge)),                   \
             (kd_tf_edge[]){__VA_ARGS__})
/* Another result of the node. */
kd_tf_edge kd_tf_output(const kd_tf *t, kd_tf_edge first, int number);
/* The same with the attribute T, which most operators have: the type of the first operand. type 0: that of
 * the result too. */
kd_tf_edge kd_tf_typed(kd_tf *t, const char *op, kd_tf_type type, int n_inputs, const kd_tf_edge *inputs);
#define KD_TF_T(t, op, ...)                                                                                  \
  kd_tf_typed(t, op, 0, (int)(sizeof((kd_tf_edge[]){__VA_ARGS__}) / sizeof(kd_tf_edge)),                     \
              (kd_tf_edge[]){__VA_ARGS__})

/* Attributes of the node that was appended last. */
void kd_tf_set_type(kd_tf *t, const char *name, kd_tf_type type);
void kd_tf_set_int(kd_tf *t, const char *name, int64_t value);
void kd_tf_set_bool(kd_tf *t, const char *name, bool value);
void kd_tf_set_text(kd_tf *t, const char *name, const char *value);
void kd_tf_set_ints(kd_tf *t, const char *name, int count, const int64_t *values);
/* Sizes that depend on what is fed are open. */
void kd_tf_set_shape(kd_tf *t, const char *name, int rank, const kd_onnx_size *size);
Tensorflow__TensorShapeProto *kd_tf_shape(kd_pool *pool, int rank, const int64_t *dim);
Tensorflow__TensorShapeProto *kd_tf_open_shape(kd_pool *pool, int rank, const kd_onnx_size *size);

/* Constants, which stand outside of loops. kd_tf_constant keeps the data's address. */
kd_tf_edge kd_tf_constant(kd_tf *t, const char *name, kd_tf_type type, const kd_shape *shape,
                          const void *data, size_t bytes);
kd_tf_edge kd_tf_ints(kd_tf *t, int count, const int64_t *values); /* int64 */
kd_tf_edge kd_tf_int32s(kd_tf *t, int count, const int32_t *values);
kd_tf_edge kd_tf_int(kd_tf *t, int32_t value); /* scalars */
kd_tf_edge kd_tf_float(kd_tf *t, float value);

/* --- common nodes (common.c) --- */

/* The sizes as int64, and one of them, as a list of one number. */
kd_tf_edge kd_tf_sizes(kd_tf *t, kd_tf_edge v);
kd_tf_edge kd_tf_axis(kd_tf *t, kd_tf_edge sizes, int axis);
/* Cells begin, begin + step .. end - 1 of the first axes. whole: bits of axes that are taken to their end. */
kd_tf_edge kd_tf_slice(kd_tf *t, kd_tf_edge v, int count, const int64_t *begin, const int64_t *end,
                       const int64_t *step, int64_t whole);
kd_tf_edge kd_tf_concat(kd_tf *t, int count, const kd_tf_edge *parts, int axis);
kd_tf_edge kd_tf_expand(kd_tf *t, kd_tf_edge v, int axis);
/* Without axes of one cell; count 0: without all such. */
kd_tf_edge kd_tf_squeeze(kd_tf *t, kd_tf_edge v, int count, const int64_t *axes);
kd_tf_edge kd_tf_reshape(kd_tf *t, kd_tf_edge v, kd_tf_edge shape);
kd_tf_edge kd_tf_transpose(kd_tf *t, kd_tf_edge v, int rank, const int64_t *perm);
kd_tf_edge kd_tf_cast(kd_tf *t, kd_tf_edge v, kd_tf_type type);
kd_tf_edge kd_tf_reduce(kd_tf *t, const char *op, kd_tf_edge v, kd_tf_edge axes, bool keep);
/* pads: cells before all axes, then behind them. */
kd_tf_edge kd_tf_pad(kd_tf *t, kd_tf_edge v, int rank, const int64_t *pads, kd_tf_edge filling);
/* The cells of an axis by their numbers; that of a scalar goes. */
kd_tf_edge kd_tf_gather(kd_tf *t, kd_tf_edge v, kd_tf_edge places, int axis);
/* Parts along an axis; sizes: a list of `count` numbers. */
void kd_tf_split(kd_tf *t, kd_tf_edge v, kd_tf_edge sizes, int axis, int count, kd_tf_edge *parts);

/* --- translation --- */

/* The operator of a node of ONNX, or operators. Appends what it is made of and sets edges of its outputs.
 * KD_ERR_USAGE, with the layer and primitive, for a node that is not known (ops.c). */
kd_status kd_tf_translate(kd_tf *t, const kd_onnx_op *op);
kd_status kd_tf_translate_all(kd_tf *t, const kd_onnx_block *block);
kd_tf_edge kd_tf_in(const kd_tf *t, const kd_onnx_op *op, int number);
void kd_tf_give(kd_tf *t, const kd_onnx_op *op, kd_tf_edge result);
/* Attributes of the node of ONNX; NULL, or the value for none. */
const kd_onnx_attribute *kd_tf_attribute(const kd_onnx_op *op, const char *name);
int64_t kd_tf_attribute_int(const kd_onnx_op *op, const char *name, int64_t none);
/* An operand that is a constant, as its numbers; NULL: it is computed. */
const int64_t *kd_tf_known(const kd_tf *t, const kd_onnx_op *op, int number, int *count);

/* Families: move.c, window.c, loop.c. */
typedef kd_status kd_tf_rule(kd_tf *t, const kd_onnx_op *op);
kd_tf_rule kd_tf_op_reshape, kd_tf_op_expand, kd_tf_op_shape, kd_tf_op_slice, kd_tf_op_pad,
    kd_tf_op_transpose, kd_tf_op_unsqueeze, kd_tf_op_squeeze, kd_tf_op_concat, kd_tf_op_split,
    kd_tf_op_gather, kd_tf_op_range;
kd_tf_rule kd_tf_op_conv, kd_tf_op_conv_transpose, kd_tf_op_pool;
kd_tf_rule kd_tf_op_scan;

#endif
