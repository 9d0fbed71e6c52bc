/* Rows of the option tables of cells and of the layers made of them; offsets are those of kd_cell_options,
 * with which both structs begin. */
#ifndef KD_RNN_TABLES_H
#define KD_RNN_TABLES_H

#include "layers/kinds/rnn.h"

#define KD_ROW_UNITS                                                                                         \
  KD_ROW_INT(kd_cell_options, units, NULL, 1, KD_SIZE_LIMIT, "size of the output and the state")
#define KD_ROW_FUNCTION(field, start, text)                                                                  \
  {                                                                                                          \
    .name = #field, .type = KD_OPT_OBJECT, .offset = offsetof(kd_cell_options, field), .initial = start,     \
    .help = text, .flags = KD_OPT_NONE_OK, .family = &kd_activation_family                                   \
  }
#define KD_ROWS_SIMPLE                                                                                       \
  KD_ROW_UNITS, KD_ROW_FUNCTION(activation, "tanh", "function of the state; none: linear"),                  \
      KD_ROW_BOOL(kd_cell_options, use_bias, "true", "add a bias")
#define KD_ROWS_GATED                                                                                        \
  KD_ROW_UNITS, KD_ROW_FUNCTION(activation, "tanh", "function of the state; none: linear"),                  \
      KD_ROW_FUNCTION(recurrent_activation, "sigmoid", "function of the gates; none: linear"),               \
      KD_ROW_BOOL(kd_cell_options, use_bias, "true", "add a bias")
#define KD_ROWS_INITIALIZERS                                                                                 \
  KD_ROW_INITIALIZER(kd_cell_options, kernel_initializer, "glorot_uniform"),                                 \
      KD_ROW_INITIALIZER(kd_cell_options, recurrent_initializer, "orthogonal"),                              \
      KD_ROW_INITIALIZER(kd_cell_options, bias_initializer, "zeros")
#define KD_ROW_FORGET_BIAS                                                                                   \
  KD_ROW_BOOL(kd_cell_options, unit_forget_bias, "true", "the bias of the forget gate starts at 1")
#define KD_ROWS_REGULARIZERS                                                                                 \
  KD_ROW_REGULARIZER(kd_cell_options, kernel_regularizer),                                                   \
      KD_ROW_REGULARIZER(kd_cell_options, recurrent_regularizer),                                            \
      KD_ROW_REGULARIZER(kd_cell_options, bias_regularizer)
#define KD_ROWS_CONSTRAINTS                                                                                  \
  KD_ROW_CONSTRAINT(kd_cell_options, kernel_constraint),                                                     \
      KD_ROW_CONSTRAINT(kd_cell_options, recurrent_constraint),                                              \
      KD_ROW_CONSTRAINT(kd_cell_options, bias_constraint)
#define KD_ROW_SHARE(field, text)                                                                            \
  {                                                                                                          \
    .name = #field, .type = KD_OPT_FLOAT, .offset = offsetof(kd_cell_options, field), .initial = "0.0",      \
    .help = text, .min = 0, .max = 1, .flags = KD_OPT_OPEN_MAX                                               \
  }
#define KD_ROWS_DROPOUT                                                                                      \
  KD_ROW_SHARE(dropout, "share of the input that is dropped, the same for all steps"),                       \
      KD_ROW_SHARE(recurrent_dropout, "share of the state that is dropped in the products")
#define KD_ROW_CELL_SEED KD_ROW_SEED(kd_cell_options)
#define KD_ROW_RESET_AFTER                                                                                   \
  KD_ROW_BOOL(kd_cell_options, reset_after, "true",                                                          \
              "reset gate after the product with the state, else before it")

/* The function of an activation; false when recurrent layers do not have it. */
bool kd_cell_function(const kd_object *activation, kd_cell_fn *fn);

#endif
