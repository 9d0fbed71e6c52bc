/* Activations with arguments. Keras stores a function by its name alone, so one with arguments stands as the
 * layer of its formula, or as the operation behind keras.ops: both can be called as well. */
#include <string.h>

#include "launch/keras/import.h"

static const kd_keras_callable callables[] = {
    {"relu", "ReLU", true},
    {"leaky_relu", "LeakyReLU", true},
    {"elu", "ELU", true},
    {"softmax", "Softmax", true},
    {"celu", "Celu", false},
    {"gelu", "Gelu", false},
    {"glu", "Glu", false},
    {"hard_shrink", "HardShrink", false},
    {"log_softmax", "LogSoftmax", false},
    {"soft_shrink", "SoftShrink", false},
    {"sparsemax", "Sparsemax", false},
    {"squareplus", "Squareplus", false},
    {"threshold", "Threshold", false},
};
enum { N_CALLABLES = sizeof callables / sizeof *callables };

const kd_keras_callable *kd_keras_callable_of(const char *function) {
  for (int i = 0; i < N_CALLABLES; i++)
    if (strcmp(callables[i].function, function) == 0) return &callables[i];
  return NULL;
}

const char *kd_keras_function_of(const char *class_name) {
  for (int i = 0; i < N_CALLABLES; i++)
    if (strcmp(callables[i].class_name, class_name) == 0) return callables[i].function;
  return NULL;
}
