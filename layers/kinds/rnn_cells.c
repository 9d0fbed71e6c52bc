/* Cells: LSTMCell, GRUCell, SimpleRNNCell, StackedRNNCells (keras/src/layers/rnn). */
#include <string.h>

#include "layers/kinds/activations.h"
#include "layers/kinds/rnn_tables.h"

static kd_cell lstm_form(const kd_cell_options *o) {
  (void)o;
  return KD_CELL_LSTM;
}

static kd_cell gru_form(const kd_cell_options *o) {
  return o->reset_after ? KD_CELL_GRU : KD_CELL_GRU_BEFORE;
}

static kd_cell simple_form(const kd_cell_options *o) {
  (void)o;
  return KD_CELL_SIMPLE;
}

/* Functions with other arguments than Keras's defaults have no form in the primitive. */
static bool plain_arguments(const kd_object *activation) {
  const kd_activation_options *o = activation->options;
  if (!strcmp(activation->kind->name, "relu"))
    return o->negative_slope == 0 && o->threshold == 0 && o->max_value == KD_UNSET_FLOAT;
  return strcmp(activation->kind->name, "elu") || o->alpha == 1;
}

bool kd_cell_function(const kd_object *activation, kd_cell_fn *fn) {
  static const char *const names[] = {
#define KD_CELL_FN(ID, name) #name,
      KD_CELL_FN_LIST
#undef KD_CELL_FN
  };
  *fn = KD_CELL_FN_LINEAR;
  if (!activation->kind) return true;
  for (int i = 0; i < KD_N_CELL_FNS; i++)
    if (!strcmp(names[i], activation->kind->name)) {
      *fn = (kd_cell_fn)i;
      return plain_arguments(activation);
    }
  return false;
}

static void check_function(const char *name, const kd_object *activation, kd_diag *diag, kd_origin origin) {
  static const char list[] =
#define KD_CELL_FN(ID, function) #function ", "
      KD_CELL_FN_LIST
#undef KD_CELL_FN
      ;
  kd_cell_fn fn;
  if (kd_cell_function(activation, &fn)) return;
  kd_diag_error(diag, origin,
                "%s = %s is not available in recurrent layers; available are %.*s (with default arguments)",
                name, activation->kind->name, (int)(sizeof list - 3), list);
}

void kd_cell_check(const void *options, kd_diag *diag, kd_origin origin) {
  const kd_cell_options *o = options;
  check_function("activation", &o->activation, diag, origin);
  check_function("recurrent_activation", &o->recurrent_activation, diag, origin);
}

static void check_stack(const void *options, kd_diag *diag, kd_origin origin) {
  const kd_objects *cells = &((const kd_cells_options *)options)->cells;
  if (cells->count == 0) kd_diag_error(diag, origin, "cells is empty: at least one cell is needed");
  for (int i = 0; i < cells->count; i++)
    if (cells->v[i].kind && !((const kd_cell_kind *)cells->v[i].kind)->form)
      kd_diag_error(diag, origin, "a stack of cells in a stack is not available: list the cells in one");
}

static const kd_option lstm_table[] = {
    KD_ROWS_GATED,       KD_ROWS_INITIALIZERS, KD_ROW_FORGET_BIAS, KD_ROWS_REGULARIZERS,
    KD_ROWS_CONSTRAINTS, KD_ROWS_DROPOUT,      KD_ROW_CELL_SEED,   KD_ROW_END,
};
static const kd_option gru_table[] = {
    KD_ROWS_GATED,   KD_ROWS_INITIALIZERS, KD_ROWS_REGULARIZERS, KD_ROWS_CONSTRAINTS,
    KD_ROWS_DROPOUT, KD_ROW_RESET_AFTER,   KD_ROW_CELL_SEED,     KD_ROW_END,
};
static const kd_option simple_table[] = {
    KD_ROWS_SIMPLE,  KD_ROWS_INITIALIZERS, KD_ROWS_REGULARIZERS, KD_ROWS_CONSTRAINTS,
    KD_ROWS_DROPOUT, KD_ROW_CELL_SEED,     KD_ROW_END,
};
static const kd_option stack_table[] = {
    {.name = "cells",
     .type = KD_OPT_OBJECTS,
     .offset = offsetof(kd_cells_options, cells),
     .help = "cells, each takes the output of the one before",
     .flags = KD_OPT_LIST,
     .family = &kd_cell_family},
    KD_ROW_END,
};

#define CELL(id, class, text, table, struct_type, checks, group_name, form_of)                               \
  const kd_cell_kind kd_cell_##id = {.base = {.name = class,                                                 \
                                              .help = text,                                                  \
                                              .options = table,                                              \
                                              .options_size = sizeof(struct_type),                           \
                                              .check = checks},                                              \
                                     .group = group_name,                                                    \
                                     .form = form_of};
CELL(gru, "GRUCell", "a step of GRU", gru_table, kd_cell_options, kd_cell_check, "gru_cell", gru_form)
CELL(lstm, "LSTMCell", "a step of LSTM", lstm_table, kd_cell_options, kd_cell_check, "lstm_cell", lstm_form)
CELL(simple_rnn, "SimpleRNNCell", "a step of SimpleRNN", simple_table, kd_cell_options, kd_cell_check,
     "simple_rnn_cell", simple_form)
static CELL(stacked, "StackedRNNCells", "several cells, one on another", stack_table, kd_cells_options,
            check_stack, "stacked_rnn_cells", NULL)

    static const kd_kind *const kinds[] = {&kd_cell_gru.base, &kd_cell_lstm.base, &kd_cell_simple_rnn.base,
                                           &kd_cell_stacked.base};
const kd_family kd_cell_family = {"cell", kinds, sizeof kinds / sizeof *kinds};
