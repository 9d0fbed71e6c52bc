/* Weights in Keras's .weights.h5 layout (keras.md 6.5), read and written. One rank calls these. */
#ifndef KD_WEIGHTS_FILE_H
#define KD_WEIGHTS_FILE_H

#include "layers/model.h"

/* The optimizer's variables in Keras's order: written to optimizer/vars/N. */
typedef struct kd_optimizer_var {
  float *data;     /* or NULL when integer is used */
  kd_dtype dtype;  /* in which data are written: float32, bfloat16 or float16 */
  int64_t integer; /* scalar iteration */
  kd_shape shape;
} kd_optimizer_var;
typedef struct kd_optimizer_vars {
  int count;
  kd_optimizer_var *var;
  const char *name; /* of the optimizer in Keras ("adam"); NULL: "optimizer" */
  /* An optimizer around another one: the first n_outer variables are its own, and the others are written
   * again to optimizer/inner_optimizer/vars/N. 0: none. */
  int n_outer;
  const char *inner_name;
} kd_optimizer_vars;

/* Weight numbers in the order of Keras's model.variables by layer: layers as kd_model_keras_order gives them,
 * the weights of each as declared. Optimizer variables follow this order. order[n_weights]. */
void kd_weights_keras_order(const kd_model *model, int *order);

/* weight[i] points to the values of model->weights[i], host memory; they are written in the weight's type.
 * Under a temporary name, synced, renamed. optimizer may be NULL. KD_ERR_RUN on a full disk; nothing
 * half-written stays. */
kd_status kd_weights_write(const char *path, const kd_model *model, const float *const *weight,
                           const kd_optimizer_vars *optimizer);
/* The same straight to `path`, neither synced nor renamed: for a part of a larger file. What a failure leaves
 * is the caller's to remove. */
kd_status kd_weights_write_here(const char *path, const kd_model *model, const float *const *weight,
                                const kd_optimizer_vars *optimizer);
/* Reads files that Keras or kdist wrote. Every weight must be found with its shape: else KD_ERR_USAGE naming
 * weight, path in the file and both shapes. */
kd_status kd_weights_read(const char *path, const kd_model *model, float *const *weight);
/* The same for a file in memory; `name` for messages. */
kd_status kd_weights_read_image(const char *name, const void *bytes, size_t size, const kd_model *model,
                                float *const *weight);

/* Reads optimizer/vars/N into `vars`, whose shapes say what is wanted. *unfit: NULL, or, when number or
 * shapes do not fit, a text that says so, with path and both sides; only the first variable is read then, if
 * it is there with its shape. KD_ERR_USAGE for damaged files. Memory is the pool's. */
kd_status kd_optimizer_read(const char *path, kd_pool *pool, kd_optimizer_vars *vars, const char **unfit);
/* The same for a file in memory; `name` for messages. */
kd_status kd_optimizer_read_image(const char *name, const void *bytes, size_t size, kd_pool *pool,
                                  kd_optimizer_vars *vars, const char **unfit);

/* The weights of one layer, found in the file by the layer's name wherever it stands there. weight: one
 * pointer per weight of the model; only the layer's are written. */
kd_status kd_weights_read_layer(const char *path, const kd_model *model, int layer, float *const *weight);

#endif
