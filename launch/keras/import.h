/* Inside of launch/keras: from the tree of config.json to a spec, in two steps. Models are parsed (parse.c)
 * into entries and nodes, each model once; then they are expanded (expand.c), a nested one at each of its
 * calls. */
#ifndef KD_KERAS_IMPORT_H
#define KD_KERAS_IMPORT_H

#include "device/base/option.h"
#include "launch/keras/keras.h"
#include "layers/layer.h"

typedef struct kd_keras_import {
  kd_pool *pool;
  kd_diag *diag;
  kd_interpolation *context;
  kd_ini *ini; /* context->ini */
  kd_model_spec *spec;
  size_t layer_capacity, group_capacity;
  kd_name_index names; /* of layers of the spec */
  int copies;          /* calls of layers and models so far, against KD_SPEC_LAYERS */
  bool full;           /* the limit was passed and reported */
  int rank;            /* of the last layer that was parsed, see kd_layer_spec.rank */
  bool old;            /* from an HDF5 file: objects without modules */
  bool plain;          /* every layer has the policy float32: [train] dtype_policy may choose another */
} kd_keras_import;

typedef enum kd_keras_role {
  KD_KERAS_INPUT,
  KD_KERAS_LAYER,
  KD_KERAS_OP,    /* a function of keras.ops */
  KD_KERAS_MODEL, /* a model in the model */
} kd_keras_role;

/* Output `tensor` of a node. */
typedef struct kd_keras_ref {
  int node, tensor;
  bool mask; /* it stands in a call argument for masks */
} kd_keras_ref;

struct kd_keras_model;

/* One element of a model's `layers`. */
typedef struct kd_keras_entry {
  kd_keras_role role;
  const char *name, *type;         /* type: Keras class */
  const kd_value *object, *config; /* {"class_name": ..., "config": ...}, and its config */
  struct kd_keras_model *model;    /* of KD_KERAS_MODEL */
  const char *stored;              /* group of its variables in weights files; "": none */
  int rank;
  bool trainable;
  int layer; /* of the spec, made at its first call, or -1 */
  int first_node, n_nodes;
} kd_keras_entry;

/* One call of an entry in its model. */
typedef struct kd_keras_node {
  int entry;
  const kd_value *args, *kwargs; /* a list, and dict(...) or NULL */
  int n_refs;
  kd_keras_ref *refs; /* tensors of args, then of kwargs, in the order in which they stand there */
  size_t capacity;
  bool only_mask; /* nothing but masks of calls needs it */
  int n_outputs;  /* of the present expansion; 0: those of a layer, from outputs[0] on */
  kd_spec_tap *outputs;
} kd_keras_node;

typedef struct kd_keras_model {
  const char *type; /* Sequential or Functional */
  bool old;         /* its calls have the form of Keras 2 */
  int n_entries;
  kd_keras_entry *entries;
  int n_nodes;
  kd_keras_node *nodes;
  size_t node_capacity;
  int *order; /* nodes, each behind those it takes its inputs from */
  int n_inputs, n_outputs;
  int *inputs; /* entries */
  kd_keras_ref *outputs;
  const char **input_names, **output_names;
  kd_name_index names; /* of entries */
} kd_keras_model;

/* Where a model is expanded. */
typedef struct kd_keras_frame {
  const char *prefix; /* "" or "encoder/" */
  const kd_spec_tap *inputs;
  int n_inputs;
} kd_keras_frame;

/* parse.c: the model of an object {"class_name": "Functional", ...}; NULL after errors. `stored` is "" or
 * "layers/functional/"; `frozen` when a model around it is. */
kd_keras_model *kd_keras_parse(kd_keras_import *in, const kd_value *object, const char *stored, bool frozen);
/* Whether the value is {"class_name": NAME, ...}; of any class when name is NULL. */
bool kd_keras_is(const kd_value *value, const char *name);
/* The text of a member of an object, or NULL. */
const char *kd_keras_text(const kd_value *object, const char *key);

/* nodes.c: the calls of a Functional's entries, their order, its inputs and outputs. False after errors. */
bool kd_keras_nodes(kd_keras_import *in, kd_keras_model *model, const kd_value *config);
/* The same for a chain. */
bool kd_keras_chain(kd_keras_import *in, kd_keras_model *model, const kd_value *config);
/* {"class_name": "__keras_tensor__", ...} */
bool kd_keras_is_tensor(const kd_value *value);

/* ["dense", 0, 0]: layer, number of its call, number of the output. */
bool kd_keras_is_triple(const kd_value *value);
/* One more tensor of the node; false, with an error, when there is none such. */
bool kd_keras_add_tensor(kd_keras_import *in, const kd_keras_model *model, kd_keras_node *node,
                         const kd_value *triple, bool mask);

/* nodes_old.c: a call in the form of Keras 2. */
bool kd_keras_old_node(kd_keras_import *in, const kd_keras_model *model, kd_keras_node *node,
                       const kd_value *data);
/* The positional arguments of a call with so many tensors. */
const kd_value *kd_keras_tensors(kd_keras_import *in, int count, kd_origin origin);

/* expand.c: adds the layers of one use of the model to the spec; outputs has room for model->n_outputs. */
void kd_keras_expand(kd_keras_import *in, kd_keras_model *model, const kd_keras_frame *frame,
                     kd_spec_tap *outputs);
/* What a reference stands for in the present expansion. */
kd_spec_tap kd_keras_tap(kd_keras_import *in, const kd_keras_model *model, kd_keras_ref ref);
/* A new layer of the spec, or NULL when there are too many or its name is taken. */
kd_layer_spec *kd_keras_add_layer(kd_keras_import *in, const char *name, kd_origin origin);

/* call.c: one more input of the layer; returns its position. */
int kd_keras_add_input(kd_keras_import *in, kd_layer_spec *layer, kd_spec_tap tap);
/* The inputs and call arguments of one call. */
void kd_keras_call(kd_keras_import *in, const kd_keras_model *model, const kd_keras_node *node,
                   kd_layer_spec *layer);

/* masks.c: Keras stores the masks that it finds by itself as tensors, made by nodes of keras.ops. */
bool kd_keras_is_mask(const char *key); /* a call argument: mask, query_mask ... */
/* Finds the nodes that only masks need. */
bool kd_keras_find_masks(kd_keras_import *in, kd_keras_model *model);
/* Whether the tensor `mask`, stored as the mask of tensor x, is the one that comes with x anyway. */
bool kd_keras_mask_implied(const kd_keras_model *model, kd_keras_ref x, kd_keras_ref mask);

/* ops.c: a node of keras.ops as a layer of the spec that does the same; errors when there is none. */
void kd_keras_op(kd_keras_import *in, const kd_keras_model *model, const kd_keras_node *node,
                 kd_layer_spec *layer);

/* slice.c: GetItem of a tensor of that shape (with the batch) as Cropping, and Reshape behind it where an
 * index takes an axis away; then the layer may have moved. False when no layers do the same. */
bool kd_keras_slice(kd_keras_import *in, const kd_keras_node *node, const kd_value *shape,
                    kd_layer_spec *layer);

/* object.c: a value of Keras's JSON as the configuration language has it: objects become calls, with the keys
 * that their kinds know. family: of the place where it stands; NULL: plain. */
const kd_value *kd_keras_value(kd_keras_import *in, const char *subject, const kd_family *family,
                               const kd_value *json);
/* The options of a layer, from its config. kind NULL: an unknown class, whose options nobody reads. */
void kd_keras_args(kd_keras_import *in, const char *subject, const kd_kind *kind, const kd_value *config,
                   kd_spec_args *args);
/* The name of a policy of types, as Keras writes it; NULL: none. */
const char *kd_keras_policy(const kd_value *json);

/* known_keys.c: the name that a key has since Keras 3. */
const char *kd_keras_key_now(const char *type, const char *key);
/* Whether a key that a kind has no option for says only what is so anyway. */
bool kd_keras_key_harmless(kd_pool *pool, const char *type, const char *key, const kd_value *value);

/* compile.c: the keys of [train] that the configuration leaves out. */
void kd_keras_compile(kd_keras_import *in, const kd_keras_model *model, const kd_value *compile);

/* Whether the object is of a class of KerasHub that is here. */
bool kd_keras_is_hub(const kd_value *object);

/* activation.c: what stands in files for an activation function with arguments, whose names are the same. */
typedef struct kd_keras_callable {
  const char *function, *class_name;
  bool layer; /* of keras.layers, else an operation of keras.src.ops.nn */
} kd_keras_callable;
const kd_keras_callable *kd_keras_callable_of(const char *function); /* NULL: none */
const char *kd_keras_function_of(const char *class_name);

#endif
