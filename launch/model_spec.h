/* A model as its configuration describes it, with all blocks expanded: plain records, no layers yet.
 *
 * Types are not resolved here; build_model.h makes a kd_model of a spec. */
#ifndef KD_MODEL_SPEC_H
#define KD_MODEL_SPEC_H

#include "device/base/value.h"
#include "launch/interpolate.h"
#include "layers/model.h"

enum {
  KD_SPEC_LAYERS = 100000, /* expanded layers of a model, and copies of blocks */
  KD_SPEC_NESTING = 32,    /* blocks in blocks */
};

typedef struct kd_spec_arg {
  const char *key; /* NULL: positional */
  const kd_value *value;
  bool override; /* from a section or override that came later: wins over positional values too */
} kd_spec_arg;
typedef struct kd_spec_args {
  int count;
  kd_spec_arg *v;
  size_t capacity;
} kd_spec_args;

/* A tensor that a layer or an output takes: of an input or of a layer. */
typedef struct kd_spec_tap {
  int input;  /* in spec->inputs, or -1 */
  int layer;  /* in spec->layers, or -1; both -1 after an error */
  int output; /* which output of the layer */
  kd_origin origin;
} kd_spec_tap;

typedef struct kd_layer_spec {
  const char *name; /* path: "stage2.0/mix/conv" */
  const char *type; /* Keras class as written; NULL for a shared call */
  int share;        /* the layer whose weights are used (never itself a shared call), or -1 */
  kd_origin origin;
  kd_spec_args args;            /* in the order written; positional ones come first */
  const kd_spec_args *defaults; /* of [defaults TYPE], or NULL: for what args leaves out */
  /* Call arguments. The value of one that takes tensors (initial_state, attention_mask, mask ...) is the list
   * of their positions in `inputs`. */
  kd_spec_args call_args;
  int n_inputs; /* tensors: positional ones, then those of call arguments */
  kd_spec_tap *inputs;
  bool trainable;        /* false also when a block around it is frozen */
  const char *dtype;     /* policy of types as written, also of a block around it, or NULL */
  const char *init_from; /* weights file of this layer, or NULL */
  bool used;             /* an output needs it */
  /* Of a model that Keras saved: */
  const char *stored; /* group of its variables in weights files, see kd_layer; NULL: not from a file */
  bool stored_frozen; /* as of the file: [layer NAME] trainable may say otherwise */
  int rank;           /* its place among all layers, from 1; 0: not from a file */
  kd_call_masks masks;
} kd_layer_spec;

typedef struct kd_input_spec {
  const char *name;
  kd_ini_section *section; /* its keys: shape, dtype ... */
  kd_origin origin;
  bool used;
  const char *stored; /* as of kd_layer_spec */
  int rank;
} kd_input_spec;

typedef struct kd_output_spec {
  const char *name;
  kd_ini_section *section; /* NULL for the default output */
  kd_spec_tap tap;
  kd_origin origin;
} kd_output_spec;

typedef struct kd_defaults_spec {
  const char *type;
  kd_spec_args args;
  kd_origin origin;
} kd_defaults_spec;

/* One copy of a block: the layers whose paths begin with its own. */
typedef struct kd_group_spec {
  const char *path;  /* "stage2.0/mix" */
  const char *use;   /* of the line that uses the block: the path without the number of the copy */
  const char *block; /* name of the block */
  int copy, copies;  /* copies 0: used without repeat */
} kd_group_spec;

typedef struct kd_model_spec {
  int n_inputs;
  kd_input_spec *inputs; /* in file order */
  int n_layers;
  kd_layer_spec *layers; /* in file order */
  int *order; /* n_layers numbers: every layer after those it takes its inputs from; NULL when they form a
                 circle */
  int n_outputs;
  kd_output_spec *outputs; /* in file order; one without [output] sections */
  int n_defaults;
  kd_defaults_spec *defaults;
  int n_groups;
  kd_group_spec *groups; /* every group behind the one around it */
  int n_blocks;
  const char *const *block_names; /* for messages about unknown types */
  bool saved_optimizer; /* the model is a file of Keras's, and [train] optimizer is what the file says */
} kd_model_spec;

/* Expands the model sections of context->ini. All errors and warnings go to context->diag; the result is
 * complete when there were no errors. A document without layers gives a spec without layers, no error. */
kd_model_spec *kd_model_spec_make(kd_interpolation *context);

#endif
