/* Pooling, with typed options: see kdist_layers.h. Made by api/generate.sh. */
#ifndef KDIST_LAYERS_POOLING_H
#define KDIST_LAYERS_POOLING_H

#include "kdist.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

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

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
