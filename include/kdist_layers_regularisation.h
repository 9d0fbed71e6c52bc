/* Regularisation, with typed options: see kdist_layers.h. Made by api/generate.sh. */
#ifndef KDIST_LAYERS_REGULARISATION_H
#define KDIST_LAYERS_REGULARISATION_H

#include "kdist.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

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

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
