/* What the files of layer kinds share: descriptors, rows of option tables, small graph helpers. */
#ifndef KD_KINDS_H
#define KD_KINDS_H

#include "layers/layer.h"

#define KD_LAYER(id) extern const kd_layer_kind kd_layer_##id;
#include "layers/kinds/layers.def"
#undef KD_LAYER

/* Options of InputLayer; filled by kd_model_add_input. */
typedef struct kd_input_options {
  kd_ints shape; /* without the batch; -1: variable */
  int64_t batch_size;
  const char *dtype;
} kd_input_options;

/* Rows of option tables that many layers have. S is the struct of options. */
#define KD_ROW_INITIALIZER(S, field, start)                                                                  \
  {                                                                                                          \
    .name = #field, .type = KD_OPT_OBJECT, .offset = offsetof(S, field), .initial = start,                   \
    .help = "start values", .family = &kd_initializer_family                                                 \
  }
#define KD_ROW_REGULARIZER(S, field)                                                                         \
  {                                                                                                          \
    .name = #field, .type = KD_OPT_OBJECT, .offset = offsetof(S, field), .initial = "none",                  \
    .help = "penalty added to the loss", .flags = KD_OPT_NONE_OK, .family = &kd_regularizer_family           \
  }
#define KD_ROW_CONSTRAINT(S, field)                                                                          \
  {                                                                                                          \
    .name = #field, .type = KD_OPT_OBJECT, .offset = offsetof(S, field), .initial = "none",                  \
    .help = "what the weights are made to hold after each update", .flags = KD_OPT_NONE_OK,                  \
    .family = &kd_constraint_family                                                                          \
  }
#define KD_ROW_ACTIVATION(S)                                                                                 \
  {                                                                                                          \
    .name = "activation", .type = KD_OPT_OBJECT, .offset = offsetof(S, activation), .initial = "none",       \
    .help = "function of the result; none: linear", .flags = KD_OPT_NONE_OK, .family = &kd_activation_family \
  }
#define KD_ROW_BOOL(S, field, start, text)                                                                   \
  { .name = #field, .type = KD_OPT_BOOL, .offset = offsetof(S, field), .initial = start, .help = text }
#define KD_ROW_FLOAT(S, field, start, low, high, text)                                                       \
  {                                                                                                          \
    .name = #field, .type = KD_OPT_FLOAT, .offset = offsetof(S, field), .initial = start, .help = text,      \
    .min = low, .max = high                                                                                  \
  }
#define KD_ROW_INT(S, field, start, low, high, text)                                                         \
  {                                                                                                          \
    .name = #field, .type = KD_OPT_INT, .offset = offsetof(S, field), .initial = start, .help = text,        \
    .min = low, .max = high                                                                                  \
  }
#define KD_ROW_INTS(S, field, start, low, high, text)                                                        \
  {                                                                                                          \
    .name = #field, .type = KD_OPT_INTS, .offset = offsetof(S, field), .initial = start, .help = text,       \
    .min = low, .max = high                                                                                  \
  }
#define KD_ROW_CHOICE(S, field, start, list, text)                                                           \
  {                                                                                                          \
    .name = #field, .type = KD_OPT_CHOICE, .offset = offsetof(S, field), .initial = start, .help = text,     \
    .choices = list                                                                                          \
  }
#define KD_ROW_VALUE(S, field, start, text)                                                                  \
  { .name = #field, .type = KD_OPT_VALUE, .offset = offsetof(S, field), .initial = start, .help = text }
#define KD_ROW_DATA_FORMAT(S)                                                                                \
  {                                                                                                          \
    .name = "data_format", .type = KD_OPT_CHOICE, .offset = offsetof(S, data_format),                        \
    .initial = "channels_last", .help = "channels are the last axis", .flags = KD_OPT_SPELT_OUT,             \
    .choices = "channels_last"                                                                               \
  }
#define KD_ROW_END                                                                                           \
  { .name = NULL }

/* Largest size of one axis or number of units that an option may ask for. */
#define KD_SIZE_LIMIT 2147483647.0

/* Integers and pixels become float32; floats stay what they are. */
kd_sym kd_as_float(kd_graph *graph, kd_sym x);
/* y + bias in the type of y: what a product gives in a half type stays in it. */
kd_sym kd_add_bias(kd_graph *graph, kd_sym y, kd_sym bias);
/* x divided by its L2 norm over the axes, or by epsilon where that is larger (keras.ops.normalize). */
kd_sym kd_l2_normalize(kd_graph *graph, kd_sym x, int n_axes, const int *axes, double epsilon);
/* The shape of x as "(None, 28, 28)" for messages of layers. */
const char *kd_layer_shape(const kd_graph *graph, kd_sym x, char buffer[KD_SHAPE_TEXT]);
/* Declares a term of the loss when the regularizer is set (Keras: the penalty of a layer's output is divided
 * by the batch size, which the trainer does). */
void kd_build_activity(kd_build *build, const kd_object *regularizer, kd_sym output);
/* axis (negative: from the end) as 1 .. rank-1; KD_ERR_USAGE for the batch axis and beyond. */
kd_status kd_layer_axis(const kd_graph *graph, kd_sym x, int64_t axis, int *result);

/* Steps that any of the masks has; KD_NO_SYM when a mask is missing (base_merge.py, compute_mask). */
kd_sym kd_mask_any(kd_graph *graph, int count, const kd_sym *masks);
/* A mask (batch, steps) as a factor for x (batch, steps, ...): axes of size 1 are added behind. */
kd_sym kd_mask_factor(kd_graph *graph, kd_sym mask, kd_sym x);

/* The initializer of a configuration text, for weights whose start values no option sets. */
kd_object kd_fixed_initializer(kd_build *build, const char *text);

/* x with a share of its numbers dropped in training, and the others scaled up; axis 0 is the batch. */
kd_sym kd_dropped(kd_build *build, double rate, kd_sym x);

/* --- call_args.c: arguments of the present call. Their tensors stand behind the other inputs. --- */

#define KD_CALL_ROW_MASK                                                                                     \
  { "mask", KD_CALL_MASK, "steps that count, in place of the mask that comes with the input" }
#define KD_CALL_ROW_END                                                                                      \
  { .name = NULL }
extern const kd_call_arg kd_call_mask[]; /* mask alone */

int kd_call_n_positional(const kd_build *build, int n_inputs); /* inputs that are no tensors of arguments */
kd_status kd_call_flag(const kd_build *build, const char *name, bool *flag); /* false when it is not given */
/* The choice of a call, or `otherwise` when it is none or not given. */
kd_status kd_call_choice(const kd_build *build, const char *name, bool otherwise, bool *choice);
kd_status kd_call_int(const kd_build *build, const char *name, int64_t otherwise, int64_t *number);
/* Numbers of the inputs that the argument names, at most `room`; count 0 when it is not given or none. */
kd_status kd_call_tensors(const kd_build *build, const char *name, int room, int *count, int *inputs);
/* The same for an argument of one tensor: its number, or -1. */
kd_status kd_call_tensor(const kd_build *build, const char *name, int *input);

/* --- streams of random numbers: a layer with a seed has its own (common.c) --- */

/* Sets the number of the next random draw when the layer has a seed (not KD_UNSET_INT); what it returns goes
 * to kd_stream_end after one draw. */
uint32_t kd_stream_begin(kd_graph *graph, int64_t seed);
void kd_stream_end(kd_graph *graph, int64_t seed, uint32_t before);
#define KD_ROW_SEED(S)                                                                                       \
  {                                                                                                          \
    .name = "seed", .type = KD_OPT_INT, .offset = offsetof(S, seed), .initial = "none",                      \
    .help = "own stream of random numbers", .flags = KD_OPT_NONE_OK                                          \
  }

/* Some axes of a tensor moved behind the others and merged into one, for primitives of the last axis. */
typedef struct kd_axes_move {
  int perm[KD_MAX_RANK];
  kd_shape moved; /* after the transposition, before merging */
} kd_axes_move;
/* Axes as in kd_layer_axis, each once; errors are the graph's. */
kd_sym kd_axes_to_last(kd_graph *graph, kd_sym x, int n_axes, const int64_t *axes, kd_axes_move *move);
kd_sym kd_axes_restore(kd_graph *graph, kd_sym y, const kd_axes_move *move);

#endif
