/* LSTM, GRU, SimpleRNN and RNN (keras/src/layers/rnn). */
#include "layers/kinds/rnn_tables.h"

typedef struct cell_layer_options {
  kd_cell_options cell; /* must be first */
  kd_walk_options walk;
  kd_object activity_regularizer;
  int use_cudnn;
} cell_layer_options;

typedef struct rnn_options {
  kd_objects cell;
  kd_walk_options walk;
} rnn_options;

static void check_rnn(const void *options, kd_diag *diag, kd_origin origin) {
  const rnn_options *o = options;
  if (o->cell.count == 0) kd_diag_error(diag, origin, "cell is empty: a cell or a list of cells is needed");
  for (int i = 0; o->cell.count > 1 && i < o->cell.count; i++)
    if (o->cell.v[i].kind && !((const kd_cell_kind *)o->cell.v[i].kind)->form)
      kd_diag_error(diag, origin, "a stack of cells in a list is not available: list the cells in one");
}

/* StackedRNNCells([...]) is the list itself. */
static void read_cells(const kd_objects *cells, kd_rnn *rnn) {
  const kd_cell_kind *first = (const kd_cell_kind *)cells->v[0].kind;
  rnn->stack = cells->count > 1 ? cells : NULL;
  if (cells->count > 1) return;
  if (!first->form) {
    rnn->stack = &((const kd_cells_options *)cells->v[0].options)->cells;
  } else {
    rnn->cell = first;
    rnn->cell_options = cells->v[0].options;
  }
}

bool kd_rnn_read(const kd_layer_kind *kind, const void *options, kd_rnn *rnn) {
  *rnn = (kd_rnn){0};
  if (kind == &kd_layer_rnn) {
    const rnn_options *o = options;
    rnn->walk = &o->walk;
    read_cells(&o->cell, rnn);
  } else {
    const cell_layer_options *o = options;
    if (kind == &kd_layer_lstm) rnn->cell = &kd_cell_lstm;
    if (kind == &kd_layer_gru) rnn->cell = &kd_cell_gru;
    if (kind == &kd_layer_simple_rnn) rnn->cell = &kd_cell_simple_rnn;
    if (!rnn->cell) return false;
    rnn->walk = &o->walk;
    rnn->cell_options = &o->cell;
    rnn->activity = &o->activity_regularizer;
  }
  rnn->zero_masked = rnn->walk->zero_output_for_mask;
  return true;
}

static kd_status rnn_build(kd_build *build, const kd_layer *layer, int n_inputs, const kd_sym *inputs,
                           kd_sym *outputs) {
  kd_rnn rnn;
  KD_CHECK(kd_rnn_read(layer->kind, layer->options, &rnn), KD_ERR_INTERNAL, "not a recurrent layer");
  int states = kd_rnn_states(&rnn);
  KD_CHECK(n_inputs == 1 || n_inputs == 1 + states, KD_ERR_USAGE,
           "initial_state has %d tensor%s, but the state has %d", n_inputs - 1, n_inputs == 2 ? "" : "s",
           states);
  if (rnn.walk->return_sequences) build->output_mask[0] = build->input_mask[0];
  return kd_rnn_build(build, &rnn, "", inputs[0], n_inputs > 1 ? inputs + 1 : NULL, outputs);
}

static int count_of(const kd_layer_kind *kind, const void *options) {
  kd_rnn rnn;
  return kd_rnn_read(kind, options, &rnn) && rnn.walk->return_state ? 1 + kd_rnn_states(&rnn) : 1;
}

static int state_group(const kd_layer_kind *kind, const void *options, int number) {
  kd_rnn rnn;
  return kd_rnn_read(kind, options, &rnn) ? kd_rnn_cell_states(&rnn, number) : 0;
}

#define ROW_ACTIVITY KD_ROW_REGULARIZER(cell_layer_options, activity_regularizer)
#define ROW_CUDNN                                                                                            \
  KD_ROW_CHOICE(cell_layer_options, use_cudnn, "auto", "auto|true|false", "accepted; makes no difference")

static const kd_option lstm_table[] = {KD_ROWS_GATED,
                                       KD_ROWS_INITIALIZERS,
                                       KD_ROW_FORGET_BIAS,
                                       KD_ROWS_REGULARIZERS,
                                       ROW_ACTIVITY,
                                       KD_ROWS_CONSTRAINTS,
                                       KD_ROWS_DROPOUT,
                                       KD_ROW_CELL_SEED,
                                       KD_ROWS_WALK(cell_layer_options),
                                       ROW_CUDNN,
                                       KD_ROW_ZERO_OUTPUT(cell_layer_options),
                                       KD_ROW_END};
static const kd_option gru_table[] = {KD_ROWS_GATED,
                                      KD_ROWS_INITIALIZERS,
                                      KD_ROWS_REGULARIZERS,
                                      ROW_ACTIVITY,
                                      KD_ROWS_CONSTRAINTS,
                                      KD_ROWS_DROPOUT,
                                      KD_ROW_CELL_SEED,
                                      KD_ROWS_WALK(cell_layer_options),
                                      KD_ROW_RESET_AFTER,
                                      ROW_CUDNN,
                                      KD_ROW_ZERO_OUTPUT(cell_layer_options),
                                      KD_ROW_END};
static const kd_option simple_table[] = {KD_ROWS_SIMPLE,
                                         KD_ROWS_INITIALIZERS,
                                         KD_ROWS_REGULARIZERS,
                                         ROW_ACTIVITY,
                                         KD_ROWS_CONSTRAINTS,
                                         KD_ROWS_DROPOUT,
                                         KD_ROWS_WALK(cell_layer_options),
                                         KD_ROW_CELL_SEED,
                                         KD_ROW_ZERO_OUTPUT(cell_layer_options),
                                         KD_ROW_END};
static const kd_option rnn_table[] = {
    {.name = "cell",
     .type = KD_OPT_OBJECTS,
     .offset = offsetof(rnn_options, cell),
     .help = "a cell, or a list of two or more, each on the one before",
     .family = &kd_cell_family},
    KD_ROWS_WALK(rnn_options),
    KD_ROW_ZERO_OUTPUT(rnn_options),
    KD_ROW_END,
};

static const kd_call_arg call_args[] = {
    {"initial_state", KD_CALL_TENSORS, "the state before the first step, one tensor for each of its parts"},
    KD_CALL_ROW_MASK,
    KD_CALL_ROW_END,
};

#define LAYER(id, class, text, table, struct_type, checks)                                                   \
  const kd_layer_kind kd_layer_##id = {                                                                      \
      .base = {.name = class,                                                                                \
               .help = text,                                                                                 \
               .options = table,                                                                             \
               .options_size = sizeof(struct_type),                                                          \
               .check = checks},                                                                             \
      .min_inputs = 1,                                                                                       \
      .count_outputs = count_of,                                                                             \
      .build = rnn_build,                                                                                    \
      .mask = KD_MASK_OWN,                                                                                   \
      .call_args = call_args,                                                                                \
      .state_group = state_group,                                                                            \
      .takes_training = true,                                                                                \
  };
LAYER(gru, "GRU", "gated recurrent unit over a sequence", gru_table, cell_layer_options, kd_cell_check)
LAYER(lstm, "LSTM", "long short-term memory over a sequence", lstm_table, cell_layer_options, kd_cell_check)
LAYER(rnn, "RNN", "any cells over a sequence", rnn_table, rnn_options, check_rnn)
LAYER(simple_rnn, "SimpleRNN", "a fully connected cell over a sequence", simple_table, cell_layer_options,
      kd_cell_check)
