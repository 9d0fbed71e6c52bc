/* Recurrent layers: cells, and layers that walk sequences with them.
 *
 * LSTM, GRU and SimpleRNN are a cell and a walk; RNN is a walk with any cells; Bidirectional is two walks. */
#ifndef KD_RNN_H
#define KD_RNN_H

#include "layers/kinds/kinds.h"

/* Options of all cells; each table fills what its class has. */
typedef struct kd_cell_options {
  int64_t units;
  kd_object activation, recurrent_activation;
  bool use_bias, unit_forget_bias, reset_after;
  kd_object kernel_initializer, recurrent_initializer, bias_initializer;
  kd_object kernel_regularizer, recurrent_regularizer, bias_regularizer;
  kd_object kernel_constraint, recurrent_constraint, bias_constraint;
  double dropout, recurrent_dropout;
  int64_t seed;
} kd_cell_options;

typedef struct kd_cell_kind {
  kd_kind base;
  const char *group;                         /* in weights files: "lstm_cell" */
  kd_cell (*form)(const kd_cell_options *o); /* the primitive's cell; NULL: a stack of cells */
} kd_cell_kind;

extern const kd_cell_kind kd_cell_lstm, kd_cell_gru, kd_cell_simple_rnn;

typedef struct kd_cells_options {
  kd_objects cells;
} kd_cells_options;

/* For the check of a table whose struct begins with kd_cell_options. */
void kd_cell_check(const void *options, kd_diag *diag, kd_origin origin);

/* How a sequence is walked and what comes out. */
typedef struct kd_walk_options {
  bool return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask;
} kd_walk_options;

/* Rows of option tables. S: the layer's struct, which has a member `walk`. */
#define KD_ROW_WALK(S, field, text)                                                                          \
  { .name = #field, .type = KD_OPT_BOOL, .offset = offsetof(S, walk.field), .initial = "false", .help = text }
#define KD_ROWS_WALK(S)                                                                                      \
  KD_ROW_WALK(S, return_sequences, "give all steps, else the last one"),                                     \
      KD_ROW_WALK(S, return_state, "give the last state too"),                                               \
      KD_ROW_WALK(S, go_backwards, "walk from the last step to the first"),                                  \
      KD_ROW_WALK(S, stateful, "keep the state from batch to batch; needs a fixed batch_size of [input]"),   \
      KD_ROW_WALK(S, unroll, "accepted; makes no difference")
#define KD_ROW_ZERO_OUTPUT(S)                                                                                \
  KD_ROW_WALK(S, zero_output_for_mask, "masked steps give zeros, else the output before them")

/* A recurrent layer as Bidirectional and the layers themselves see it. */
typedef struct kd_rnn {
  const kd_walk_options *walk;
  const kd_object *activity; /* regularizer of the outputs, or NULL */
  const kd_cell_kind *cell;  /* a single cell, else NULL and a stack */
  const kd_cell_options *cell_options;
  const kd_objects *stack;
  bool zero_masked;   /* zero_output_for_mask, or what Bidirectional wants */
  bool in_time_order; /* sequences come in the order of the input also when walked backwards */
} kd_rnn;

/* Reads a layer; false when its kind is not recurrent. */
bool kd_rnn_read(const kd_layer_kind *kind, const void *options, kd_rnn *rnn);
int kd_rnn_states(const kd_rnn *rnn); /* number of tensors of the state: h, c of each cell */
/* Those of one cell of a stack; 0: no stack, or no such cell. */
int kd_rnn_cell_states(const kd_rnn *rnn, int number);

/* The nodes of one walk; weights stand under `part`/cell (part may be ""). states: NULL, or kd_rnn_states
 * tensors. outputs: y, then with return_state the last states. */
kd_status kd_rnn_build(kd_build *build, const kd_rnn *rnn, const char *part, kd_sym x, const kd_sym *states,
                       kd_sym *outputs);

/* One cell over a sequence (rnn_cell_build.c). state: (batch, S u) or KD_NO_SYM. flags of device/recurrent.h:
 * direction and masked steps; mask KD_NO_SYM: none. Gives y of all steps and the last state (batch, S u). */
typedef struct kd_cell_call {
  const kd_cell_kind *kind;
  const kd_cell_options *options;
  const char *part;
  kd_sym x, state, mask;
  int flags;
} kd_cell_call;
kd_sym kd_cell_build(kd_build *build, const kd_cell_call *call, kd_sym *last_state);

/* [bias, ones, bias, bias]: the forget gate starts open (orthogonal.c). Memory is the pool's. */
kd_object kd_forget_bias(kd_pool *pool, const kd_object *bias_initializer, int64_t units);

#endif
