/* Activations, with typed options: see kdist_layers.h. Made by api/generate.sh. */
#ifndef KDIST_LAYERS_ACTIVATIONS_H
#define KDIST_LAYERS_ACTIVATIONS_H

#include "kdist.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

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

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
