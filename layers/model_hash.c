/* A hash of all that makes a model: equal on all ranks, and on resume, exactly when the models are equal. */
#include "device/base/hash.h"
#include "device/base/value.h"
#include "layers/model.h"

static uint64_t hash_int(uint64_t hash, int64_t value) {
  return kd_hash(&value, sizeof value, hash);
}

static uint64_t hash_shape(uint64_t hash, const kd_shape *shape) {
  hash = hash_int(hash, shape->rank);
  for (int i = 0; i < shape->rank; i++) hash = hash_int(hash, shape->dim[i]);
  return hash;
}

static uint64_t hash_layer(uint64_t hash, const kd_layer *layer, kd_pool *pool) {
  hash = kd_hash_text(layer->name, hash);
  hash = kd_hash_text(layer->kind->base.name, hash);
  hash = hash_int(hash, layer->trainable);
  hash = kd_hash_text(kd_policy_name(layer->policy), hash);
  for (const kd_option *option = layer->kind->base.options; option && option->name; option++) {
    hash = kd_hash_text(option->name, hash);
    hash = kd_hash_text(kd_option_print(pool, option, layer->options), hash);
  }
  return hash;
}

static uint64_t hash_call(uint64_t hash, const kd_call *call, kd_pool *pool) {
  hash = kd_hash_text(call->name, hash_int(hash, call->layer));
  hash = hash_int(hash, call->n_inputs);
  for (int i = 0; i < call->n_inputs; i++)
    hash = hash_int(hash_int(hash, call->inputs[i].call), call->inputs[i].output);
  hash = hash_int(hash, call->n_args);
  for (int i = 0; i < call->n_args; i++) {
    hash = kd_hash_text(call->arg_names[i], hash);
    hash = kd_hash_text(kd_value_print(pool, call->arg_values[i]), hash);
  }
  return hash;
}

static uint64_t hash_weight(uint64_t hash, const kd_weight *weight) {
  hash = kd_hash_text(weight->path, hash_int(hash, weight->layer));
  return hash_int(hash_shape(hash, &weight->shape), weight->trainable);
}

uint64_t kd_model_hash(const kd_model *model) {
  kd_pool *pool = kd_pool_create();
  uint64_t hash = 0;
  for (int i = 0; i < model->n_layers; i++) hash = hash_layer(hash, model->layers[i], pool);
  for (int i = 0; i < model->n_calls; i++) hash = hash_call(hash, model->calls[i], pool);
  for (int i = 0; i < model->n_inputs; i++) {
    const kd_model_input *input = &model->inputs[i];
    hash = hash_shape(hash_int(kd_hash_text(input->name, hash), input->dtype), &input->shape);
    hash = hash_int(hash_int(hash, input->batch_size), input->call);
  }
  for (int i = 0; i < model->n_outputs; i++) {
    const kd_model_output *output = &model->outputs[i];
    hash = hash_int(hash_int(kd_hash_text(output->name, hash), output->tap.call), output->tap.output);
  }
  for (int i = 0; i < model->n_weights; i++) hash = hash_weight(hash, &model->weights[i]);
  kd_pool_destroy(pool);
  return hash;
}
