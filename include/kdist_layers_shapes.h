/* Shapes and products, with typed options: see kdist_layers.h. Made by api/generate.sh. */
#ifndef KDIST_LAYERS_SHAPES_H
#define KDIST_LAYERS_SHAPES_H

#include "kdist.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

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
