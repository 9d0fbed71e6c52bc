/* What the ONNX forms of primitives share: nodes, constants, sizes, and tensors in two layouts.
 *
 * The model is built twice as a pass of prediction, with other numbers of rows and other lengths of variable
 * axes. The two graphs have the same nodes, and a size is a pair: equal numbers are a constant, others depend
 * on what is fed. So no primitive needs a symbolic rule. */
#ifndef KD_ONNX_FORM_H
#define KD_ONNX_FORM_H

#include "layers/model.h"

typedef int kd_onnx_value; /* a value of the ONNX graph; 0: none, an operand that is left out */

typedef enum kd_onnx_type { /* TensorProto.DataType */
                            KD_ONNX_FLOAT = 1,
                            KD_ONNX_UINT8 = 2,
                            KD_ONNX_INT32 = 6,
                            KD_ONNX_INT64 = 7,
                            KD_ONNX_BOOL = 9,
                            KD_ONNX_DOUBLE = 11,
                            KD_ONNX_UINT32 = 12,
} kd_onnx_type;

typedef struct kd_onnx_size {
  int64_t a, b; /* in the two builds */
} kd_onnx_size;

typedef struct kd_onnx_block kd_onnx_block;

typedef struct kd_onnx_attribute {
  const char *name;
  enum {
    KD_ONNX_ATTR_INT,
    KD_ONNX_ATTR_FLOAT,
    KD_ONNX_ATTR_TEXT,
    KD_ONNX_ATTR_TEXTS,
    KD_ONNX_ATTR_INTS,
    KD_ONNX_ATTR_BODY
  } kind;
  float f;
  int count;
  const char **texts; /* one of KD_ONNX_ATTR_TEXT */
  int64_t *ints;      /* one of KD_ONNX_ATTR_INT */
  kd_onnx_block *body;
} kd_onnx_attribute;

enum { KD_ONNX_ATTRIBUTES = 8 };

typedef struct kd_onnx_op {
  const char *type, *name;
  const kd_node *node; /* that it is part of; NULL: of none */
  int n_inputs, n_outputs, n_attributes;
  kd_onnx_value *inputs, *outputs;
  kd_onnx_attribute attribute[KD_ONNX_ATTRIBUTES];
  bool needed; /* set at the end */
} kd_onnx_op;

/* A list of nodes: the model's, or the body of one Scan, whose inputs and outputs are floats. */
enum { KD_ONNX_BODY_VALUES = 8 };
struct kd_onnx_block {
  kd_onnx_op *ops;
  int n_ops;
  size_t capacity;
  int n_inputs, n_outputs;
  kd_onnx_value inputs[KD_ONNX_BODY_VALUES], outputs[KD_ONNX_BODY_VALUES];
};

typedef struct kd_onnx_tensor { /* an initializer */
  kd_onnx_value value;
  kd_onnx_type type;
  kd_shape shape; /* rank 1 at most for constants that are no weights */
  const void *data;
  size_t bytes;
  bool needed; /* set at the end */
} kd_onnx_tensor;

/* What a tensor of the graph is in ONNX. `plain` has kdist's layout, channels last; `first` has the channels
 * behind the batch, as convolutions of ONNX want it. One of them may be missing until somebody asks for it. A
 * weight, or one that was only reshaped, is `data` until then. */
typedef struct kd_onnx_entry {
  kd_onnx_value plain, first;
  const float *data;
  const char *path;
  kd_onnx_value permuted; /* with its axes permuted so; 0: not yet */
  int perm[KD_MAX_RANK];
} kd_onnx_entry;

/* What the nodes are for. */
typedef struct kd_onnx_target {
  const char *name; /* as messages call it */
  int opset;
  bool channels_last; /* windows move over images and kernels as kdist has them; same padding is called so */
  bool only_scans;    /* no LSTM, GRU and RNN */
} kd_onnx_target;

typedef struct kd_onnx {
  kd_pool *pool;
  const kd_onnx_target *target;
  const kd_model *model;
  const kd_graph *graph, *other; /* the two builds */
  const float *const *weight;
  kd_onnx_entry *entry; /* by tensor of the graph */
  const kd_node *node;  /* of the graph, being translated; NULL outside of nodes */
  kd_onnx_block *block; /* where nodes are appended */
  const char **names;   /* by value; names[0] is "" */
  kd_onnx_value *truth; /* by value: the same as a bool, where it was made of one; 0: none */
  int n_values;
  kd_onnx_tensor *tensors;
  int n_tensors;
  struct kd_onnx_known { /* sizes that stand in a tensor of one int64 */
    kd_onnx_size size;
    kd_onnx_value value;
  } * known;
  int n_known;
  int done; /* nodes of the graph before this one are translated */
  size_t name_capacity, truth_capacity, tensor_capacity, known_capacity;
} kd_onnx;

/* The form of a primitive: appends nodes and names the results that inference can ask for. `other` is the
 * node of the second build, for attributes that hold sizes. A table expands from device/ops.def, so a missing
 * form fails at link time. */
typedef kd_status kd_onnx_form(kd_onnx *x, const kd_node *node, const kd_node *other);
#define KD_OP(ID, name, attr, min_in, max_in, n_out, flags) kd_onnx_form kd_form_##name;
#include "device/ops.def"
#undef KD_OP
kd_onnx_form *kd_onnx_form_get(kd_op op);

/* Fails for the layer of the present node: what the target, or this export, has no form for. */
kd_status kd_onnx_refuse(const kd_onnx *x, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- nodes (emit.c) --- */

kd_onnx_value kd_onnx_new(kd_onnx *x, const char *name);
/* A name that no value has yet: the given one, or with a number behind it. */
const char *kd_onnx_unique(kd_onnx *x, const char *name);
/* Appends a node; outputs are new values. */
void kd_onnx_append(kd_onnx *x, const char *type, int n_inputs, const kd_onnx_value *inputs, int n_outputs,
                    kd_onnx_value *outputs);
/* The same with one result: KD_ONNX(x, "Add", a, b). */
kd_onnx_value kd_onnx_call(kd_onnx *x, const char *type, int n_inputs, const kd_onnx_value *inputs);
#define KD_ONNX(x, type, ...)                                                                                \
  kd_onnx_call(x, type, (int)(sizeof((kd_onnx_value[]){__VA_ARGS__}) / sizeof(kd_onnx_value)),               \
               (kd_onnx_value[]){__VA_ARGS__})

/* Attributes of the node that was appended last. */
void kd_onnx_set_int(kd_onnx *x, const char *name, int64_t value);
void kd_onnx_set_float(kd_onnx *x, const char *name, float value);
void kd_onnx_set_text(kd_onnx *x, const char *name, const char *value);
void kd_onnx_set_texts(kd_onnx *x, const char *name, int count, const char *const *values);
void kd_onnx_set_ints(kd_onnx *x, const char *name, int count, const int64_t *values);
void kd_onnx_set_body(kd_onnx *x, const char *name, kd_onnx_block *body);

/* Constants; equal ones are one initializer. */
kd_onnx_value kd_onnx_float(kd_onnx *x, float value);
kd_onnx_value kd_onnx_int(kd_onnx *x, int64_t value); /* a scalar */
kd_onnx_value kd_onnx_ints(kd_onnx *x, int count, const int64_t *values);
void kd_onnx_add_tensor(kd_onnx *x, const kd_onnx_tensor *tensor);

/* Common nodes. */
kd_onnx_value kd_onnx_cast(kd_onnx *x, kd_onnx_value v, kd_onnx_type type);
kd_onnx_value kd_onnx_transpose(kd_onnx *x, kd_onnx_value v, int rank, const int *perm);
kd_onnx_value kd_onnx_unsqueeze(kd_onnx *x, kd_onnx_value v, int count, const int64_t *axes);
/* One of ONNX's reductions, "ReduceMean" (reduce.c). */
kd_onnx_value kd_onnx_reduce(kd_onnx *x, const char *type, kd_onnx_value v, int n_axes, const int64_t *axes,
                             bool keep);
/* A number as truth: not 0. And truth as 1 and 0, which remembers where it came from. */
kd_onnx_value kd_onnx_truth(kd_onnx *x, kd_onnx_value number);
kd_onnx_value kd_onnx_number(kd_onnx *x, kd_onnx_value truth);

/* --- sizes (sizes.c) --- */

static inline bool kd_onnx_fixed(kd_onnx_size size) {
  return size.a == size.b;
}
static inline bool kd_onnx_same(kd_onnx_size s, kd_onnx_size t) {
  return s.a == t.a && s.b == t.b;
}
/* The sizes of a tensor's axes; gives the rank. */
int kd_onnx_sizes(const kd_onnx *x, kd_sym sym, kd_onnx_size size[KD_MAX_RANK]);
/* One size as a tensor of one int64, and several as the shape that Expand and Reshape take. Sizes that no
 * input and no earlier tensor has are refused. */
kd_status kd_onnx_size_value(kd_onnx *x, kd_onnx_size size, kd_onnx_value *value);
kd_status kd_onnx_shape_value(kd_onnx *x, int rank, const kd_onnx_size *size, kd_onnx_value *value);
/* v with `from` sizes in the shape `to`. */
kd_status kd_onnx_reshape(kd_onnx *x, kd_onnx_value *v, int from_rank, const kd_onnx_size *from, int to_rank,
                          const kd_onnx_size *to);
/* 0, 1, .. size - 1 as floats along `axis` of a tensor with `rank` axes. */
kd_status kd_onnx_range(kd_onnx *x, kd_onnx_size size, int rank, int axis, kd_onnx_value *value);

/* --- windows over images (window.c) --- */

typedef struct kd_onnx_window {
  int spatial;
  const kd_onnx_size *size; /* of the image's axes; NULL: padding never follows them */
  int64_t reach[KD_MAX_SPATIAL];
  const int64_t *stride;
  const int64_t *before[2], *after[2]; /* padding in the two builds */
} kd_onnx_window;

/* Strides and padding of the node that was appended last. */
kd_status kd_onnx_set_window(kd_onnx *x, const kd_onnx_window *window);

/* --- tensors of the graph (tensors.c) --- */

kd_onnx_type kd_onnx_type_of(kd_dtype dtype); /* halves are floats */
/* A weight as an initializer; it gets the path as its name, or one like it where others have that. */
kd_onnx_value kd_onnx_store(kd_onnx *x, const char *path, kd_shape shape, const float *data);
kd_onnx_value kd_onnx_get(kd_onnx *x, kd_sym sym);
void kd_onnx_put(kd_onnx *x, kd_sym sym, kd_onnx_value value);
/* With the channels behind the batch; the tensor has 3 axes or more. */
kd_onnx_value kd_onnx_get_first(kd_onnx *x, kd_sym sym);
void kd_onnx_put_first(kd_onnx *x, kd_sym sym, kd_onnx_value value);
/* Whether the tensor stands with its channels first only, so that work on it is best done there. */
bool kd_onnx_is_first(const kd_onnx *x, kd_sym sym);
/* The operand of a primitive that works in either layout, and its result there. */
kd_onnx_value kd_onnx_get_in(kd_onnx *x, kd_sym sym, bool first);
void kd_onnx_put_in(kd_onnx *x, kd_sym sym, bool first, kd_onnx_value value);
/* Where an axis of `rank` stands in the layout. */
int kd_onnx_axis_in(bool first, int rank, int axis);
/* The sizes in the layout. */
int kd_onnx_sizes_in(const kd_onnx *x, kd_sym sym, bool first, kd_onnx_size size[KD_MAX_RANK]);
/* A tensor with its axes permuted: weights are stored so. */
kd_onnx_value kd_onnx_get_permuted(kd_onnx *x, kd_sym sym, const int *perm);
/* An operand of a program whose result has `rank` axes, as float, to be broadcast there. */
kd_onnx_value kd_onnx_get_operand(kd_onnx *x, kd_sym sym, bool first, int rank);

#endif
