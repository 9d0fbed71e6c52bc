/* Nodes of keras.ops as layers that compute the same. They have no weights, no group in weights files, and as
 * functions no masks. */
#include <string.h>

#include "device/base/text.h"
#include "io/weights_layout.h"
#include "launch/expand.h"
#include "launch/keras/import.h"

typedef struct op {
  kd_keras_import *in;
  const kd_keras_model *model;
  const kd_keras_entry *entry;
  const kd_keras_node *node;
  kd_layer_spec *layer;
  const kd_value *shape;    /* of its first tensor, with the batch; NULL: not known */
  int n_tensors;            /* among its arguments */
  const kd_value *constant; /* the argument that is a number; NULL: none */
  bool constant_first;
  bool floats;  /* all tensors hold floats */
  bool aligned; /* all tensors have as many axes: merging layers align others in their own way */
} op;

static bool is_number(const kd_value *value) {
  return value->type == KD_V_INT || value->type == KD_V_FLOAT;
}

static void set(op *o, const char *key, const kd_value *value) {
  kd_args_set(o->in->pool, &o->layer->args, key, value, false);
}

static void set_number(op *o, const char *key, double number) {
  set(o, key, kd_value_float(o->in->pool, number));
}

static const kd_value *option(const op *o, const char *key) {
  const kd_value *value = kd_value_key(o->entry->config, key);
  return value && value->type != KD_V_NONE ? value : NULL;
}

/* --- arithmetic: of two tensors a merging layer, with a number Rescaling --- */

static bool rescale(op *o, double scale, double offset) {
  o->layer->type = "Rescaling";
  set_number(o, "scale", scale);
  set_number(o, "offset", offset);
  return true;
}

static bool arithmetic(op *o) {
  static const char *const merges[] = {"Add", "Subtract", "Multiply", "Maximum", "Minimum"};
  const char *type = o->entry->type;
  for (size_t i = 0; o->n_tensors == 2 && i < sizeof merges / sizeof *merges; i++) {
    if (strcmp(type, merges[i]) != 0) continue;
    o->layer->type = merges[i];
    return o->aligned;
  }
  if (o->n_tensors == 1 && strcmp(type, "Negative") == 0) return rescale(o, -1, 0);
  if (o->n_tensors != 1 || !o->constant || !o->floats) return false;
  double c = o->constant->real;
  if (strcmp(type, "Add") == 0) return rescale(o, 1, c);
  if (strcmp(type, "Multiply") == 0) return rescale(o, c, 0);
  if (strcmp(type, "Subtract") == 0)
    return rescale(o, o->constant_first ? -1 : 1, o->constant_first ? c : -c);
  bool divides = strcmp(type, "Divide") == 0 || strcmp(type, "TrueDivide") == 0;
  return divides && !o->constant_first && c != 0 ? rescale(o, 1 / c, 0) : false;
}

/* --- functions of one tensor, by the name of the activation: Relu, Gelu(approximate=True), Softmax(axis=-1)
 * --- */

static bool activation(op *o) {
  const kd_value *config = o->entry->config;
  bool exponential = strcmp(o->entry->type, "Exp") == 0;
  const char *name = exponential ? "exponential" : kd_snake_case(o->in->pool, o->entry->type);
  if (o->n_tensors != 1 || !kd_family_find(&kd_activation_family, name)) return false;
  kd_value *call = kd_pool_alloc(o->in->pool, 1, sizeof *call);
  *call = (kd_value){.type = KD_V_CALL, .text = name, .origin = o->entry->object->origin};
  call->items = kd_pool_alloc(o->in->pool, (size_t)config->count, sizeof *call->items);
  call->keys = kd_pool_alloc(o->in->pool, (size_t)config->count, sizeof *call->keys);
  for (int i = 0; i < config->count; i++) {
    if (strcmp(config->keys[i], "name") == 0) continue;
    call->keys[call->count] = config->keys[i];
    call->items[call->count++] = config->items[i];
  }
  o->layer->type = "Activation";
  set(o, "activation", call);
  return true;
}

/* --- shapes --- */

static const kd_value *int_list(op *o, int count, const int64_t *numbers) {
  kd_value *list = kd_pool_alloc(o->in->pool, 1, sizeof *list);
  *list = (kd_value){.type = KD_V_LIST, .count = count, .origin = o->entry->object->origin};
  list->items = kd_pool_alloc(o->in->pool, (size_t)count, sizeof *list->items);
  for (int i = 0; i < count; i++) list->items[i] = *kd_value_int(o->in->pool, numbers[i]);
  return list;
}

/* Integers of a value, negative ones counted from `rank` when it is above 0; -1: something else. */
static int read_ints(const kd_value *value, int rank, int64_t out[KD_MAX_RANK]) {
  int count = value->type == KD_V_LIST ? value->count : 1;
  if (count > KD_MAX_RANK) return -1;
  for (int i = 0; i < count; i++) {
    const kd_value *item = value->type == KD_V_LIST ? &value->items[i] : value;
    if (item->type != KD_V_INT) return -1;
    out[i] = item->integer < 0 && rank > 0 ? item->integer + rank : item->integer;
  }
  return count;
}

/* The batch stays in front: newshape begins with -1, or with the size None that Keras writes as -1. */
static bool reshape(op *o) {
  const kd_value *target = option(o, "newshape");
  int64_t sizes[KD_MAX_RANK];
  int count = target ? read_ints(target, 0, sizes) : -1;
  if (count < 2 || sizes[0] != -1) return false;
  o->layer->type = "Reshape";
  set(o, "target_shape", int_list(o, count - 1, sizes + 1));
  return true;
}

/* Axes of size 1 that come or go; the sizes of the others must be known. */
static bool one_axis(op *o) {
  bool expand = strcmp(o->entry->type, "ExpandDims") == 0;
  const kd_value *axis = option(o, "axis");
  int rank = o->shape ? o->shape->count : 0, count = 0;
  int64_t at[KD_MAX_RANK], sizes[KD_MAX_RANK + 1];
  if (!axis || rank < 1 || rank > KD_MAX_RANK || read_ints(axis, rank + expand, at) != 1) return false;
  if (at[0] < 1 || at[0] >= rank + expand) return false;
  for (int i = 1; i < rank + expand; i++) {
    if (expand && i == at[0]) {
      sizes[count++] = 1;
      continue;
    }
    const kd_value *size = &o->shape->items[expand && i > at[0] ? i - 1 : i];
    if (size->type != KD_V_INT) return false;
    if (expand || i != at[0]) sizes[count++] = size->integer;
  }
  o->layer->type = "Reshape";
  set(o, "target_shape", int_list(o, count, sizes));
  return count > 0;
}

static bool transpose(op *o) {
  const kd_value *axes = option(o, "axes");
  int64_t order[KD_MAX_RANK];
  int count = axes ? read_ints(axes, 0, order) : -1;
  if (count < 2 || order[0] != 0) return false;
  o->layer->type = "Permute";
  set(o, "dims", int_list(o, count - 1, order + 1));
  return true;
}

static bool concatenate(op *o) {
  const kd_value *axis = option(o, "axis");
  o->layer->type = "Concatenate";
  if (axis) set(o, "axis", axis);
  return o->n_tensors > 0;
}

/* A mean or maximum over all axes between the batch and the channels. */
static bool pool(op *o) {
  const kd_value *axis = option(o, "axis"), *keep = option(o, "keepdims");
  int rank = o->shape ? o->shape->count : 0;
  int64_t axes[KD_MAX_RANK];
  int count = axis ? read_ints(axis, rank, axes) : -1;
  if (rank < 3 || rank > 5 || count != rank - 2) return false;
  for (int i = 0; i < count; i++)
    if (axes[i] != i + 1) return false;
  const char *what = strcmp(o->entry->type, "Mean") == 0 ? "Average" : "Max";
  o->layer->type = kd_pool_printf(o->in->pool, "Global%sPooling%dD", what, count);
  if (keep) set(o, "keepdims", keep);
  return true;
}

static bool get_item(op *o) {
  return kd_keras_slice(o->in, o->node, o->shape, o->layer);
}

static bool translate(op *o) {
  static const struct {
    const char *type;
    bool (*make)(op *o);
  } others[] = {
      {"Reshape", reshape},         {"ExpandDims", one_axis}, {"Squeeze", one_axis}, {"Transpose", transpose},
      {"Concatenate", concatenate}, {"Mean", pool},           {"Max", pool},         {"GetItem", get_item}};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (strcmp(o->entry->type, others[i].type) == 0) return others[i].make(o);
  return arithmetic(o) || activation(o);
}

/* --- */

/* Tensors of the arguments become inputs; numbers are looked at by arithmetic. */
static void look_at(op *o, const kd_value *value) {
  value = kd_keras_value(o->in, o->layer->name, NULL, value);
  if (kd_keras_is_tensor(value)) {
    const kd_value *config = kd_value_key(value, "config"), *shape = kd_value_key(config, "shape");
    const char *dtype = kd_keras_text(config, "dtype");
    if (!shape || shape->type != KD_V_LIST) shape = NULL;
    if (o->n_tensors == 0) o->shape = shape;
    o->aligned = o->aligned && shape && o->shape && shape->count == o->shape->count;
    o->floats = o->floats && dtype && strstr(dtype, "float");
    kd_keras_ref ref = o->node->refs[o->n_tensors++];
    kd_keras_add_input(o->in, o->layer, kd_keras_tap(o->in, o->model, ref));
  } else if (is_number(value)) {
    o->constant_first = o->n_tensors == 0;
    o->constant = value;
  }
  for (int i = 0; value->type == KD_V_LIST && i < value->count; i++) look_at(o, &value->items[i]);
}

void kd_keras_op(kd_keras_import *in, const kd_keras_model *model, const kd_keras_node *node,
                 kd_layer_spec *layer) {
  op o = {.in = in,
          .model = model,
          .entry = &model->entries[node->entry],
          .node = node,
          .layer = layer,
          .floats = true,
          .aligned = true};
  for (int i = 0; node->args && i < node->args->count; i++) look_at(&o, &node->args->items[i]);
  layer->masks = KD_MASKS_NONE;
  if (o.n_tensors == node->n_refs && translate(&o)) return;
  kd_diag_error(
      in->diag, o.entry->object->origin,
      "%s: keras.ops.%s with these arguments has no layer that does the same; available are arithmetic of "
      "two tensors or with a number, activations, Concatenate, Reshape, ExpandDims, Squeeze, Transpose, "
      "Mean or Max over all axes between batch and channels, and indices and slices of these axes",
      kd_quoted(layer->name), kd_quoted(o.entry->type));
}
