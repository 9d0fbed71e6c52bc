#include "layers/model.h"

#include <string.h>

#include "device/base/hash.h"
#include "layers/init.h"
#include "layers/kinds/kinds.h"

kd_model *kd_model_create(const char *name) {
  kd_pool *pool = kd_pool_create();
  kd_model *model = kd_pool_alloc(pool, 1, sizeof *model);
  model->pool = pool;
  model->name = kd_pool_strdup(pool, name ? name : "model");
  return model;
}

void kd_model_destroy(kd_model *model) {
  if (model) kd_pool_destroy(model->pool);
}

int kd_model_add_layer(kd_model *model, const kd_layer_kind *kind, const char *name, void *options,
                       bool trainable, kd_origin origin) {
  kd_layer *layer = kd_pool_alloc(model->pool, 1, sizeof *layer);
  layer->kind = kind;
  layer->name = kd_pool_strdup(model->pool, name);
  layer->options = options;
  layer->trainable = trainable;
  layer->policy = model->policy;
  layer->origin = origin;
  layer->index = model->n_layers;
  layer->first_weight = -1;
  model->layers = kd_pool_grow(model->pool, model->layers, (size_t)model->n_layers, &model->layer_capacity,
                               sizeof(kd_layer *));
  model->layers[model->n_layers] = layer;
  return model->n_layers++;
}

/* A copy of an array in the model's pool; NULL when it is empty. */
static void *copy_array(kd_model *model, const void *array, int count, size_t size) {
  if (count <= 0 || !array) return NULL;
  void *copy = kd_pool_alloc(model->pool, (size_t)count, size);
  memcpy(copy, array, (size_t)count * size);
  return copy;
}

/* Outputs that the call asks for beside the layer's own. */
static int results_asked(const kd_layer_kind *kind, const kd_call *call) {
  int count = 0;
  const kd_call_arg *arg;
  for (int k = 0; (arg = kd_layer_call_arg(kind, k)); k++)
    for (int i = 0; arg->type == KD_CALL_RESULT && i < call->n_args; i++)
      count += !strcmp(arg->name, call->arg_names[i]) && call->arg_values[i]->type == KD_V_BOOL &&
               call->arg_values[i]->boolean;
  return count;
}

int kd_model_add_call(kd_model *model, int layer, const char *name, int n_inputs, const kd_tap *inputs,
                      int n_args, const char *const *arg_names, const kd_value *const *arg_values,
                      kd_origin origin) {
  const kd_layer_kind *kind = model->layers[layer]->kind;
  kd_call *call = kd_pool_alloc(model->pool, 1, sizeof *call);
  call->layer = layer;
  call->n_inputs = n_inputs;
  call->inputs = copy_array(model, inputs, n_inputs, sizeof *inputs);
  call->n_args = n_args;
  call->arg_names = copy_array(model, arg_names, n_args, sizeof *arg_names);
  call->arg_values = copy_array(model, arg_values, n_args, sizeof *arg_values);
  call->name = kd_pool_strdup(model->pool, name ? name : model->layers[layer]->name);
  call->origin = origin;
  call->n_outputs = kd_layer_outputs(kind, model->layers[layer]->options) + results_asked(kind, call);
  call->output_shape = kd_pool_alloc(model->pool, (size_t)call->n_outputs, sizeof(kd_shape));
  call->output_dtype = kd_pool_alloc(model->pool, (size_t)call->n_outputs, sizeof(kd_dtype));
  call->output_masked = kd_pool_alloc(model->pool, (size_t)call->n_outputs, sizeof(bool));
  model->calls = kd_pool_grow(model->pool, model->calls, (size_t)model->n_calls, &model->call_capacity,
                              sizeof(kd_call *));
  model->calls[model->n_calls] = call;
  return model->n_calls++;
}

/* The input's shape with a batch dimension in front. */
static kd_shape with_batch(kd_shape shape) {
  kd_shape batched = {.rank = shape.rank + 1, .dim = {-1}};
  for (int i = 0; i < shape.rank; i++) batched.dim[i + 1] = shape.dim[i];
  return batched;
}

kd_tap kd_model_add_input(kd_model *model, const char *name, kd_dtype dtype, kd_shape shape,
                          int64_t batch_size, kd_origin origin) {
  kd_input_options *options = kd_pool_alloc(model->pool, 1, sizeof *options);
  options->shape.count = shape.rank;
  for (int i = 0; i < shape.rank; i++) options->shape.v[i] = shape.dim[i];
  options->batch_size = batch_size > 0 ? batch_size : KD_UNSET_INT;
  options->dtype = kd_dtype_name(dtype);
  int layer = kd_model_add_layer(model, &kd_layer_input, name, options, true, origin);
  int call = kd_model_add_call(model, layer, name, 0, NULL, 0, NULL, NULL, origin);
  model->inputs = kd_pool_grow(model->pool, model->inputs, (size_t)model->n_inputs, &model->input_capacity,
                               sizeof(kd_model_input));
  model->inputs[model->n_inputs++] = (kd_model_input){.name = model->layers[layer]->name,
                                                      .dtype = dtype,
                                                      .shape = with_batch(shape),
                                                      .batch_size = batch_size > 0 ? batch_size : 0,
                                                      .call = call};
  return (kd_tap){call, 0};
}

void kd_model_add_output(kd_model *model, const char *name, kd_tap tap) {
  model->outputs = kd_pool_grow(model->pool, model->outputs, (size_t)model->n_outputs,
                                &model->output_capacity, sizeof(kd_model_output));
  const char *layer_name = model->layers[model->calls[tap.call]->layer]->name;
  model->outputs[model->n_outputs++] =
      (kd_model_output){.name = kd_pool_strdup(model->pool, name ? name : layer_name), .tap = tap};
}

/* Weights begin on cache lines, so that slices of different weights never share one. */
enum { LINE_BYTES = 64 };

/* Elements of the weight with its padding. */
static int64_t padded(const kd_weight *weight) {
  int64_t line = LINE_BYTES / (int64_t)kd_dtype_size(weight->dtype);
  return (weight->count + line - 1) / line * line;
}

static void place_trainable(kd_model *model, kd_weight *weight) {
  weight->offset = model->trainable_floats;
  weight->place = model->trainable_bytes;
  model->trainable_floats += padded(weight);
  model->trainable_bytes += (size_t)padded(weight) * kd_dtype_size(weight->dtype);
}

void kd_model_layout(kd_model *model, int n_order, const int *order) {
  for (int i = 0; i < model->n_weights; i++) model->weights[i].offset = -1;
  model->trainable_floats = 0;
  model->trainable_bytes = model->state_bytes = 0;
  for (int i = 0; i < n_order; i++) {
    kd_weight *weight = &model->weights[order[i]];
    if (weight->trainable && weight->offset < 0) place_trainable(model, weight);
  }
  for (int i = 0; i < model->n_weights; i++) {
    kd_weight *weight = &model->weights[i];
    if (weight->trainable) {
      if (weight->offset < 0) place_trainable(model, weight);
      continue;
    }
    weight->place = model->state_bytes;
    model->state_bytes += (size_t)padded(weight) * kd_dtype_size(weight->dtype);
  }
}

int64_t kd_model_count_params(const kd_model *model, bool trainable_only) {
  int64_t count = 0;
  for (int i = 0; i < model->n_weights; i++)
    if (model->weights[i].trainable || !trainable_only) count += model->weights[i].count;
  return count;
}

int64_t kd_model_param_bytes(const kd_model *model, bool trainable_only) {
  int64_t bytes = 0;
  for (int i = 0; i < model->n_weights; i++) {
    const kd_weight *weight = &model->weights[i];
    if (weight->trainable || !trainable_only) bytes += weight->count * (int64_t)kd_dtype_size(weight->dtype);
  }
  return bytes;
}

kd_status kd_weight_initialize(const kd_weight *weight, uint64_t seed, float *values) {
  const kd_initializer_kind *kind = (const kd_initializer_kind *)weight->initializer.kind;
  if (!kind) {
    memset(values, 0, (size_t)weight->count * sizeof *values);
    return KD_OK;
  }
  uint64_t key = kd_mix64(seed, kd_hash_text(weight->path, 0));
  const kd_shape *shape = kind->scaled && weight->fans.rank ? &weight->fans : &weight->shape;
  kd_status status = kind->fill(weight->initializer.options, shape, key, values);
  if (status != KD_OK) return kd_fail_context(status, "weight %s", weight->path);
  return KD_OK;
}
