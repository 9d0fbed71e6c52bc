/* Convolution, with typed options: see kdist_layers.h. Made by api/generate.sh. */
#ifndef KDIST_LAYERS_CONVOLUTION_H
#define KDIST_LAYERS_CONVOLUTION_H

#include "kdist.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

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

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
