/* The usual layers with typed options: kd_conv2d(x, 32, {3, 3}, .activation = "relu").
 *
 * Made by api/generate.sh from the option tables, which `kdist layers CLASS` and docs/layers.md show with
 * types, ranges, defaults and meanings. Every field is Keras's argument of that name; what is left out, zero
 * or NULL is Keras's default. What is on by default is switched off: no_bias = true is use_bias=false.
 * Arguments that Keras requires stand behind x without a name. A list of integers ends at its first zero; a
 * single one, {3}, stands for all axes. Activations, initializers, regularizers and layers are texts: "relu",
 * "HeNormal(seed=1)", "L2(1e-4)", "LSTM(32)". Every macro also takes .name, the layer's name, and .more,
 * further arguments as text: "epsilon=0, trainable=false".
 *
 * All return the layer's first output and record errors in the net (kd_net_status). Shapes are those of
 * Keras, channels last. Local. Included by kdist.h; all other classes: kd_net_layer. */
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
      *activity_regularizer, *name, *more;
} kd_dense_args;
kd_out kd_dense_call(kd_dense_args args);
#define kd_dense(x_, ...) kd_dense_call(KD_ARGS(kd_dense_args, .x = (x_), .units = __VA_ARGS__))

/* Embedding: a learned vector for each index. kd_embedding(x, input_dim, output_dim, ...) */
typedef struct kd_embedding_args {
  kd_out x;
  int64_t input_dim, output_dim;
  const char *embeddings_initializer, *embeddings_regularizer;
  bool mask_zero;
  const char *name, *more;
} kd_embedding_args;
kd_out kd_embedding_call(kd_embedding_args args);
#define kd_embedding(x_, input_dim_, ...)                                                                    \
  kd_embedding_call(                                                                                         \
      KD_ARGS(kd_embedding_args, .x = (x_), .input_dim = (input_dim_), .output_dim = __VA_ARGS__))

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
      *activity_regularizer, *name, *more;
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
      *activity_regularizer, *name, *more;
} kd_conv2d_args;
kd_out kd_conv2d_call(kd_conv2d_args args);
#define kd_conv2d(x_, filters_, ...)                                                                         \
  kd_conv2d_call(KD_ARGS(kd_conv2d_args, .x = (x_), .filters = (filters_), .kernel_size = __VA_ARGS__))

/* Conv2DTranspose: transposed convolution over images. kd_conv2d_transpose(x, filters, kernel_size, ...) */
typedef struct kd_conv2d_transpose_args {
  kd_out x;
  int64_t filters, kernel_size[2], strides[2];
  const char *padding;
  int64_t output_padding[2], dilation_rate[2];
  const char *activation;
  bool no_bias;
  const char *kernel_initializer, *bias_initializer, *kernel_regularizer, *bias_regularizer,
      *activity_regularizer, *name, *more;
} kd_conv2d_transpose_args;
kd_out kd_conv2d_transpose_call(kd_conv2d_transpose_args args);
#define kd_conv2d_transpose(x_, filters_, ...)                                                               \
  kd_conv2d_transpose_call(                                                                                  \
      KD_ARGS(kd_conv2d_transpose_args, .x = (x_), .filters = (filters_), .kernel_size = __VA_ARGS__))

/* DepthwiseConv2D: convolution of each channel over images. kd_depthwise_conv2d(x, kernel_size, ...) */
typedef struct kd_depthwise_conv2d_args {
  kd_out x;
  int64_t kernel_size[2], strides[2];
  const char *padding;
  int64_t depth_multiplier, dilation_rate[2];
  const char *activation;
  bool no_bias;
  const char *depthwise_initializer, *bias_initializer, *depthwise_regularizer, *bias_regularizer,
      *activity_regularizer, *name, *more;
} kd_depthwise_conv2d_args;
kd_out kd_depthwise_conv2d_call(kd_depthwise_conv2d_args args);
#define kd_depthwise_conv2d(x_, ...)                                                                         \
  kd_depthwise_conv2d_call(KD_ARGS(kd_depthwise_conv2d_args, .x = (x_), .kernel_size = __VA_ARGS__))

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
      *pointwise_regularizer, *bias_regularizer, *activity_regularizer, *name, *more;
} kd_separable_conv2d_args;
kd_out kd_separable_conv2d_call(kd_separable_conv2d_args args);
#define kd_separable_conv2d(x_, filters_, ...)                                                               \
  kd_separable_conv2d_call(                                                                                  \
      KD_ARGS(kd_separable_conv2d_args, .x = (x_), .filters = (filters_), .kernel_size = __VA_ARGS__))

/* --- Pooling and resizing --- */

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

/* AveragePooling2D: mean of windows of images. kd_average_pooling2d(x, pool_size, ...) */
typedef struct kd_average_pooling2d_args {
  kd_out x;
  int64_t pool_size[2], strides[2];
  const char *padding, *name, *more;
} kd_average_pooling2d_args;
kd_out kd_average_pooling2d_call(kd_average_pooling2d_args args);
#define kd_average_pooling2d(x_, ...)                                                                        \
  kd_average_pooling2d_call(KD_ARGS(kd_average_pooling2d_args, .x = (x_), .pool_size = __VA_ARGS__))

/* GlobalAveragePooling1D: mean over time. kd_global_average_pooling1d(x, ...) */
typedef struct kd_global_average_pooling1d_args {
  kd_out x;
  bool keepdims;
  const char *name, *more;
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

/* UpSampling2D: each pixel repeated, or pixels between two. kd_up_sampling2d(x, ...) */
typedef struct kd_up_sampling2d_args {
  kd_out x;
  int64_t size[2];
  const char *interpolation, *name, *more;
} kd_up_sampling2d_args;
kd_out kd_up_sampling2d_call(kd_up_sampling2d_args args);
#define kd_up_sampling2d(...) kd_up_sampling2d_call(KD_ARGS(kd_up_sampling2d_args, .x = __VA_ARGS__))

/* ZeroPadding2D: zeros around images. kd_zero_padding2d(x, ...) */
typedef struct kd_zero_padding2d_args {
  kd_out x;
  const char *padding, *name, *more;
} kd_zero_padding2d_args;
kd_out kd_zero_padding2d_call(kd_zero_padding2d_args args);
#define kd_zero_padding2d(...) kd_zero_padding2d_call(KD_ARGS(kd_zero_padding2d_args, .x = __VA_ARGS__))

/* --- Recurrence --- */

/* SimpleRNN: a fully connected cell over a sequence. kd_simple_rnn(x, units, ...) */
typedef struct kd_simple_rnn_args {
  kd_out x;
  int64_t units;
  const char *activation;
  bool no_bias;
  const char *kernel_initializer, *recurrent_initializer, *bias_initializer, *kernel_regularizer,
      *recurrent_regularizer, *bias_regularizer, *activity_regularizer;
  double dropout, recurrent_dropout;
  bool return_sequences, return_state, go_backwards, stateful;
  int64_t seed;
  bool zero_output_for_mask;
  const char *name, *more;
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
  const char *kernel_regularizer, *recurrent_regularizer, *bias_regularizer, *activity_regularizer;
  double dropout, recurrent_dropout;
  int64_t seed;
  bool return_sequences, return_state, go_backwards, stateful, zero_output_for_mask;
  const char *name, *more;
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
      *recurrent_regularizer, *bias_regularizer, *activity_regularizer;
  double dropout, recurrent_dropout;
  int64_t seed;
  bool return_sequences, return_state, go_backwards, stateful, no_reset_after, zero_output_for_mask;
  const char *name, *more;
} kd_gru_args;
kd_out kd_gru_call(kd_gru_args args);
#define kd_gru(x_, ...) kd_gru_call(KD_ARGS(kd_gru_args, .x = (x_), .units = __VA_ARGS__))

/* Bidirectional: a recurrent layer in both directions. kd_bidirectional(x, layer, ...) */
typedef struct kd_bidirectional_args {
  kd_out x;
  const char *layer, *merge_mode, *backward_layer, *name, *more;
} kd_bidirectional_args;
kd_out kd_bidirectional_call(kd_bidirectional_args args);
#define kd_bidirectional(x_, ...)                                                                            \
  kd_bidirectional_call(KD_ARGS(kd_bidirectional_args, .x = (x_), .layer = __VA_ARGS__))

/* TimeDistributed: a layer applied to every step of a sequence. kd_time_distributed(x, layer, ...) */
typedef struct kd_time_distributed_args {
  kd_out x;
  const char *layer, *name, *more;
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

/* --- Normalisation --- */

/* BatchNormalization: normalisation of each channel by the batch's statistics. kd_batch_normalization(x, ...)
 */
typedef struct kd_batch_normalization_args {
  kd_out x;
  int64_t axis;
  double momentum, epsilon;
  bool no_center, no_scale, synchronized;
  const char *beta_initializer, *gamma_initializer, *moving_mean_initializer, *moving_variance_initializer,
      *beta_regularizer, *gamma_regularizer, *name, *more;
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
  const char *beta_initializer, *gamma_initializer, *beta_regularizer, *gamma_regularizer, *name, *more;
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
  const char *beta_initializer, *gamma_initializer, *beta_regularizer, *gamma_regularizer, *name, *more;
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

/* Softmax: exp(x) / sum(exp(x)). kd_softmax(x, ...) */
typedef struct kd_softmax_args {
  kd_out x;
  int64_t axis[KD_MAX_RANK];
  const char *name, *more;
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
  const char *name, *more;
} kd_dropout_args;
kd_out kd_dropout_call(kd_dropout_args args);
#define kd_dropout(x_, ...) kd_dropout_call(KD_ARGS(kd_dropout_args, .x = (x_), .rate = __VA_ARGS__))

/* SpatialDropout2D: drops whole channels of images. kd_spatial_dropout2d(x, rate, ...) */
typedef struct kd_spatial_dropout2d_args {
  kd_out x;
  double rate;
  int64_t seed;
  const char *name, *more;
} kd_spatial_dropout2d_args;
kd_out kd_spatial_dropout2d_call(kd_spatial_dropout2d_args args);
#define kd_spatial_dropout2d(x_, ...)                                                                        \
  kd_spatial_dropout2d_call(KD_ARGS(kd_spatial_dropout2d_args, .x = (x_), .rate = __VA_ARGS__))

/* GaussianNoise: adds normal numbers in training. kd_gaussian_noise(x, stddev, ...) */
typedef struct kd_gaussian_noise_args {
  kd_out x;
  double stddev;
  int64_t seed;
  const char *name, *more;
} kd_gaussian_noise_args;
kd_out kd_gaussian_noise_call(kd_gaussian_noise_args args);
#define kd_gaussian_noise(x_, ...)                                                                           \
  kd_gaussian_noise_call(KD_ARGS(kd_gaussian_noise_args, .x = (x_), .stddev = __VA_ARGS__))

/* --- Shapes --- */

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

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
