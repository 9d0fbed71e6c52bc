/* The graph of primitive operations.
 *
 * A kd_sym names one tensor of a graph. Builder calls append nodes and return the new tensor; the list of
 * nodes is in topological order by construction. Shapes are concrete: a model is built once per batch size.
 *
 * Errors are sticky: a call with wrong shapes records a status in the graph and returns KD_NO_SYM, calls
 * with KD_NO_SYM return it again, and kd_graph_status tells at the end. So layers are written as plain
 * expressions. */
#ifndef KD_GRAPH_H
#define KD_GRAPH_H

#include "device/base/memory.h"
#include "device/op.h"

typedef int32_t kd_sym;
enum { KD_NO_SYM = -1 };

typedef enum kd_role {
  KD_ROLE_NODE,   /* computed by a node */
  KD_ROLE_INPUT,  /* fed by the caller: batch data, labels */
  KD_ROLE_WEIGHT, /* a weight: keeps its address, changes only by updates */
  KD_ROLE_VALUE,  /* a small tensor that may change every step: learning rate, rng, scale */
} kd_role;

typedef struct kd_sym_info {
  kd_dtype dtype;
  kd_shape shape;
  kd_role role;
  int index;        /* INPUT, WEIGHT, VALUE: the caller's number */
  int node;         /* NODE: producing node, else -1 */
  int out;          /* NODE: which output */
  const char *name; /* never NULL */
} kd_sym_info;

typedef struct kd_node {
  kd_op op;
  const void *attr; /* in the graph's pool; kd_op_get(op)->attr_size bytes */
  int n_inputs, n_outputs;
  kd_sym *input;
  kd_sym *output;
  const char *scope; /* label of the layer that made it: "conv2", "loss", "update" */
  bool backward;     /* made by autodiff */
} kd_node;

typedef struct kd_graph {
  kd_pool *pool;
  kd_node *nodes;
  int n_nodes;
  kd_sym_info *syms;
  int n_syms;
  kd_status status; /* first failure; its text is in `failure` */
  const char *failure;
  const char *scope;
  bool backward;
  kd_dtype compute;     /* of products: KD_F32, or the half type of the layer that is built */
  uint32_t next_random; /* node numbers of random draws: equal for every batch size */
  /* Rows of a draw that belong to one sample, where layers work on steps as rows (TimeDistributed); 0: one.
   */
  int64_t rows_per_sample;
  size_t node_capacity, sym_capacity;
} kd_graph;

kd_graph *kd_graph_create(void);
void kd_graph_destroy(kd_graph *graph);
/* KD_OK, or the first failure with its text restored as the present message. */
kd_status kd_graph_status(const kd_graph *graph);
/* Records a failure (the first one wins) and returns KD_NO_SYM. */
kd_sym kd_graph_fail(kd_graph *graph, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sets the label of nodes made from here on; returns the old one. The text is copied. */
const char *kd_graph_scope(kd_graph *graph, const char *scope);
const kd_sym_info *kd_sym_get(const kd_graph *graph, kd_sym sym);
const kd_shape *kd_sym_shape(const kd_graph *graph, kd_sym sym);
/* The node that computes sym, looking through reshapes when asked; NULL for fed tensors. */
const kd_node *kd_producer(const kd_graph *graph, kd_sym sym, bool through_views);
/* True when the tensor is one float32 constant everywhere (kd_const, kd_full); sets *value. */
bool kd_sym_constant(const kd_graph *graph, kd_sym sym, float *value);
/* Operations of a matmul, a convolution, an attention or a walk over steps: multiply-adds, counted twice. 0
 * for everything else, which is bound by memory. */
double kd_node_flops(const kd_graph *graph, const kd_node *node);
/* A hash of ops, attributes, shapes and connections: equal graphs have equal hashes on all ranks. */
uint64_t kd_graph_hash(const kd_graph *graph);
/* A listing with shapes and scopes for --dump graph, in the pool. */
const char *kd_graph_text(const kd_graph *graph, kd_pool *pool);

/* Fed tensors. `index` is the caller's own number and comes back in kd_sym_info. */
kd_sym kd_input(kd_graph *g, kd_dtype dtype, kd_shape shape, int index, const char *name);
kd_sym kd_weight_sym(kd_graph *g, kd_dtype dtype, kd_shape shape, int index, const char *name);
kd_sym kd_value_sym(kd_graph *g, kd_dtype dtype, kd_shape shape, int index, const char *name);

/* Appends a node of any op: runs the op's rule for shapes. The attribute is copied. outputs receives
 * n_outputs of the op (may be NULL); returns the first output. */
kd_sym kd_append(kd_graph *g, kd_op op, const void *attr, int n_inputs, const kd_sym *inputs,
                 kd_sym *outputs);

/* Pointwise. Operands broadcast (NumPy's rule). Constants fold into the steps that use them. */
kd_sym kd_const(kd_graph *g, double value); /* a scalar */
kd_sym kd_unary(kd_graph *g, kd_pw op, kd_sym x);
kd_sym kd_binary(kd_graph *g, kd_pw op, kd_sym a, kd_sym b);
kd_sym kd_select(kd_graph *g, kd_sym condition, kd_sym yes, kd_sym no);
kd_sym kd_cast(kd_graph *g, kd_sym x, kd_dtype dtype); /* x itself when it has the type already */
kd_sym kd_full(kd_graph *g, kd_shape shape, double value);
/* rng: the uint32 (4) tensor of the step. shape[0] is the batch. Takes the next random node number. */
kd_sym kd_uniform(kd_graph *g, kd_sym rng, kd_shape shape);
kd_sym kd_normal(kd_graph *g, kd_sym rng, kd_shape shape);

static inline kd_sym kd_add(kd_graph *g, kd_sym a, kd_sym b) {
  return kd_binary(g, KD_PW_ADD, a, b);
}
static inline kd_sym kd_sub(kd_graph *g, kd_sym a, kd_sym b) {
  return kd_binary(g, KD_PW_SUB, a, b);
}
static inline kd_sym kd_mul(kd_graph *g, kd_sym a, kd_sym b) {
  return kd_binary(g, KD_PW_MUL, a, b);
}
static inline kd_sym kd_div(kd_graph *g, kd_sym a, kd_sym b) {
  return kd_binary(g, KD_PW_DIV, a, b);
}
static inline kd_sym kd_max(kd_graph *g, kd_sym a, kd_sym b) {
  return kd_binary(g, KD_PW_MAX, a, b);
}
static inline kd_sym kd_min(kd_graph *g, kd_sym a, kd_sym b) {
  return kd_binary(g, KD_PW_MIN, a, b);
}
static inline kd_sym kd_scale(kd_graph *g, kd_sym x, double factor) {
  return kd_binary(g, KD_PW_MUL, x, kd_const(g, factor));
}
static inline kd_sym kd_shift(kd_graph *g, kd_sym x, double offset) {
  return kd_binary(g, KD_PW_ADD, x, kd_const(g, offset));
}

/* Views and moves. */
kd_sym kd_reshape(kd_graph *g, kd_sym x, kd_shape shape); /* equal counts; x itself when the shape is equal */
kd_sym kd_transpose(kd_graph *g, kd_sym x, const int *axes);
kd_sym kd_broadcast(kd_graph *g, kd_sym x, kd_shape shape);
kd_sym kd_slice(kd_graph *g, kd_sym x, const kd_slice_attr *slice);
kd_sym kd_slice_axis(kd_graph *g, kd_sym x, int axis, int64_t start, int64_t size);
kd_sym kd_pad(kd_graph *g, kd_sym x, const kd_pad_attr *pad);
kd_sym kd_concat(kd_graph *g, int count, const kd_sym *xs, int axis);
kd_sym kd_iota(kd_graph *g, kd_shape shape, int axis); /* float32: the index along axis */

/* Reductions; axes is a list of `n_axes` axes (negative from the end), n_axes = 0: all axes. */
kd_sym kd_reduce(kd_graph *g, kd_reduce_kind kind, kd_sym x, int n_axes, const int *axes, bool keep);
kd_sym kd_reduce_last(kd_graph *g, kd_reduce_kind kind, kd_sym x, bool keep);
kd_sym kd_reduce_all(kd_graph *g, kd_reduce_kind kind, kd_sym x); /* to a scalar */
/* Sums x down to the shape that was broadcast to x's shape (the gradient of a broadcast). */
kd_sym kd_reduce_to(kd_graph *g, kd_sym x, const kd_shape *shape);
kd_sym kd_argmax(kd_graph *g, kd_sym x, int axis);
kd_sym kd_in_top_k(kd_graph *g, kd_sym scores, kd_sym labels, int k);

/* The sum of x over all ranks: synchronised statistics. All ranks run the same exchanges in the same order.
 */
kd_sym kd_exchange(kd_graph *g, kd_sym x);

kd_sym kd_gather(kd_graph *g, kd_sym table, kd_sym ids);
/* Products are computed in graph->compute, or in the half type of an operand. */
kd_sym kd_matmul(kd_graph *g, kd_sym a, kd_sym b, bool transpose_a, bool transpose_b);
kd_sym kd_conv(kd_graph *g, kd_sym x, kd_sym kernel, const kd_conv_attr *attr);
kd_sym kd_conv_transpose(kd_graph *g, kd_sym y, kd_sym kernel, const kd_conv_attr *attr); /* to attr->shape */
kd_sym kd_pool_op(kd_graph *g, kd_sym x, const kd_pool_attr *attr);
kd_sym kd_batch_norm(kd_graph *g, kd_sym x, kd_sym gamma, kd_sym beta, double epsilon, kd_sym *mean,
                     kd_sym *variance);
kd_sym kd_layer_norm(kd_graph *g, kd_sym x, kd_sym gamma, kd_sym beta, double epsilon);
kd_sym kd_softmax(kd_graph *g, kd_sym x, bool log); /* last axis */
/* attr->n_masks masks; rng is read when attr->dropout > 0, which takes the next random node number. */
kd_sym kd_attention(kd_graph *g, kd_sym q, kd_sym k, kd_sym v, const kd_sym *masks, kd_sym rng,
                    const kd_attention_attr *attr);
kd_sym kd_sparse_xent(kd_graph *g, kd_sym logits, kd_sym labels, int ignore);
kd_sym kd_ctc(kd_graph *g, kd_sym log_probabilities, kd_sym labels);

/* The type of the gradient of a tensor: its own; of a weight, and of a weight that was only moved, float32
 * whatever the weight is stored in, since passes and ranks add it up. */
kd_dtype kd_grad_type(const kd_graph *g, kd_sym sym);

/* Reverse-mode differentiation (autodiff.c): appends the nodes of d(loss)/d(wanted[i]). `loss` is a scalar
 * whose own gradient is 1. grads[i] is KD_NO_SYM when wanted[i] does not reach the loss. Nodes made are
 * marked backward. Fails with the layer's name when a needed op has no gradient. */
kd_status kd_autodiff(kd_graph *g, kd_sym loss, int n_wanted, const kd_sym *wanted, kd_sym *grads);

#endif
