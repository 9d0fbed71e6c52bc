/* The usual layers with typed options: kd_dense(x, 64, .activation = "relu"). Zero or NULL is Keras's default.
 * Every one takes .name and .more, further Keras arguments as text ("kernel_regularizer=L2(1e-4)"). All return
 * the layer's output and record errors in the net (kd_net_status). Shapes are those of Keras, channels last.
 * Included by kdist.h. */
#ifndef KDIST_LAYERS_H
#define KDIST_LAYERS_H

#include "kdist.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Dense: (batch, ..., n) -> (batch, ..., units). */
typedef struct kd_dense_args {
  kd_out x;
  int64_t units;
  const char *activation;
  bool no_bias;
  const char *kernel_initializer, *kernel_regularizer;
  const char *name, *more;
} kd_dense_args;
kd_out kd_dense_call(kd_dense_args args);
#define kd_dense(input, ...) kd_dense_call(KD_ARGS(kd_dense_args, .x = (input), .units = __VA_ARGS__))

/* Conv2D: (batch, rows, columns, channels) -> (batch, rows', columns', filters). kernel is square unless
 * kernel_columns is given; strides and dilation alike. */
typedef struct kd_conv2d_args {
  kd_out x;
  int64_t filters, kernel, kernel_columns;
  int64_t strides, strides_columns, dilation;
  const char *padding; /* "valid", "same" */
  int64_t groups;
  const char *activation;
  bool no_bias;
  const char *kernel_initializer, *kernel_regularizer;
  const char *name, *more;
} kd_conv2d_args;
kd_out kd_conv2d_call(kd_conv2d_args args);
/* kd_conv2d(x, filters, .kernel = 3, ...) */
#define kd_conv2d(input, ...) kd_conv2d_call(KD_ARGS(kd_conv2d_args, .x = (input), .filters = __VA_ARGS__))

/* MaxPooling2D, AveragePooling2D: size 0 is 2, strides 0 is size. */
typedef struct kd_pooling2d_args {
  kd_out x;
  int64_t size, strides;
  const char *padding;
  const char *name, *more;
} kd_pooling2d_args;
kd_out kd_max_pooling2d_call(kd_pooling2d_args args);
kd_out kd_average_pooling2d_call(kd_pooling2d_args args);
#define kd_max_pooling2d(...)     kd_max_pooling2d_call(KD_ARGS(kd_pooling2d_args, .x = __VA_ARGS__))
#define kd_average_pooling2d(...) kd_average_pooling2d_call(KD_ARGS(kd_pooling2d_args, .x = __VA_ARGS__))

/* BatchNormalization over the last axis. */
typedef struct kd_batch_normalization_args {
  kd_out x;
  double momentum, epsilon;
  bool no_center, no_scale;
  const char *name, *more;
} kd_batch_normalization_args;
kd_out kd_batch_normalization_call(kd_batch_normalization_args args);
#define kd_batch_normalization(...)                                                                          \
  kd_batch_normalization_call(KD_ARGS(kd_batch_normalization_args, .x = __VA_ARGS__))

/* LayerNormalization over the last axis. */
typedef struct kd_layer_normalization_args {
  kd_out x;
  double epsilon;
  bool no_center, no_scale;
  const char *name, *more;
} kd_layer_normalization_args;
kd_out kd_layer_normalization_call(kd_layer_normalization_args args);
#define kd_layer_normalization(...)                                                                          \
  kd_layer_normalization_call(KD_ARGS(kd_layer_normalization_args, .x = __VA_ARGS__))

/* Embedding: numbers in [0, input_dim), (batch, ...) -> (batch, ..., output_dim). */
typedef struct kd_embedding_args {
  kd_out x;
  int64_t input_dim, output_dim;
  bool mask_zero;
  const char *name, *more;
} kd_embedding_args;
kd_out kd_embedding_call(kd_embedding_args args);
/* kd_embedding(x, input_dim, .output_dim = 16, ...) */
#define kd_embedding(input, ...)                                                                             \
  kd_embedding_call(KD_ARGS(kd_embedding_args, .x = (input), .input_dim = __VA_ARGS__))

kd_out kd_flatten(kd_out x);                              /* (batch, ...) -> (batch, n) */
kd_out kd_dropout(kd_out x, double rate);                 /* rate: part that is set to 0, in [0, 1] */
kd_out kd_activation(kd_out x, const char *function);     /* "relu", "softmax" ... */
kd_out kd_global_average_pooling2d(kd_out x);             /* (batch, rows, columns, n) -> (batch, n) */
kd_out kd_concatenate_list(int n, const kd_out *inputs);  /* along the last axis */
#ifndef __cplusplus
#define KD_LIST_(...) (int)(sizeof((kd_out[]){__VA_ARGS__}) / sizeof(kd_out)), (kd_out[]) { __VA_ARGS__ }
/* kd_concatenate(a, b, ...), kd_sum(a, b, ...): Keras's Concatenate and Add. */
#define kd_concatenate(...) kd_concatenate_list(KD_LIST_(__VA_ARGS__))
#define kd_sum(...)         kd_merge("Add", NULL, KD_LIST_(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
