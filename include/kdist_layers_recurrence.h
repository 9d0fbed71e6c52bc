/* Recurrence, with typed options: see kdist_layers.h. Made by api/generate.sh. */
#ifndef KDIST_LAYERS_RECURRENCE_H
#define KDIST_LAYERS_RECURRENCE_H

#include "kdist.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* SimpleRNN: a fully connected cell over a sequence. kd_simple_rnn(x, units, ...) */
typedef struct kd_simple_rnn_args {
  kd_out x;
  int64_t units;
  const char *activation;
  bool no_bias;
  const char *kernel_initializer, *recurrent_initializer, *bias_initializer, *kernel_regularizer,
      *recurrent_regularizer, *bias_regularizer, *activity_regularizer, *kernel_constraint,
      *recurrent_constraint, *bias_constraint;
  double dropout, recurrent_dropout;
  bool return_sequences, return_state, go_backwards, stateful;
  int64_t seed;
  bool zero_output_for_mask;
  const char *name, *more;
  kd_out initial_state[8], mask;
  const char *training;
} kd_simple_rnn_args;
kd_out kd_simple_rnn_call(kd_simple_rnn_args args);
#define kd_simple_rnn(x_, ...)                                                                               \
  kd_simple_rnn_call(KD_ARGS(kd_simple_rnn_args, .x = (x_), .units = __VA_ARGS__))

/* LSTM: long short-term memory over a sequence. kd_lstm(x, units, ...) */
typedef struct kd_lstm_args {
  kd_out x;
  int64_t units;
  const char *activation, *recurrent_activation;
  bool no_bias;
  const char *kernel_initializer, *recurrent_initializer, *bias_initializer;
  bool no_unit_forget_bias;
  const char *kernel_regularizer, *recurrent_regularizer, *bias_regularizer, *activity_regularizer,
      *kernel_constraint, *recurrent_constraint, *bias_constraint;
  double dropout, recurrent_dropout;
  int64_t seed;
  bool return_sequences, return_state, go_backwards, stateful, zero_output_for_mask;
  const char *name, *more;
  kd_out initial_state[8], mask;
  const char *training;
} kd_lstm_args;
kd_out kd_lstm_call(kd_lstm_args args);
#define kd_lstm(x_, ...) kd_lstm_call(KD_ARGS(kd_lstm_args, .x = (x_), .units = __VA_ARGS__))

/* GRU: gated recurrent unit over a sequence. kd_gru(x, units, ...) */
typedef struct kd_gru_args {
  kd_out x;
  int64_t units;
  const char *activation, *recurrent_activation;
  bool no_bias;
  const char *kernel_initializer, *recurrent_initializer, *bias_initializer, *kernel_regularizer,
      *recurrent_regularizer, *bias_regularizer, *activity_regularizer, *kernel_constraint,
      *recurrent_constraint, *bias_constraint;
  double dropout, recurrent_dropout;
  int64_t seed;
  bool return_sequences, return_state, go_backwards, stateful, no_reset_after, zero_output_for_mask;
  const char *name, *more;
  kd_out initial_state[8], mask;
  const char *training;
} kd_gru_args;
kd_out kd_gru_call(kd_gru_args args);
#define kd_gru(x_, ...) kd_gru_call(KD_ARGS(kd_gru_args, .x = (x_), .units = __VA_ARGS__))

/* RNN: any cells over a sequence. kd_rnn(x, cell, ...) */
typedef struct kd_rnn_args {
  kd_out x;
  const char *cell;
  bool return_sequences, return_state, go_backwards, stateful, zero_output_for_mask;
  const char *name, *more;
  kd_out initial_state[8], mask;
  const char *training;
} kd_rnn_args;
kd_out kd_rnn_call(kd_rnn_args args);
#define kd_rnn(x_, ...) kd_rnn_call(KD_ARGS(kd_rnn_args, .x = (x_), .cell = __VA_ARGS__))

/* Bidirectional: a recurrent layer in both directions. kd_bidirectional(x, layer, ...) */
typedef struct kd_bidirectional_args {
  kd_out x;
  const char *layer, *merge_mode, *backward_layer, *name, *more;
  kd_out initial_state[8], mask;
  const char *training;
} kd_bidirectional_args;
kd_out kd_bidirectional_call(kd_bidirectional_args args);
#define kd_bidirectional(x_, ...)                                                                            \
  kd_bidirectional_call(KD_ARGS(kd_bidirectional_args, .x = (x_), .layer = __VA_ARGS__))

/* TimeDistributed: a layer applied to every step of a sequence. kd_time_distributed(x, layer, ...) */
typedef struct kd_time_distributed_args {
  kd_out x;
  const char *layer, *name, *more;
  kd_out mask;
  const char *training;
} kd_time_distributed_args;
kd_out kd_time_distributed_call(kd_time_distributed_args args);
#define kd_time_distributed(x_, ...)                                                                         \
  kd_time_distributed_call(KD_ARGS(kd_time_distributed_args, .x = (x_), .layer = __VA_ARGS__))

/* Masking: steps of a certain value are passed over by later layers. kd_masking(x, ...) */
typedef struct kd_masking_args {
  kd_out x;
  double mask_value;
  const char *name, *more;
} kd_masking_args;
kd_out kd_masking_call(kd_masking_args args);
#define kd_masking(...) kd_masking_call(KD_ARGS(kd_masking_args, .x = __VA_ARGS__))

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
