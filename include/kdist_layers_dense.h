/* Dense layers and look-up, with typed options: see kdist_layers.h. Made by api/generate.sh. */
#ifndef KDIST_LAYERS_DENSE_H
#define KDIST_LAYERS_DENSE_H

#include "kdist.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Dense: fully connected layer. kd_dense(x, units, ...) */
typedef struct kd_dense_args {
  kd_out x;
  int64_t units;
  const char *activation;
  bool no_bias;
  const char *kernel_initializer, *bias_initializer, *kernel_regularizer, *bias_regularizer,
      *activity_regularizer, *kernel_constraint, *bias_constraint, *name, *more, *training;
} kd_dense_args;
kd_out kd_dense_call(kd_dense_args args);
#define kd_dense(x_, ...) kd_dense_call(KD_ARGS(kd_dense_args, .x = (x_), .units = __VA_ARGS__))

/* EinsumDense: dense layer by an Einstein sum. kd_einsum_dense(x, equation, output_shape, ...) */
typedef struct kd_einsum_dense_args {
  kd_out x;
  const char *equation, *output_shape, *activation, *bias_axes, *kernel_initializer, *bias_initializer,
      *kernel_regularizer, *bias_regularizer, *activity_regularizer, *kernel_constraint, *bias_constraint,
      *name, *more, *training;
} kd_einsum_dense_args;
kd_out kd_einsum_dense_call(kd_einsum_dense_args args);
#define kd_einsum_dense(x_, equation_, ...)                                                                  \
  kd_einsum_dense_call(                                                                                      \
      KD_ARGS(kd_einsum_dense_args, .x = (x_), .equation = (equation_), .output_shape = __VA_ARGS__))

/* Embedding: a learned vector for each index. kd_embedding(x, input_dim, output_dim, ...) */
typedef struct kd_embedding_args {
  kd_out x;
  int64_t input_dim, output_dim;
  const char *embeddings_initializer, *embeddings_regularizer, *embeddings_constraint;
  bool mask_zero;
  const char *name, *more;
} kd_embedding_args;
kd_out kd_embedding_call(kd_embedding_args args);
#define kd_embedding(x_, input_dim_, ...)                                                                    \
  kd_embedding_call(                                                                                         \
      KD_ARGS(kd_embedding_args, .x = (x_), .input_dim = (input_dim_), .output_dim = __VA_ARGS__))

/* ReversibleEmbedding: a learned vector for each index, and with reverse = true the way back.
 * kd_reversible_embedding(x, input_dim, output_dim, ...) */
typedef struct kd_reversible_embedding_args {
  kd_out x;
  int64_t input_dim, output_dim;
  bool no_tie_weights;
  const char *embeddings_initializer, *embeddings_regularizer, *embeddings_constraint;
  bool mask_zero;
  double logit_soft_cap;
  const char *name, *more;
  bool reverse;
} kd_reversible_embedding_args;
kd_out kd_reversible_embedding_call(kd_reversible_embedding_args args);
#define kd_reversible_embedding(x_, input_dim_, ...)                                                         \
  kd_reversible_embedding_call(KD_ARGS(kd_reversible_embedding_args, .x = (x_), .input_dim = (input_dim_),   \
                                       .output_dim = __VA_ARGS__))

/* PositionEmbedding: a learnt vector for each step, in the input's shape (KerasHub). kd_position_embedding(x,
 * sequence_length, ...) */
typedef struct kd_position_embedding_args {
  kd_out x;
  int64_t sequence_length;
  const char *initializer, *name, *more;
  int64_t start_index;
} kd_position_embedding_args;
kd_out kd_position_embedding_call(kd_position_embedding_args args);
#define kd_position_embedding(x_, ...)                                                                       \
  kd_position_embedding_call(KD_ARGS(kd_position_embedding_args, .x = (x_), .sequence_length = __VA_ARGS__))

/* SinePositionEncoding: sines and cosines of the step, in the input's shape (KerasHub).
 * kd_sine_position_encoding(x, ...) */
typedef struct kd_sine_position_encoding_args {
  kd_out x;
  double max_wavelength;
  const char *name, *more;
  int64_t start_index;
} kd_sine_position_encoding_args;
kd_out kd_sine_position_encoding_call(kd_sine_position_encoding_args args);
#define kd_sine_position_encoding(...)                                                                       \
  kd_sine_position_encoding_call(KD_ARGS(kd_sine_position_encoding_args, .x = __VA_ARGS__))

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
