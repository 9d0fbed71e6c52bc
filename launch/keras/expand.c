/* From entries and nodes to layers of the spec. */
#include <string.h>

#include "device/base/text.h"
#include "launch/keras/import.h"

/* Counts one more call; false, with one error, when there are too many. */
static bool count_call(kd_keras_import *in, kd_origin origin) {
  if (in->full) return false;
  if (in->copies++ < KD_SPEC_LAYERS) return true;
  in->full = true;
  kd_diag_error(in->diag, origin, "the model has more than %d calls of layers", KD_SPEC_LAYERS);
  return false;
}

kd_layer_spec *kd_keras_add_layer(kd_keras_import *in, const char *name, kd_origin origin) {
  if (!count_call(in, origin)) return NULL;
  if (kd_name_find(&in->names, name) >= 0) {
    kd_diag_error(in->diag, origin, "two layers are named %s", kd_quoted(name));
    return NULL;
  }
  kd_model_spec *spec = in->spec;
  size_t used = (size_t)spec->n_layers;
  spec->layers = kd_pool_grow(in->pool, spec->layers, used, &in->layer_capacity, sizeof *spec->layers);
  kd_name_add(&in->names, in->pool, name, spec->n_layers++);
  spec->layers[used] =
      (kd_layer_spec){.name = name, .share = -1, .origin = origin, .trainable = true, .used = true};
  return &spec->layers[used];
}

/* "encoder/dense", "encoder/dense (call 2)". */
static const char *call_name(kd_keras_import *in, const kd_keras_entry *entry, int node,
                             const kd_keras_frame *frame) {
  const char *name = kd_pool_printf(in->pool, "%s%s", frame->prefix, entry->name);
  int number = node - entry->first_node;
  return number == 0 ? name : kd_pool_printf(in->pool, "%s (call %d)", name, number + 1);
}

/* The layer's policy; in a model of float32 alone it is left to [train] dtype_policy. */
static const char *policy_of(const kd_keras_import *in, const kd_keras_entry *entry) {
  return in->plain ? NULL : kd_keras_policy(kd_value_key(entry->config, "dtype"));
}

/* Whether a layer inside the value (of a wrapper, a cell) is frozen. */
static bool holds_frozen(const kd_value *value) {
  const kd_value *config = kd_keras_is(value, NULL) ? kd_value_key(value, "config") : NULL;
  const kd_value *trainable = config ? kd_value_key(config, "trainable") : NULL;
  if (trainable && trainable->type == KD_V_BOOL && !trainable->boolean) return true;
  for (int i = 0; i < value->count; i++)
    if (holds_frozen(&value->items[i])) return true;
  return false;
}

static void check_frozen(kd_keras_import *in, const kd_keras_entry *entry, const char *subject) {
  if (entry->role == KD_KERAS_LAYER && entry->trainable && holds_frozen(entry->config))
    kd_diag_error(
        in->diag, entry->object->origin,
        "%s: a layer inside is frozen and the layer itself is not; set trainable = False of the whole",
        subject);
}

static void add_layer(kd_keras_import *in, const kd_keras_model *model, int index,
                      const kd_keras_frame *frame) {
  const kd_keras_node *node = &model->nodes[index];
  kd_keras_entry *entry = &model->entries[node->entry];
  kd_layer_spec *layer = kd_keras_add_layer(in, call_name(in, entry, index, frame), entry->object->origin);
  if (!layer) return;
  bool op = entry->role == KD_KERAS_OP, first = op || entry->layer < 0;
  if (first) entry->layer = in->spec->n_layers - 1;
  layer->trainable = entry->trainable;
  layer->dtype = policy_of(in, entry);
  layer->stored = entry->stored;
  layer->stored_frozen = !entry->trainable;
  layer->rank = entry->rank;
  if (!first) layer->share = entry->layer;
  if (op) {
    kd_keras_op(in, model, node, layer);
    return;
  }
  const kd_kind *kind = kd_family_find(&kd_layer_family, entry->type);
  const char *subject = kd_pool_printf(in->pool, "layer %s (%s)", layer->name, entry->type);
  check_frozen(in, entry, subject);
  if (first) layer->type = entry->type;
  if (first) kd_keras_args(in, subject, kind, entry->config, &layer->args);
  kd_keras_call(in, model, node, layer);
}

kd_spec_tap kd_keras_tap(kd_keras_import *in, const kd_keras_model *model, kd_keras_ref ref) {
  const kd_keras_node *node = &model->nodes[ref.node];
  const kd_keras_entry *entry = &model->entries[node->entry];
  if (node->n_outputs > 0 && ref.tensor < node->n_outputs) return node->outputs[ref.tensor];
  kd_spec_tap tap = node->outputs ? node->outputs[0] : (kd_spec_tap){-1, -1, 0, entry->object->origin};
  tap.output = ref.tensor;
  if (!in->full && (node->n_outputs > 0 || !node->outputs))
    kd_diag_error(in->diag, entry->object->origin, "layer %s has no output %d that could be used",
                  kd_quoted(entry->name), ref.tensor);
  return tap;
}

static void add_group(kd_keras_import *in, const char *path, const char *type) {
  kd_model_spec *spec = in->spec;
  size_t used = (size_t)spec->n_groups++;
  spec->groups = kd_pool_grow(in->pool, spec->groups, used, &in->group_capacity, sizeof *spec->groups);
  spec->groups[used] = (kd_group_spec){.path = path, .use = path, .block = type};
}

/* A model in the model: its layers once more, at its own path. */
static void add_model(kd_keras_import *in, kd_keras_model *model, int index, const kd_keras_frame *frame) {
  kd_keras_node *node = &model->nodes[index];
  const kd_keras_entry *entry = &model->entries[node->entry];
  kd_keras_model *inner = entry->model;
  const char *path = call_name(in, entry, index, frame);
  int count = 0;
  kd_spec_tap *inputs = kd_pool_alloc(in->pool, (size_t)node->n_refs, sizeof *inputs);
  for (int i = 0; i < node->n_refs; i++)
    if (!node->refs[i].mask) inputs[count++] = kd_keras_tap(in, model, node->refs[i]);
  if (count != inner->n_inputs) {
    kd_diag_error(in->diag, entry->object->origin, "model %s has %d inputs, but is called with %d tensors",
                  kd_quoted(path), inner->n_inputs, count);
    return;
  }
  if (!count_call(in, entry->object->origin)) return;
  add_group(in, path, inner->type);
  kd_keras_frame inside = {
      .prefix = kd_pool_printf(in->pool, "%s/", path), .inputs = inputs, .n_inputs = count};
  node->outputs = kd_pool_alloc(in->pool, (size_t)inner->n_outputs, sizeof *node->outputs);
  node->n_outputs = inner->n_outputs;
  kd_keras_expand(in, inner, &inside, node->outputs);
}

/* An Input is what the call gives for it; one in the middle of a chain passes on. */
static void add_input(kd_keras_import *in, const kd_keras_model *model, int index,
                      const kd_keras_frame *frame) {
  kd_keras_node *node = &model->nodes[index];
  node->outputs = kd_pool_alloc(in->pool, 1, sizeof *node->outputs);
  node->n_outputs = 1;
  node->outputs[0] = (kd_spec_tap){-1, -1, 0, model->entries[node->entry].object->origin};
  for (int i = 0; i < model->n_inputs; i++)
    if (model->inputs[i] == node->entry) node->outputs[0] = frame->inputs[i];
  if (node->n_refs > 0) node->outputs[0] = kd_keras_tap(in, model, node->refs[0]);
}

void kd_keras_expand(kd_keras_import *in, kd_keras_model *model, const kd_keras_frame *frame,
                     kd_spec_tap *outputs) {
  for (int i = 0; i < model->n_nodes && !in->full; i++) {
    int index = model->order[i];
    kd_keras_node *node = &model->nodes[index];
    const kd_keras_entry *entry = &model->entries[node->entry];
    if (node->only_mask) continue;
    if (entry->role == KD_KERAS_INPUT) {
      add_input(in, model, index, frame);
    } else if (entry->role == KD_KERAS_MODEL) {
      add_model(in, model, index, frame);
    } else {
      node->n_outputs = 0;
      node->outputs = kd_pool_alloc(in->pool, 1, sizeof *node->outputs);
      node->outputs[0] = (kd_spec_tap){-1, in->spec->n_layers, 0, entry->object->origin};
      add_layer(in, model, index, frame);
    }
  }
  for (int i = 0; i < model->n_outputs && !in->full; i++)
    outputs[i] = kd_keras_tap(in, model, model->outputs[i]);
}
