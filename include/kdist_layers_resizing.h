/* Resizing, with typed options: see kdist_layers.h. Made by api/generate.sh. */
#ifndef KDIST_LAYERS_RESIZING_H
#define KDIST_LAYERS_RESIZING_H

#include "kdist.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

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

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
