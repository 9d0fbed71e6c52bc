/* Layers: Keras classes that compose primitives. A layer has options and named weights, no kernels. */
#ifndef KD_LAYER_H
#define KD_LAYER_H

#include "device/base/option.h"
#include "layers/graph/graph.h"
#include "layers/policy.h"

typedef struct kd_model kd_model;
typedef struct kd_layer kd_layer;
typedef struct kd_build kd_build;

/* What a layer does with the mask of its first input (Keras's supports_masking and compute_mask). */
typedef enum kd_mask_rule {
  KD_MASK_DROP, /* its outputs have none */
  KD_MASK_PASS, /* its outputs have the input's */
  KD_MASK_OWN,  /* build reads input_mask and sets output_mask */
} kd_mask_rule;

/* What a layer may be told at each call, beside its inputs (Keras's call arguments). */
typedef enum kd_call_type {
  KD_CALL_MASK, /* a tensor (batch, steps) in place of the mask that comes with the first input */
  KD_CALL_TENSOR,
  KD_CALL_TENSORS, /* several; build says how many */
  KD_CALL_FLAG,
  KD_CALL_CHOICE, /* true, false, or none for what stands otherwise */
  KD_CALL_RESULT, /* a flag that gives the call one more output */
  KD_CALL_INT,
} kd_call_type;

typedef struct kd_call_arg {
  const char *name;
  kd_call_type type;
  const char *help;
} kd_call_arg;

typedef struct kd_layer_kind {
  kd_kind base;               /* must be first: families hold kd_kind pointers */
  int min_inputs, max_inputs; /* tensors of one call; max 0: any number (merging layers take a list) */
  int n_outputs;              /* 0 means 1 */
  /* Number of outputs where options decide it, instead of n_outputs; may be NULL. */
  int (*count_outputs)(const struct kd_layer_kind *kind, const void *options);
  /* Emits the nodes of one call. inputs have the batch in dimension 0. Weights are declared with
   * kd_build_weight, always in the same order (Keras's creation order), and looked up on later builds.
   * Shape errors: kd_fail(KD_ERR_USAGE, both sizes); the caller adds layer name, class and line. Errors of
   * graph builders are sticky and found by the caller. */
  kd_status (*build)(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                     kd_sym *outputs);
  kd_mask_rule mask;
  bool takes_any_float; /* inputs are not cast to the type of computation (Keras's autocast = False) */
  bool takes_list;      /* Keras's call has its tensors in one list, not as arguments of their own */
  bool of_hub;          /* a class of KerasHub, not of Keras */
  const char *module;   /* of Keras's class, where it has no public name; NULL: keras.layers */
  const kd_call_arg *call_args; /* ends with a name NULL; NULL: none; see kd_layer_call_arg */
  /* Tensors of list `number` of initial_state, where Keras's is a list of one for each cell; 0 behind the
   * last, and where it is no such list. NULL: it never is. */
  int (*state_group)(const struct kd_layer_kind *kind, const void *options, int number);
  bool takes_training; /* Keras's call has the argument training, which kd_build.training holds then */
  /* Of a layer that takes its input as row numbers of a table: the rows. NULL: the input may be any numbers.
   */
  int64_t (*table_rows)(const void *options);
} kd_layer_kind;

struct kd_layer {
  const kd_layer_kind *kind;
  const char *name; /* path: "stage2.0/mix/conv" */
  void *options;
  const kd_value *const *values; /* as written, for export; may be NULL */
  bool trainable;
  kd_policy policy;
  kd_origin origin;
  int index;        /* in model->layers */
  int first_weight; /* in model->weights, -1 before the first build; the layer's weights are contiguous */
  int n_weights;
  /* Of a model that Keras saved, whose layers may stand in models inside of it; else 0 and NULL, and both
   * follow from the graph (kd_model_keras_order). */
  int rank; /* place in Keras's order of layers, from 1 */
  const char
      *stored; /* group of its variables in weights files: "layers/functional/layers/dense"; "": none */
  bool stored_frozen; /* it was frozen when Keras saved it */
};

/* --- what build functions call --- */

struct kd_build {
  kd_graph *graph;
  kd_model *model;
  bool training;              /* of this call: dropout draws, batch norm uses batch statistics */
  bool fits;                  /* this pass is one of fit: gradients are taken, statistics move */
  kd_sym rng;                 /* uint32 (4) tensor of the step */
  kd_layer *layer;            /* being built */
  const struct kd_call *call; /* being built: call arguments */
  const kd_sym *input_mask;   /* per input: float32 (batch, steps) of 1 and 0; KD_NO_SYM: no mask */
  kd_sym *output_mask;        /* per output: KD_NO_SYM before build, see kd_mask_rule */
  const char *part;           /* in front of weights' names: the place of an inner layer; NULL: none */
  int next_weight;            /* of this layer */
  bool declare;               /* first build of the model: weights are made */
  kd_sym *weight_sym;         /* by weight index; KD_NO_SYM until used */
  struct kd_built *built;
};

/* A weight of the present layer. The name may have a path of parts in front, as Keras's files name them
 * (keras.md 6.5): "cell/kernel", "query_dense/bias", "forward_layer/cell/kernel"; the weights of one part are
 * declared in Keras's order. Declared on the first build, found by position later (the shape must be
 * equal). initializer and regularizer may be NULL or hold kind NULL. trainable: the layer's own wish; it is
 * also false when the layer is frozen. */
kd_sym kd_build_weight(kd_build *build, const char *name, kd_shape shape, const kd_object *initializer,
                       const kd_object *regularizer, bool trainable);
/* The same for a kernel with several axes of inputs or outputs: initializers that scale by fans get these
 * numbers, whose product is the kernel's count, instead of those of kd_fans (init.h). */
kd_sym kd_build_kernel(kd_build *build, const char *name, kd_shape shape, int64_t fan_in, int64_t fan_out,
                       const kd_object *initializer, const kd_object *regularizer);
/* Holds a weight to a constraint (kind NULL: none); returns the weight, also KD_NO_SYM. */
kd_sym kd_build_constrain(kd_build *build, kd_sym weight, const kd_object *constraint);
/* Call argument number `index` of a kind, NULL behind the last: those of its table, then training. */
const kd_call_arg *kd_layer_call_arg(const kd_layer_kind *kind, int index);
/* Number of outputs of a layer of that kind. */
int kd_layer_outputs(const kd_layer_kind *kind, const void *options);
/* Builds a layer inside the present one, as wrappers do (inner_layer.c): `inner` is an object of
 * kd_layer_family, its weights are the present layer's and stand under `part`. It has one output; masks as in
 * kd_build. Wrong numbers of inputs are errors. */
kd_status kd_build_inner(kd_build *build, const char *part, const kd_object *inner, int n_inputs,
                         const kd_sym *inputs, const kd_sym *input_masks, kd_sym *output,
                         kd_sym *output_mask);
/* A term of the loss that does not depend on labels (activity regularisation): a scalar that is a SUM over
 * the rows of this pass; the trainer divides by the rows of the global batch. */
void kd_build_add_loss(kd_build *build, kd_sym sum_over_rows);
/* Moving statistic: after the step, weight = momentum * weight + (1 - momentum) * (mean over all passes of
 * batch_value, weighted by rows). `weight` is the sym returned by kd_build_weight. Without effect in passes
 * that do not fit: they change no weight. */
void kd_build_moving(kd_build *build, kd_sym weight, kd_sym batch_value, double momentum);

/* Before each training step the weight becomes `value`, a function of weights alone; the step's graph sees
 * the new one as the weight. Once for a weight: a second call is an error of the graph. Passes of fit only.
 */
void kd_build_prepared(kd_build *build, kd_sym weight, kd_sym value);
/* What a stateful layer keeps from batch to batch: a tensor (rows of this pass, width), zeros before the
 * first batch. `name` is unique in the layer and stands under the present part. Gives what the batch before
 * has left; *number is for kd_build_keep. Errors of the graph: models without a fixed batch, layers that see
 * steps as rows, layers that are called twice (what the first call leaves has no gradient, which graphs
 * cannot say). */
kd_sym kd_build_kept(kd_build *build, const char *name, kd_sym x, int64_t width, int *number);
void kd_build_keep(kd_build *build, int number, kd_sym value);

/* The registry (layers/kinds/layers.c): all layer classes in alphabetical order. */
extern const kd_family kd_layer_family;
extern const kd_family kd_cell_family; /* cells of recurrent layers: GRUCell, LSTMCell, ... */

/* --- activations, initializers, regularizers: families with one function each --- */

typedef struct kd_activation_kind {
  kd_kind base;
  kd_sym (*apply)(kd_graph *graph, const void *options, kd_sym x);
} kd_activation_kind;
extern const kd_family kd_activation_family; /* the 30 names of keras.activations */
/* x itself when activation.kind is NULL (None) or linear. */
kd_sym kd_activate(kd_graph *graph, const kd_object *activation, kd_sym x);

typedef struct kd_regularizer_kind {
  kd_kind base;
  /* The penalty of x as a scalar (Keras: l1 * sum|x| + l2 * sum(x^2)). */
  kd_sym (*penalty)(kd_graph *graph, const void *options, kd_sym x);
  bool
      whole; /* no sum over rows: for weights, not for outputs, whose rows are spread over passes and ranks */
} kd_regularizer_kind;
extern const kd_family kd_regularizer_family;
kd_sym kd_penalty(kd_graph *graph, const kd_object *regularizer, kd_sym x);

/* What weights are made to hold after each update (keras.constraints). */
typedef struct kd_constraint_kind {
  kd_kind base;
  kd_sym (*project)(kd_graph *graph, const void *options, kd_sym weight); /* float32, of one shape */
} kd_constraint_kind;
extern const kd_family kd_constraint_family;

typedef struct kd_initializer_kind {
  kd_kind base;
  /* Fills count = product(shape) values. Random numbers are a function of key alone. */
  kd_status (*fill)(const void *options, const kd_shape *shape, uint64_t key, float *values);
  bool scaled; /* of the shape only the fans and the count matter */
} kd_initializer_kind;
extern const kd_family kd_initializer_family;

#endif
