/* Models: layers, their calls (a directed acyclic graph), weights, inputs and outputs. */
#ifndef KD_MODEL_H
#define KD_MODEL_H

#include "layers/layer.h"

/* One tensor between layers: output `output` of call `call`. */
typedef struct kd_tap {
  int call, output;
} kd_tap;

/* What a call makes of the masks that come with its inputs, beside the rule of its kind. */
typedef enum kd_call_masks {
  KD_MASKS_SEEN,
  KD_MASKS_NONE,   /* it sees and gives none: a function of keras.ops */
  KD_MASKS_PASSED, /* it sees none, but sequences keep that of the first input: a recurrent layer of a model
                      that Keras saved, called with initial_state and without mask */
} kd_call_masks;

/* One use of a layer. A shared layer has several calls. */
typedef struct kd_call {
  int layer;
  int n_inputs;
  kd_tap *inputs;
  int n_args; /* call arguments: use_causal_mask, initial_state ... */
  const char *const *arg_names;
  const kd_value *const *arg_values; /* of one that takes tensors: the list of their positions in inputs */
  kd_call_masks masks;
  const char *name; /* shown in summaries; the layer's name for its first call */
  kd_origin origin;
  int n_outputs;
  kd_shape *output_shape; /* set by kd_model_finish; dim[0] is -1, or the fixed batch size */
  kd_dtype *output_dtype;
  bool *output_masked; /* whether the output carries a mask; set by kd_model_finish */
} kd_call;

typedef struct kd_model_input {
  const char *name;
  kd_dtype dtype;
  kd_shape shape;     /* with the batch as dim[0] = -1; other -1: variable */
  int64_t batch_size; /* fixed batch of stateful models, or 0 */
  int call;           /* the call of its InputLayer */
} kd_model_input;

typedef struct kd_model_output {
  const char *name; /* Keras's: the name of the layer that produces it */
  kd_tap tap;
} kd_model_output;

typedef struct kd_weight {
  const char *name; /* "kernel" */
  const char *path; /* "conv2/kernel" */
  int layer;
  kd_shape shape;
  int64_t count;
  kd_dtype dtype; /* in which it is stored, and the optimizer's slots of it; gradients are float32 */
  kd_object initializer, regularizer, constraint;
  bool trainable;
  bool statistic;    /* not trained by gradients in any case */
  const char *again; /* part of the layer where weights files hold it once more, in front of others, see
                        io/weights_layout.h; NULL: none */
  kd_shape
      fans; /* (fan in, fan out) where they do not follow from the shape, see kd_build_kernel; else rank 0 */
  /* Place of its gradient in the range of gradients, in floats, and of its values in the range of weights (or
   * of state, when it is not trainable) and of slots, in bytes. Trainable weights stand in the order in which
   * backward produces gradients. Set by kd_model_layout; both begin on cache lines, and neighbours of one
   * type are neighbours in both ranges with the same gaps, counted in elements. */
  int64_t offset;
  size_t place;
} kd_weight;

/* What a stateful layer keeps from batch to batch: `width` numbers for each row of the fixed batch. */
typedef struct kd_kept {
  const char *path; /* "lstm/cell/state" */
  int64_t width;
} kd_kept;

struct kd_model {
  kd_pool *pool;
  const char *name;
  kd_policy policy; /* of layers that have none of their own; set it before they are added */
  kd_layer **layers;
  int n_layers;
  kd_call **calls; /* in an order in which every input comes before its use */
  int n_calls;
  kd_model_input *inputs;
  int n_inputs;
  kd_model_output *outputs;
  int n_outputs;
  kd_weight *weights;
  int n_weights;
  kd_kept *kept;
  int n_kept;
  /* Sizes of the ranges, with padding; set by kd_model_layout: elements of all trainable weights, bytes of
   * these and of all others. */
  int64_t trainable_floats;
  size_t trainable_bytes, state_bytes;
  bool finished;
  size_t layer_capacity, call_capacity, input_capacity, output_capacity, weight_capacity, kept_capacity;
};

kd_model *kd_model_create(const char *name);
void kd_model_destroy(kd_model *model);

/* shape: without the batch; -1 for variable sizes. Returns the tap of the input. */
kd_tap kd_model_add_input(kd_model *model, const char *name, kd_dtype dtype, kd_shape shape,
                          int64_t batch_size, kd_origin origin);
/* Options come from kd_options_fill or are filled by the C API; memory must outlive the model (its pool). */
int kd_model_add_layer(kd_model *model, const kd_layer_kind *kind, const char *name, void *options,
                       bool trainable, kd_origin origin);
/* Calls layer `layer` on tensors; the taps must be of earlier calls. Returns the call's number. */
int kd_model_add_call(kd_model *model, int layer, const char *name, int n_inputs, const kd_tap *inputs,
                      int n_args, const char *const *arg_names, const kd_value *const *arg_values,
                      kd_origin origin);
void kd_model_add_output(kd_model *model, const char *name, kd_tap tap);

/* The batch size that the inputs fix (Keras's batch_shape), or 0. It is that of the global batch: passes have
 * parts of it. */
int64_t kd_model_batch_size(const kd_model *model);

/* Infers all shapes and declares all weights. Errors (shapes that do not fit, wrong numbers of inputs) go to
 * diag with the layer's line and class; layers that depend on a failed one are passed over. */
kd_status kd_model_finish(kd_model *model, kd_diag *diag);

/* What one build of the model gives. Arrays are in the graph's pool. */
typedef struct kd_moving {
  int weight;
  kd_sym value;
  double momentum;
} kd_moving;
typedef struct kd_prepared {
  int weight;
  kd_sym value;
} kd_prepared;
typedef struct kd_built {
  kd_sym *input;       /* fed tensors, one per model input (after casts they enter the layers) */
  kd_sym *output;      /* one per model output */
  kd_sym *output_mask; /* one per model output: float32 (batch, steps) of 1 and 0; KD_NO_SYM: none */
  kd_sym *call_output; /* first output of each call */
  kd_sym *weight;      /* one per weight; KD_NO_SYM when not used */
  kd_sym rng;
  kd_sym *kept_before, *kept_after; /* one per kd_model.kept: fed, and what it becomes; KD_NO_SYM: not read,
                                       stays. NULL while the model declares them */
  int n_losses;
  kd_sym *losses; /* sums over rows, see kd_build_add_loss */
  int n_moving;
  kd_moving *moving;
  int n_prepared;
  kd_prepared *prepared; /* see kd_build_prepared */
  size_t loss_capacity, moving_capacity, prepared_capacity;
} kd_built;

typedef struct kd_build_spec {
  int64_t batch;
  bool training;
  const kd_dtype *feed_dtype; /* per input: type of the data as fed (uint8 pixels); NULL: the input's own */
  const kd_shape *feed_shape; /* per input: concrete shape; NULL: the input's shape with this batch */
} kd_build_spec;

/* Appends the whole model to a graph. rng is a VALUE with index KD_VALUE_RNG; inputs have their number as
 * index, weights theirs. */
kd_status kd_model_build(kd_model *model, kd_graph *graph, const kd_build_spec *spec, kd_built *built);

enum { KD_VALUE_RNG = 0 }; /* numbers of VALUE tensors; the trainer's own follow from 1 */

/* Gives every weight its place: trainable ones in the given order of weight numbers (n_order of them, the
 * order in which backward produces their gradients), the others in order of declaration. */
void kd_model_layout(kd_model *model, int n_order, const int *order);

/* Fills the start value of one weight; random numbers depend on (seed, weight path) alone. */
kd_status kd_weight_initialize(const kd_weight *weight, uint64_t seed, float *values);

int64_t kd_model_count_params(const kd_model *model, bool trainable_only);
/* Their bytes in the types in which they are stored. */
int64_t kd_model_param_bytes(const kd_model *model, bool trainable_only);
/* A hash of structure, options as written, shapes: equal models have equal hashes. */
uint64_t kd_model_hash(const kd_model *model);

/* Order of layers as keras.Model(inputs, outputs) numbers them (keras.md 6.4): fills order[n_layers] with
 * layer numbers, InputLayers included. Used for the group names of .weights.h5. */
void kd_model_keras_order(const kd_model *model, int *order);
/* The model with the order and groups that follow from its graph, whatever file it came from: models in
 * models are flat. Shares all but its layers with `model`; in the pool. */
const kd_model *kd_model_flat(kd_pool *pool, const kd_model *model);

#endif
