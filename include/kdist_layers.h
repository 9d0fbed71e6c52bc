/* Layers with typed options: kd_conv2d(x, 32, {3, 3}, .activation = "relu").
 *
 * Made by api/generate.sh from the option tables, which `kdist layers CLASS` and docs/layers.md show with
 * types, ranges, defaults and meanings. Every field is Keras's argument of that name; what is left out, zero
 * or NULL is Keras's default. What is on by default is switched off: no_bias = true is use_bias=false.
 * Arguments that Keras requires stand behind x without a name. A list of integers ends at its first zero; a
 * single one, {3}, stands for all axes. Activations, initializers, regularizers and layers are texts: "relu",
 * "HeNormal(seed=1)", "L2(1e-4)", "LSTM(32)"; so are numbers that may be 0: "(0, 2)". Every macro also takes
 * .name, the layer's name, and .more, further arguments as text: "epsilon=0, trainable=false".
 *
 * Call arguments are fields too, behind .more: .use_causal_mask = true, .mask = steps, .initial_state = {h,
 * c}; tensors that are left out are none. .training = "true" or "false". return_attention_scores:
 * kd_net_result(y, 1).
 *
 * All return the layer's first output and record errors in the net (kd_net_status). Shapes are those of
 * Keras, channels last. Local. Included by kdist.h, which has macros for merging: kd_add, kd_concatenate ...
 */
#ifndef KDIST_LAYERS_H
#define KDIST_LAYERS_H

#include "kdist.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* --- Dense layers and look-up --- */

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

/* --- Convolution --- */

/* Conv1D: convolution over time. kd_conv1d(x, filters, kernel_size, ...) */
typedef struct kd_conv1d_args {
  kd_out x;
  int64_t filters, kernel_size, strides;
  const char *padding;
  int64_t dilation_rate, groups;
  const char *activation;
  bool no_bias;
  const char *kernel_initializer, *bias_initializer, *kernel_regularizer, *bias_regularizer,
      *activity_regularizer, *kernel_constraint, *bias_constraint, *name, *more;
} kd_conv1d_args;
kd_out kd_conv1d_call(kd_conv1d_args args);
#define kd_conv1d(x_, filters_, ...)                                                                         \
  kd_conv1d_call(KD_ARGS(kd_conv1d_args, .x = (x_), .filters = (filters_), .kernel_size = __VA_ARGS__))

/* Conv2D: convolution over images. kd_conv2d(x, filters, kernel_size, ...) */
typedef struct kd_conv2d_args {
  kd_out x;
  int64_t filters, kernel_size[2], strides[2];
  const char *padding;
  int64_t dilation_rate[2], groups;
  const char *activation;
  bool no_bias;
  const char *kernel_initializer, *bias_initializer, *kernel_regularizer, *bias_regularizer,
      *activity_regularizer, *kernel_constraint, *bias_constraint, *name, *more;
} kd_conv2d_args;
kd_out kd_conv2d_call(kd_conv2d_args args);
#define kd_conv2d(x_, filters_, ...)                                                                         \
  kd_conv2d_call(KD_ARGS(kd_conv2d_args, .x = (x_), .filters = (filters_), .kernel_size = __VA_ARGS__))

/* Conv3D: convolution over volumes. kd_conv3d(x, filters, kernel_size, ...) */
typedef struct kd_conv3d_args {
  kd_out x;
  int64_t filters, kernel_size[3], strides[3];
  const char *padding;
  int64_t dilation_rate[3], groups;
  const char *activation;
  bool no_bias;
  const char *kernel_initializer, *bias_initializer, *kernel_regularizer, *bias_regularizer,
      *activity_regularizer, *kernel_constraint, *bias_constraint, *name, *more;
} kd_conv3d_args;
kd_out kd_conv3d_call(kd_conv3d_args args);
#define kd_conv3d(x_, filters_, ...)                                                                         \
  kd_conv3d_call(KD_ARGS(kd_conv3d_args, .x = (x_), .filters = (filters_), .kernel_size = __VA_ARGS__))

/* Conv1DTranspose: transposed convolution over time. kd_conv1d_transpose(x, filters, kernel_size, ...) */
typedef struct kd_conv1d_transpose_args {
  kd_out x;
  int64_t filters, kernel_size, strides;
  const char *padding, *output_padding;
  int64_t dilation_rate;
  const char *activation;
  bool no_bias;
  const char *kernel_initializer, *bias_initializer, *kernel_regularizer, *bias_regularizer,
      *activity_regularizer, *kernel_constraint, *bias_constraint, *name, *more;
} kd_conv1d_transpose_args;
kd_out kd_conv1d_transpose_call(kd_conv1d_transpose_args args);
#define kd_conv1d_transpose(x_, filters_, ...)                                                               \
  kd_conv1d_transpose_call(                                                                                  \
      KD_ARGS(kd_conv1d_transpose_args, .x = (x_), .filters = (filters_), .kernel_size = __VA_ARGS__))

/* Conv2DTranspose: transposed convolution over images. kd_conv2d_transpose(x, filters, kernel_size, ...) */
typedef struct kd_conv2d_transpose_args {
  kd_out x;
  int64_t filters, kernel_size[2], strides[2];
  const char *padding, *output_padding;
  int64_t dilation_rate[2];
  const char *activation;
  bool no_bias;
  const char *kernel_initializer, *bias_initializer, *kernel_regularizer, *bias_regularizer,
      *activity_regularizer, *kernel_constraint, *bias_constraint, *name, *more;
} kd_conv2d_transpose_args;
kd_out kd_conv2d_transpose_call(kd_conv2d_transpose_args args);
#define kd_conv2d_transpose(x_, filters_, ...)                                                               \
  kd_conv2d_transpose_call(                                                                                  \
      KD_ARGS(kd_conv2d_transpose_args, .x = (x_), .filters = (filters_), .kernel_size = __VA_ARGS__))

/* Conv3DTranspose: transposed convolution over volumes. kd_conv3d_transpose(x, filters, kernel_size, ...) */
typedef struct kd_conv3d_transpose_args {
  kd_out x;
  int64_t filters, kernel_size[3], strides[3];
  const char *padding, *output_padding;
  int64_t dilation_rate[3];
  const char *activation;
  bool no_bias;
  const char *kernel_initializer, *bias_initializer, *kernel_regularizer, *bias_regularizer,
      *activity_regularizer, *kernel_constraint, *bias_constraint, *name, *more;
} kd_conv3d_transpose_args;
kd_out kd_conv3d_transpose_call(kd_conv3d_transpose_args args);
#define kd_conv3d_transpose(x_, filters_, ...)                                                               \
  kd_conv3d_transpose_call(                                                                                  \
      KD_ARGS(kd_conv3d_transpose_args, .x = (x_), .filters = (filters_), .kernel_size = __VA_ARGS__))

/* DepthwiseConv1D: convolution of each channel over time. kd_depthwise_conv1d(x, kernel_size, ...) */
typedef struct kd_depthwise_conv1d_args {
  kd_out x;
  int64_t kernel_size, strides;
  const char *padding;
  int64_t depth_multiplier, dilation_rate;
  const char *activation;
  bool no_bias;
  const char *depthwise_initializer, *bias_initializer, *depthwise_regularizer, *bias_regularizer,
      *activity_regularizer, *depthwise_constraint, *bias_constraint, *name, *more;
} kd_depthwise_conv1d_args;
kd_out kd_depthwise_conv1d_call(kd_depthwise_conv1d_args args);
#define kd_depthwise_conv1d(x_, ...)                                                                         \
  kd_depthwise_conv1d_call(KD_ARGS(kd_depthwise_conv1d_args, .x = (x_), .kernel_size = __VA_ARGS__))

/* DepthwiseConv2D: convolution of each channel over images. kd_depthwise_conv2d(x, kernel_size, ...) */
typedef struct kd_depthwise_conv2d_args {
  kd_out x;
  int64_t kernel_size[2], strides[2];
  const char *padding;
  int64_t depth_multiplier, dilation_rate[2];
  const char *activation;
  bool no_bias;
  const char *depthwise_initializer, *bias_initializer, *depthwise_regularizer, *bias_regularizer,
      *activity_regularizer, *depthwise_constraint, *bias_constraint, *name, *more;
} kd_depthwise_conv2d_args;
kd_out kd_depthwise_conv2d_call(kd_depthwise_conv2d_args args);
#define kd_depthwise_conv2d(x_, ...)                                                                         \
  kd_depthwise_conv2d_call(KD_ARGS(kd_depthwise_conv2d_args, .x = (x_), .kernel_size = __VA_ARGS__))

/* SeparableConv1D: depthwise, then pointwise convolution over time. kd_separable_conv1d(x, filters,
 * kernel_size, ...) */
typedef struct kd_separable_conv1d_args {
  kd_out x;
  int64_t filters, kernel_size, strides;
  const char *padding;
  int64_t dilation_rate, depth_multiplier;
  const char *activation;
  bool no_bias;
  const char *depthwise_initializer, *pointwise_initializer, *bias_initializer, *depthwise_regularizer,
      *pointwise_regularizer, *bias_regularizer, *activity_regularizer, *depthwise_constraint,
      *pointwise_constraint, *bias_constraint, *name, *more;
} kd_separable_conv1d_args;
kd_out kd_separable_conv1d_call(kd_separable_conv1d_args args);
#define kd_separable_conv1d(x_, filters_, ...)                                                               \
  kd_separable_conv1d_call(                                                                                  \
      KD_ARGS(kd_separable_conv1d_args, .x = (x_), .filters = (filters_), .kernel_size = __VA_ARGS__))

/* SeparableConv2D: depthwise, then pointwise convolution of images. kd_separable_conv2d(x, filters,
 * kernel_size, ...) */
typedef struct kd_separable_conv2d_args {
  kd_out x;
  int64_t filters, kernel_size[2], strides[2];
  const char *padding;
  int64_t dilation_rate[2], depth_multiplier;
  const char *activation;
  bool no_bias;
  const char *depthwise_initializer, *pointwise_initializer, *bias_initializer, *depthwise_regularizer,
      *pointwise_regularizer, *bias_regularizer, *activity_regularizer, *depthwise_constraint,
      *pointwise_constraint, *bias_constraint, *name, *more;
} kd_separable_conv2d_args;
kd_out kd_separable_conv2d_call(kd_separable_conv2d_args args);
#define kd_separable_conv2d(x_, filters_, ...)                                                               \
  kd_separable_conv2d_call(                                                                                  \
      KD_ARGS(kd_separable_conv2d_args, .x = (x_), .filters = (filters_), .kernel_size = __VA_ARGS__))

/* --- Pooling --- */

/* MaxPooling1D: largest value of windows of time. kd_max_pooling1d(x, ...) */
typedef struct kd_max_pooling1d_args {
  kd_out x;
  int64_t pool_size, strides;
  const char *padding, *name, *more;
} kd_max_pooling1d_args;
kd_out kd_max_pooling1d_call(kd_max_pooling1d_args args);
#define kd_max_pooling1d(...) kd_max_pooling1d_call(KD_ARGS(kd_max_pooling1d_args, .x = __VA_ARGS__))

/* MaxPooling2D: largest value of windows of images. kd_max_pooling2d(x, ...) */
typedef struct kd_max_pooling2d_args {
  kd_out x;
  int64_t pool_size[2], strides[2];
  const char *padding, *name, *more;
} kd_max_pooling2d_args;
kd_out kd_max_pooling2d_call(kd_max_pooling2d_args args);
#define kd_max_pooling2d(...) kd_max_pooling2d_call(KD_ARGS(kd_max_pooling2d_args, .x = __VA_ARGS__))

/* MaxPooling3D: largest value of windows of volumes. kd_max_pooling3d(x, ...) */
typedef struct kd_max_pooling3d_args {
  kd_out x;
  int64_t pool_size[3], strides[3];
  const char *padding, *name, *more;
} kd_max_pooling3d_args;
kd_out kd_max_pooling3d_call(kd_max_pooling3d_args args);
#define kd_max_pooling3d(...) kd_max_pooling3d_call(KD_ARGS(kd_max_pooling3d_args, .x = __VA_ARGS__))

/* AveragePooling1D: mean of windows of time. kd_average_pooling1d(x, pool_size, ...) */
typedef struct kd_average_pooling1d_args {
  kd_out x;
  int64_t pool_size, strides;
  const char *padding, *name, *more;
} kd_average_pooling1d_args;
kd_out kd_average_pooling1d_call(kd_average_pooling1d_args args);
#define kd_average_pooling1d(x_, ...)                                                                        \
  kd_average_pooling1d_call(KD_ARGS(kd_average_pooling1d_args, .x = (x_), .pool_size = __VA_ARGS__))

/* AveragePooling2D: mean of windows of images. kd_average_pooling2d(x, pool_size, ...) */
typedef struct kd_average_pooling2d_args {
  kd_out x;
  int64_t pool_size[2], strides[2];
  const char *padding, *name, *more;
} kd_average_pooling2d_args;
kd_out kd_average_pooling2d_call(kd_average_pooling2d_args args);
#define kd_average_pooling2d(x_, ...)                                                                        \
  kd_average_pooling2d_call(KD_ARGS(kd_average_pooling2d_args, .x = (x_), .pool_size = __VA_ARGS__))

/* AveragePooling3D: mean of windows of volumes. kd_average_pooling3d(x, pool_size, ...) */
typedef struct kd_average_pooling3d_args {
  kd_out x;
  int64_t pool_size[3], strides[3];
  const char *padding, *name, *more;
} kd_average_pooling3d_args;
kd_out kd_average_pooling3d_call(kd_average_pooling3d_args args);
#define kd_average_pooling3d(x_, ...)                                                                        \
  kd_average_pooling3d_call(KD_ARGS(kd_average_pooling3d_args, .x = (x_), .pool_size = __VA_ARGS__))

/* GlobalMaxPooling1D: largest value over time. kd_global_max_pooling1d(x, ...) */
typedef struct kd_global_max_pooling1d_args {
  kd_out x;
  bool keepdims;
  const char *name, *more;
} kd_global_max_pooling1d_args;
kd_out kd_global_max_pooling1d_call(kd_global_max_pooling1d_args args);
#define kd_global_max_pooling1d(...)                                                                         \
  kd_global_max_pooling1d_call(KD_ARGS(kd_global_max_pooling1d_args, .x = __VA_ARGS__))

/* GlobalMaxPooling2D: largest value of images. kd_global_max_pooling2d(x, ...) */
typedef struct kd_global_max_pooling2d_args {
  kd_out x;
  bool keepdims;
  const char *name, *more;
} kd_global_max_pooling2d_args;
kd_out kd_global_max_pooling2d_call(kd_global_max_pooling2d_args args);
#define kd_global_max_pooling2d(...)                                                                         \
  kd_global_max_pooling2d_call(KD_ARGS(kd_global_max_pooling2d_args, .x = __VA_ARGS__))

/* GlobalMaxPooling3D: largest value of volumes. kd_global_max_pooling3d(x, ...) */
typedef struct kd_global_max_pooling3d_args {
  kd_out x;
  bool keepdims;
  const char *name, *more;
} kd_global_max_pooling3d_args;
kd_out kd_global_max_pooling3d_call(kd_global_max_pooling3d_args args);
#define kd_global_max_pooling3d(...)                                                                         \
  kd_global_max_pooling3d_call(KD_ARGS(kd_global_max_pooling3d_args, .x = __VA_ARGS__))

/* GlobalAveragePooling1D: mean over time. kd_global_average_pooling1d(x, ...) */
typedef struct kd_global_average_pooling1d_args {
  kd_out x;
  bool keepdims;
  const char *name, *more;
  kd_out mask;
} kd_global_average_pooling1d_args;
kd_out kd_global_average_pooling1d_call(kd_global_average_pooling1d_args args);
#define kd_global_average_pooling1d(...)                                                                     \
  kd_global_average_pooling1d_call(KD_ARGS(kd_global_average_pooling1d_args, .x = __VA_ARGS__))

/* GlobalAveragePooling2D: mean of images. kd_global_average_pooling2d(x, ...) */
typedef struct kd_global_average_pooling2d_args {
  kd_out x;
  bool keepdims;
  const char *name, *more;
} kd_global_average_pooling2d_args;
kd_out kd_global_average_pooling2d_call(kd_global_average_pooling2d_args args);
#define kd_global_average_pooling2d(...)                                                                     \
  kd_global_average_pooling2d_call(KD_ARGS(kd_global_average_pooling2d_args, .x = __VA_ARGS__))

/* GlobalAveragePooling3D: mean of volumes. kd_global_average_pooling3d(x, ...) */
typedef struct kd_global_average_pooling3d_args {
  kd_out x;
  bool keepdims;
  const char *name, *more;
} kd_global_average_pooling3d_args;
kd_out kd_global_average_pooling3d_call(kd_global_average_pooling3d_args args);
#define kd_global_average_pooling3d(...)                                                                     \
  kd_global_average_pooling3d_call(KD_ARGS(kd_global_average_pooling3d_args, .x = __VA_ARGS__))

/* AdaptiveMaxPooling1D: largest values of a number of windows of time. kd_adaptive_max_pooling1d(x,
 * output_size, ...) */
typedef struct kd_adaptive_max_pooling1d_args {
  kd_out x;
  int64_t output_size;
  const char *name, *more;
} kd_adaptive_max_pooling1d_args;
kd_out kd_adaptive_max_pooling1d_call(kd_adaptive_max_pooling1d_args args);
#define kd_adaptive_max_pooling1d(x_, ...)                                                                   \
  kd_adaptive_max_pooling1d_call(                                                                            \
      KD_ARGS(kd_adaptive_max_pooling1d_args, .x = (x_), .output_size = __VA_ARGS__))

/* AdaptiveMaxPooling2D: largest values of a number of windows of images. kd_adaptive_max_pooling2d(x,
 * output_size, ...) */
typedef struct kd_adaptive_max_pooling2d_args {
  kd_out x;
  int64_t output_size[2];
  const char *name, *more;
} kd_adaptive_max_pooling2d_args;
kd_out kd_adaptive_max_pooling2d_call(kd_adaptive_max_pooling2d_args args);
#define kd_adaptive_max_pooling2d(x_, ...)                                                                   \
  kd_adaptive_max_pooling2d_call(                                                                            \
      KD_ARGS(kd_adaptive_max_pooling2d_args, .x = (x_), .output_size = __VA_ARGS__))

/* AdaptiveMaxPooling3D: largest values of a number of windows of volumes. kd_adaptive_max_pooling3d(x,
 * output_size, ...) */
typedef struct kd_adaptive_max_pooling3d_args {
  kd_out x;
  int64_t output_size[3];
  const char *name, *more;
} kd_adaptive_max_pooling3d_args;
kd_out kd_adaptive_max_pooling3d_call(kd_adaptive_max_pooling3d_args args);
#define kd_adaptive_max_pooling3d(x_, ...)                                                                   \
  kd_adaptive_max_pooling3d_call(                                                                            \
      KD_ARGS(kd_adaptive_max_pooling3d_args, .x = (x_), .output_size = __VA_ARGS__))

/* AdaptiveAveragePooling1D: means of a number of windows of time. kd_adaptive_average_pooling1d(x,
 * output_size, ...) */
typedef struct kd_adaptive_average_pooling1d_args {
  kd_out x;
  int64_t output_size;
  const char *name, *more;
} kd_adaptive_average_pooling1d_args;
kd_out kd_adaptive_average_pooling1d_call(kd_adaptive_average_pooling1d_args args);
#define kd_adaptive_average_pooling1d(x_, ...)                                                               \
  kd_adaptive_average_pooling1d_call(                                                                        \
      KD_ARGS(kd_adaptive_average_pooling1d_args, .x = (x_), .output_size = __VA_ARGS__))

/* AdaptiveAveragePooling2D: means of a number of windows of images. kd_adaptive_average_pooling2d(x,
 * output_size, ...) */
typedef struct kd_adaptive_average_pooling2d_args {
  kd_out x;
  int64_t output_size[2];
  const char *name, *more;
} kd_adaptive_average_pooling2d_args;
kd_out kd_adaptive_average_pooling2d_call(kd_adaptive_average_pooling2d_args args);
#define kd_adaptive_average_pooling2d(x_, ...)                                                               \
  kd_adaptive_average_pooling2d_call(                                                                        \
      KD_ARGS(kd_adaptive_average_pooling2d_args, .x = (x_), .output_size = __VA_ARGS__))

/* AdaptiveAveragePooling3D: means of a number of windows of volumes. kd_adaptive_average_pooling3d(x,
 * output_size, ...) */
typedef struct kd_adaptive_average_pooling3d_args {
  kd_out x;
  int64_t output_size[3];
  const char *name, *more;
} kd_adaptive_average_pooling3d_args;
kd_out kd_adaptive_average_pooling3d_call(kd_adaptive_average_pooling3d_args args);
#define kd_adaptive_average_pooling3d(x_, ...)                                                               \
  kd_adaptive_average_pooling3d_call(                                                                        \
      KD_ARGS(kd_adaptive_average_pooling3d_args, .x = (x_), .output_size = __VA_ARGS__))

/* --- Resizing --- */

/* UpSampling1D: each time step repeated. kd_up_sampling1d(x, ...) */
typedef struct kd_up_sampling1d_args {
  kd_out x;
  int64_t size;
  const char *name, *more;
} kd_up_sampling1d_args;
kd_out kd_up_sampling1d_call(kd_up_sampling1d_args args);
#define kd_up_sampling1d(...) kd_up_sampling1d_call(KD_ARGS(kd_up_sampling1d_args, .x = __VA_ARGS__))

/* UpSampling2D: each pixel repeated, or pixels between two. kd_up_sampling2d(x, ...) */
typedef struct kd_up_sampling2d_args {
  kd_out x;
  int64_t size[2];
  const char *interpolation, *name, *more;
} kd_up_sampling2d_args;
kd_out kd_up_sampling2d_call(kd_up_sampling2d_args args);
#define kd_up_sampling2d(...) kd_up_sampling2d_call(KD_ARGS(kd_up_sampling2d_args, .x = __VA_ARGS__))

/* UpSampling3D: each cell of a volume repeated. kd_up_sampling3d(x, ...) */
typedef struct kd_up_sampling3d_args {
  kd_out x;
  int64_t size[3];
  const char *name, *more;
} kd_up_sampling3d_args;
kd_out kd_up_sampling3d_call(kd_up_sampling3d_args args);
#define kd_up_sampling3d(...) kd_up_sampling3d_call(KD_ARGS(kd_up_sampling3d_args, .x = __VA_ARGS__))

/* ZeroPadding1D: zeros at both ends of time. kd_zero_padding1d(x, ...) */
typedef struct kd_zero_padding1d_args {
  kd_out x;
  const char *padding, *name, *more;
} kd_zero_padding1d_args;
kd_out kd_zero_padding1d_call(kd_zero_padding1d_args args);
#define kd_zero_padding1d(...) kd_zero_padding1d_call(KD_ARGS(kd_zero_padding1d_args, .x = __VA_ARGS__))

/* ZeroPadding2D: zeros around images. kd_zero_padding2d(x, ...) */
typedef struct kd_zero_padding2d_args {
  kd_out x;
  const char *padding, *name, *more;
} kd_zero_padding2d_args;
kd_out kd_zero_padding2d_call(kd_zero_padding2d_args args);
#define kd_zero_padding2d(...) kd_zero_padding2d_call(KD_ARGS(kd_zero_padding2d_args, .x = __VA_ARGS__))

/* ZeroPadding3D: zeros around volumes. kd_zero_padding3d(x, ...) */
typedef struct kd_zero_padding3d_args {
  kd_out x;
  const char *padding, *name, *more;
} kd_zero_padding3d_args;
kd_out kd_zero_padding3d_call(kd_zero_padding3d_args args);
#define kd_zero_padding3d(...) kd_zero_padding3d_call(KD_ARGS(kd_zero_padding3d_args, .x = __VA_ARGS__))

/* Cropping1D: cells taken from both ends of time. kd_cropping1d(x, ...) */
typedef struct kd_cropping1d_args {
  kd_out x;
  const char *cropping, *name, *more;
} kd_cropping1d_args;
kd_out kd_cropping1d_call(kd_cropping1d_args args);
#define kd_cropping1d(...) kd_cropping1d_call(KD_ARGS(kd_cropping1d_args, .x = __VA_ARGS__))

/* Cropping2D: cells taken from the edges of images. kd_cropping2d(x, ...) */
typedef struct kd_cropping2d_args {
  kd_out x;
  const char *cropping, *name, *more;
} kd_cropping2d_args;
kd_out kd_cropping2d_call(kd_cropping2d_args args);
#define kd_cropping2d(...) kd_cropping2d_call(KD_ARGS(kd_cropping2d_args, .x = __VA_ARGS__))

/* Cropping3D: cells taken from the faces of volumes. kd_cropping3d(x, ...) */
typedef struct kd_cropping3d_args {
  kd_out x;
  const char *cropping, *name, *more;
} kd_cropping3d_args;
kd_out kd_cropping3d_call(kd_cropping3d_args args);
#define kd_cropping3d(...) kd_cropping3d_call(KD_ARGS(kd_cropping3d_args, .x = __VA_ARGS__))

/* --- Recurrence --- */

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

/* --- Attention --- */

/* MultiHeadAttention: attention by several heads; inputs: query, value, key (none: the value).
 * kd_multi_head_attention(query, value, num_heads, key_dim, ...) */
typedef struct kd_multi_head_attention_args {
  kd_out query, value;
  int64_t num_heads, key_dim, value_dim;
  double dropout;
  bool no_bias;
  const char *output_shape;
  int64_t attention_axes[KD_MAX_RANK], sliding_window;
  bool flash_attention;
  const char *kernel_initializer, *bias_initializer, *kernel_regularizer, *bias_regularizer,
      *activity_regularizer, *kernel_constraint, *bias_constraint;
  bool use_gate;
  int64_t seed;
  const char *name, *more;
  kd_out key, query_mask, value_mask, key_mask, attention_mask;
  bool return_attention_scores, use_causal_mask;
  const char *training;
} kd_multi_head_attention_args;
kd_out kd_multi_head_attention_call(kd_multi_head_attention_args args);
#define kd_multi_head_attention(query_, value_, num_heads_, ...)                                             \
  kd_multi_head_attention_call(KD_ARGS(kd_multi_head_attention_args, .query = (query_), .value = (value_),   \
                                       .num_heads = (num_heads_), .key_dim = __VA_ARGS__))

/* GroupQueryAttention: attention whose heads of queries share keys and values; inputs: query, value, key.
 * kd_group_query_attention(query, value, head_dim, num_query_heads, num_key_value_heads, ...) */
typedef struct kd_group_query_attention_args {
  kd_out query, value;
  int64_t head_dim, num_query_heads, num_key_value_heads;
  double dropout;
  bool no_bias;
  int64_t sliding_window;
  bool flash_attention;
  const char *kernel_initializer, *bias_initializer, *kernel_regularizer, *bias_regularizer,
      *activity_regularizer, *kernel_constraint, *bias_constraint;
  bool use_gate;
  int64_t seed;
  const char *name, *more;
  kd_out key, query_mask, value_mask, key_mask, attention_mask;
  bool return_attention_scores, use_causal_mask;
  const char *training;
} kd_group_query_attention_args;
kd_out kd_group_query_attention_call(kd_group_query_attention_args args);
#define kd_group_query_attention(query_, value_, head_dim_, num_query_heads_, ...)                           \
  kd_group_query_attention_call(KD_ARGS(kd_group_query_attention_args, .query = (query_), .value = (value_), \
                                        .head_dim = (head_dim_), .num_query_heads = (num_query_heads_),      \
                                        .num_key_value_heads = __VA_ARGS__))

/* Attention: dot-product attention; inputs: query, value, key (none: the value). kd_attention(query, value,
 * ...) */
typedef struct kd_attention_args {
  kd_out query, value, key;
  bool use_scale;
  const char *score_mode;
  double dropout;
  int64_t seed;
  const char *name, *more;
  kd_out mask[8];
  bool return_attention_scores, use_causal_mask;
  const char *training;
} kd_attention_args;
kd_out kd_attention_call(kd_attention_args args);
#define kd_attention(query_, ...)                                                                            \
  kd_attention_call(KD_ARGS(kd_attention_args, .query = (query_), .value = __VA_ARGS__))

/* AdditiveAttention: Bahdanau's attention; inputs: query, value, key (none: the value).
 * kd_additive_attention(query, value, ...) */
typedef struct kd_additive_attention_args {
  kd_out query, value, key;
  bool no_scale;
  double dropout;
  int64_t seed;
  const char *name, *more;
  kd_out mask[8];
  bool return_attention_scores, use_causal_mask;
  const char *training;
} kd_additive_attention_args;
kd_out kd_additive_attention_call(kd_additive_attention_args args);
#define kd_additive_attention(query_, ...)                                                                   \
  kd_additive_attention_call(KD_ARGS(kd_additive_attention_args, .query = (query_), .value = __VA_ARGS__))

/* --- Normalisation --- */

/* BatchNormalization: normalisation of each channel by the batch's statistics. kd_batch_normalization(x, ...)
 */
typedef struct kd_batch_normalization_args {
  kd_out x;
  int64_t axis;
  double momentum, epsilon;
  bool no_center, no_scale, synchronized;
  const char *beta_initializer, *gamma_initializer, *moving_mean_initializer, *moving_variance_initializer,
      *beta_regularizer, *gamma_regularizer, *beta_constraint, *gamma_constraint, *name, *more;
  kd_out mask;
  const char *training;
} kd_batch_normalization_args;
kd_out kd_batch_normalization_call(kd_batch_normalization_args args);
#define kd_batch_normalization(...)                                                                          \
  kd_batch_normalization_call(KD_ARGS(kd_batch_normalization_args, .x = __VA_ARGS__))

/* LayerNormalization: normalisation of each sample by its own statistics. kd_layer_normalization(x, ...) */
typedef struct kd_layer_normalization_args {
  kd_out x;
  int64_t axis[KD_MAX_RANK];
  double epsilon;
  bool no_center, no_scale;
  const char *beta_initializer, *gamma_initializer, *beta_regularizer, *gamma_regularizer, *beta_constraint,
      *gamma_constraint, *name, *more;
} kd_layer_normalization_args;
kd_out kd_layer_normalization_call(kd_layer_normalization_args args);
#define kd_layer_normalization(...)                                                                          \
  kd_layer_normalization_call(KD_ARGS(kd_layer_normalization_args, .x = __VA_ARGS__))

/* GroupNormalization: normalisation of each sample by groups of channels. kd_group_normalization(x, ...) */
typedef struct kd_group_normalization_args {
  kd_out x;
  int64_t groups, axis;
  double epsilon;
  bool no_center, no_scale;
  const char *beta_initializer, *gamma_initializer, *beta_regularizer, *gamma_regularizer, *beta_constraint,
      *gamma_constraint, *name, *more;
} kd_group_normalization_args;
kd_out kd_group_normalization_call(kd_group_normalization_args args);
#define kd_group_normalization(...)                                                                          \
  kd_group_normalization_call(KD_ARGS(kd_group_normalization_args, .x = __VA_ARGS__))

/* RMSNormalization: division by the root of the mean square, times a learnt scale. kd_rms_normalization(x,
 * ...) */
typedef struct kd_rms_normalization_args {
  kd_out x;
  int64_t axis[KD_MAX_RANK];
  double epsilon;
  const char *name, *more;
} kd_rms_normalization_args;
kd_out kd_rms_normalization_call(kd_rms_normalization_args args);
#define kd_rms_normalization(...)                                                                            \
  kd_rms_normalization_call(KD_ARGS(kd_rms_normalization_args, .x = __VA_ARGS__))

/* UnitNormalization: division by the L2 norm. kd_unit_normalization(x, ...) */
typedef struct kd_unit_normalization_args {
  kd_out x;
  int64_t axis[KD_MAX_RANK];
  const char *name, *more;
} kd_unit_normalization_args;
kd_out kd_unit_normalization_call(kd_unit_normalization_args args);
#define kd_unit_normalization(...)                                                                           \
  kd_unit_normalization_call(KD_ARGS(kd_unit_normalization_args, .x = __VA_ARGS__))

/* SpectralNormalization: a layer whose kernel is kept at a spectral norm of one. kd_spectral_normalization(x,
 * layer, ...) */
typedef struct kd_spectral_normalization_args {
  kd_out x;
  const char *layer;
  int64_t power_iterations;
  const char *name, *more, *training;
} kd_spectral_normalization_args;
kd_out kd_spectral_normalization_call(kd_spectral_normalization_args args);
#define kd_spectral_normalization(x_, ...)                                                                   \
  kd_spectral_normalization_call(KD_ARGS(kd_spectral_normalization_args, .x = (x_), .layer = __VA_ARGS__))

/* Rescaling: x * scale + offset. kd_rescaling(x, scale, ...) */
typedef struct kd_rescaling_args {
  kd_out x;
  const char *scale, *offset, *name, *more;
} kd_rescaling_args;
kd_out kd_rescaling_call(kd_rescaling_args args);
#define kd_rescaling(x_, ...) kd_rescaling_call(KD_ARGS(kd_rescaling_args, .x = (x_), .scale = __VA_ARGS__))

/* --- Activations --- */

/* Activation: any activation function. kd_activation(x, activation, ...) */
typedef struct kd_activation_args {
  kd_out x;
  const char *activation, *name, *more;
} kd_activation_args;
kd_out kd_activation_call(kd_activation_args args);
#define kd_activation(x_, ...)                                                                               \
  kd_activation_call(KD_ARGS(kd_activation_args, .x = (x_), .activation = __VA_ARGS__))

/* ReLU: max(x, 0), with limits and slope. kd_relu(x, ...) */
typedef struct kd_relu_args {
  kd_out x;
  double max_value, negative_slope, threshold;
  const char *name, *more;
} kd_relu_args;
kd_out kd_relu_call(kd_relu_args args);
#define kd_relu(...) kd_relu_call(KD_ARGS(kd_relu_args, .x = __VA_ARGS__))

/* LeakyReLU: a small slope below zero. kd_leaky_relu(x, ...) */
typedef struct kd_leaky_relu_args {
  kd_out x;
  double negative_slope;
  const char *name, *more;
} kd_leaky_relu_args;
kd_out kd_leaky_relu_call(kd_leaky_relu_args args);
#define kd_leaky_relu(...) kd_leaky_relu_call(KD_ARGS(kd_leaky_relu_args, .x = __VA_ARGS__))

/* ELU: alpha (exp(x) - 1) below zero. kd_elu(x, ...) */
typedef struct kd_elu_args {
  kd_out x;
  double alpha;
  const char *name, *more;
} kd_elu_args;
kd_out kd_elu_call(kd_elu_args args);
#define kd_elu(...) kd_elu_call(KD_ARGS(kd_elu_args, .x = __VA_ARGS__))

/* PReLU: relu with a learned slope below zero. kd_prelu(x, ...) */
typedef struct kd_prelu_args {
  kd_out x;
  const char *alpha_initializer, *alpha_regularizer, *alpha_constraint;
  int64_t shared_axes[KD_MAX_RANK];
  const char *name, *more;
} kd_prelu_args;
kd_out kd_prelu_call(kd_prelu_args args);
#define kd_prelu(...) kd_prelu_call(KD_ARGS(kd_prelu_args, .x = __VA_ARGS__))

/* Softmax: exp(x) / sum(exp(x)). kd_softmax(x, ...) */
typedef struct kd_softmax_args {
  kd_out x;
  int64_t axis[KD_MAX_RANK];
  const char *name, *more;
  kd_out mask;
} kd_softmax_args;
kd_out kd_softmax_call(kd_softmax_args args);
#define kd_softmax(...) kd_softmax_call(KD_ARGS(kd_softmax_args, .x = __VA_ARGS__))

/* --- Regularisation --- */

/* Dropout: drops single numbers in training. kd_dropout(x, rate, ...) */
typedef struct kd_dropout_args {
  kd_out x;
  double rate;
  const char *noise_shape;
  int64_t seed;
  const char *name, *more, *training;
} kd_dropout_args;
kd_out kd_dropout_call(kd_dropout_args args);
#define kd_dropout(x_, ...) kd_dropout_call(KD_ARGS(kd_dropout_args, .x = (x_), .rate = __VA_ARGS__))

/* SpatialDropout1D: drops whole channels of sequences. kd_spatial_dropout1d(x, rate, ...) */
typedef struct kd_spatial_dropout1d_args {
  kd_out x;
  double rate;
  int64_t seed;
  const char *name, *more, *training;
} kd_spatial_dropout1d_args;
kd_out kd_spatial_dropout1d_call(kd_spatial_dropout1d_args args);
#define kd_spatial_dropout1d(x_, ...)                                                                        \
  kd_spatial_dropout1d_call(KD_ARGS(kd_spatial_dropout1d_args, .x = (x_), .rate = __VA_ARGS__))

/* SpatialDropout2D: drops whole channels of images. kd_spatial_dropout2d(x, rate, ...) */
typedef struct kd_spatial_dropout2d_args {
  kd_out x;
  double rate;
  int64_t seed;
  const char *name, *more, *training;
} kd_spatial_dropout2d_args;
kd_out kd_spatial_dropout2d_call(kd_spatial_dropout2d_args args);
#define kd_spatial_dropout2d(x_, ...)                                                                        \
  kd_spatial_dropout2d_call(KD_ARGS(kd_spatial_dropout2d_args, .x = (x_), .rate = __VA_ARGS__))

/* SpatialDropout3D: drops whole channels of volumes. kd_spatial_dropout3d(x, rate, ...) */
typedef struct kd_spatial_dropout3d_args {
  kd_out x;
  double rate;
  int64_t seed;
  const char *name, *more, *training;
} kd_spatial_dropout3d_args;
kd_out kd_spatial_dropout3d_call(kd_spatial_dropout3d_args args);
#define kd_spatial_dropout3d(x_, ...)                                                                        \
  kd_spatial_dropout3d_call(KD_ARGS(kd_spatial_dropout3d_args, .x = (x_), .rate = __VA_ARGS__))

/* GaussianDropout: multiplies with normal numbers of mean 1 in training. kd_gaussian_dropout(x, rate, ...) */
typedef struct kd_gaussian_dropout_args {
  kd_out x;
  double rate;
  int64_t seed;
  const char *name, *more, *training;
} kd_gaussian_dropout_args;
kd_out kd_gaussian_dropout_call(kd_gaussian_dropout_args args);
#define kd_gaussian_dropout(x_, ...)                                                                         \
  kd_gaussian_dropout_call(KD_ARGS(kd_gaussian_dropout_args, .x = (x_), .rate = __VA_ARGS__))

/* GaussianNoise: adds normal numbers in training. kd_gaussian_noise(x, stddev, ...) */
typedef struct kd_gaussian_noise_args {
  kd_out x;
  double stddev;
  int64_t seed;
  const char *name, *more, *training;
} kd_gaussian_noise_args;
kd_out kd_gaussian_noise_call(kd_gaussian_noise_args args);
#define kd_gaussian_noise(x_, ...)                                                                           \
  kd_gaussian_noise_call(KD_ARGS(kd_gaussian_noise_args, .x = (x_), .stddev = __VA_ARGS__))

/* AlphaDropout: drops numbers to selu's lower limit in training. kd_alpha_dropout(x, rate, ...) */
typedef struct kd_alpha_dropout_args {
  kd_out x;
  double rate;
  const char *noise_shape;
  int64_t seed;
  const char *name, *more, *training;
} kd_alpha_dropout_args;
kd_out kd_alpha_dropout_call(kd_alpha_dropout_args args);
#define kd_alpha_dropout(x_, ...)                                                                            \
  kd_alpha_dropout_call(KD_ARGS(kd_alpha_dropout_args, .x = (x_), .rate = __VA_ARGS__))

/* ActivityRegularization: adds a penalty of its input to the loss. kd_activity_regularization(x, ...) */
typedef struct kd_activity_regularization_args {
  kd_out x;
  const char *name, *more;
} kd_activity_regularization_args;
kd_out kd_activity_regularization_call(kd_activity_regularization_args args);
#define kd_activity_regularization(...)                                                                      \
  kd_activity_regularization_call(KD_ARGS(kd_activity_regularization_args, .x = __VA_ARGS__))

/* --- Shapes and products --- */

/* Flatten: all axes of a sample in one. kd_flatten(x, ...) */
typedef struct kd_flatten_args {
  kd_out x;
  const char *name, *more;
} kd_flatten_args;
kd_out kd_flatten_call(kd_flatten_args args);
#define kd_flatten(...) kd_flatten_call(KD_ARGS(kd_flatten_args, .x = __VA_ARGS__))

/* Reshape: the same numbers in another shape. kd_reshape(x, target_shape, ...) */
typedef struct kd_reshape_args {
  kd_out x;
  int64_t target_shape[KD_MAX_RANK];
  const char *name, *more;
} kd_reshape_args;
kd_out kd_reshape_call(kd_reshape_args args);
#define kd_reshape(x_, ...) kd_reshape_call(KD_ARGS(kd_reshape_args, .x = (x_), .target_shape = __VA_ARGS__))

/* Permute: axes in another order. kd_permute(x, dims, ...) */
typedef struct kd_permute_args {
  kd_out x;
  int64_t dims[KD_MAX_RANK];
  const char *name, *more;
} kd_permute_args;
kd_out kd_permute_call(kd_permute_args args);
#define kd_permute(x_, ...) kd_permute_call(KD_ARGS(kd_permute_args, .x = (x_), .dims = __VA_ARGS__))

/* RepeatVector: n copies of a vector. kd_repeat_vector(x, n, ...) */
typedef struct kd_repeat_vector_args {
  kd_out x;
  int64_t n;
  const char *name, *more;
} kd_repeat_vector_args;
kd_out kd_repeat_vector_call(kd_repeat_vector_args args);
#define kd_repeat_vector(x_, ...)                                                                            \
  kd_repeat_vector_call(KD_ARGS(kd_repeat_vector_args, .x = (x_), .n = __VA_ARGS__))

/* Identity: its input. kd_identity(x, ...) */
typedef struct kd_identity_args {
  kd_out x;
  const char *no, *name, *more;
} kd_identity_args;
kd_out kd_identity_call(kd_identity_args args);
#define kd_identity(...) kd_identity_call(KD_ARGS(kd_identity_args, .x = __VA_ARGS__))

/* Dot: sums of products of two inputs along one axis of each. kd_dot(a, b, axes, ...) */
typedef struct kd_dot_args {
  kd_out a, b;
  int64_t axes[KD_MAX_RANK];
  bool normalize;
  const char *name, *more;
} kd_dot_args;
kd_out kd_dot_call(kd_dot_args args);
#define kd_dot(a_, b_, ...) kd_dot_call(KD_ARGS(kd_dot_args, .a = (a_), .b = (b_), .axes = __VA_ARGS__))

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
