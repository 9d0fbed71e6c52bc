/* Normalisation, with typed options: see kdist_layers.h. Made by api/generate.sh. */
#ifndef KDIST_LAYERS_NORMALISATION_H
#define KDIST_LAYERS_NORMALISATION_H

#include "kdist.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

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

/* Normalization: (x - mean) / sqrt(variance) with given statistics. kd_normalization(x, ...) */
typedef struct kd_normalization_args {
  kd_out x;
  int64_t axis[KD_MAX_RANK];
  const char *mean, *variance;
  bool invert;
  const char *name, *more;
} kd_normalization_args;
kd_out kd_normalization_call(kd_normalization_args args);
#define kd_normalization(...) kd_normalization_call(KD_ARGS(kd_normalization_args, .x = __VA_ARGS__))

/* Rescaling: x * scale + offset. kd_rescaling(x, scale, ...) */
typedef struct kd_rescaling_args {
  kd_out x;
  const char *scale, *offset, *name, *more;
} kd_rescaling_args;
kd_out kd_rescaling_call(kd_rescaling_args args);
#define kd_rescaling(x_, ...) kd_rescaling_call(KD_ARGS(kd_rescaling_args, .x = (x_), .scale = __VA_ARGS__))

/* LayerScale: a learnt factor per channel, small in the beginning (keras.applications). kd_layer_scale(x,
 * init_values, projection_dim, ...) */
typedef struct kd_layer_scale_args {
  kd_out x;
  double init_values;
  int64_t projection_dim;
  const char *name, *more;
} kd_layer_scale_args;
kd_out kd_layer_scale_call(kd_layer_scale_args args);
#define kd_layer_scale(x_, init_values_, ...)                                                                \
  kd_layer_scale_call(                                                                                       \
      KD_ARGS(kd_layer_scale_args, .x = (x_), .init_values = (init_values_), .projection_dim = __VA_ARGS__))

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
