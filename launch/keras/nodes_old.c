/* A call in the form of Keras 2: [["dense", 0, 0, {"training": false}], ...]. */
#include <string.h>

#include "io/json.h"
#include "launch/keras/import.h"

static kd_value *new_list(kd_keras_import *in, int count, kd_origin origin) {
  kd_value *list = kd_pool_alloc(in->pool, 1, sizeof *list);
  *list = (kd_value){.type = KD_V_LIST, .count = count, .origin = origin};
  list->items = kd_pool_alloc(in->pool, (size_t)count, sizeof *list->items);
  return list;
}

const kd_value *kd_keras_tensors(kd_keras_import *in, int count, kd_origin origin) {
  kd_value *list = new_list(in, count, origin);
  for (int i = 0; i < count; i++) {
    kd_value *tensor = &list->items[i];
    *tensor = (kd_value){.type = KD_V_CALL, .text = "dict", .count = 1, .origin = origin};
    tensor->items = kd_value_text(in->pool, "__keras_tensor__");
    tensor->keys = kd_pool_alloc(in->pool, 1, sizeof *tensor->keys);
    tensor->keys[0] = "class_name";
  }
  return list;
}

/* Recurrent layers took their states as further inputs. */
static bool takes_states(const kd_keras_entry *entry) {
  const kd_kind *kind = kd_family_find(&kd_layer_family, entry->type);
  const kd_call_arg *arg;
  for (int i = 0; kind && (arg = kd_layer_call_arg((const kd_layer_kind *)kind, i)); i++)
    if (strcmp(arg->name, "initial_state") == 0) return true;
  return false;
}

/* x, [x, y], or x and [h, c]. */
static const kd_value *make_args(kd_keras_import *in, const kd_keras_entry *entry, int count,
                                 kd_origin origin) {
  if (count <= 1) return kd_keras_tensors(in, count, origin);
  bool states = takes_states(entry);
  kd_value *args = new_list(in, states ? 2 : 1, origin);
  if (states) args->items[0] = kd_keras_tensors(in, 1, origin)->items[0];
  args->items[args->count - 1] = *kd_keras_tensors(in, states ? count - 1 : count, origin);
  return args;
}

/* Tensors in arguments are [layer, call, output] in lists. */
static bool read_argument(kd_keras_import *in, const kd_keras_model *model, kd_keras_node *node,
                          const kd_value *value, bool mask, kd_value *out) {
  *out = *value;
  if (value->type != KD_V_LIST) return true;
  if (kd_keras_is_triple(value) && kd_name_find(&model->names, value->items[0].text) >= 0) {
    *out = kd_keras_tensors(in, 1, value->origin)->items[0];
    return kd_keras_add_tensor(in, model, node, value, mask);
  }
  out->items = kd_pool_alloc(in->pool, (size_t)value->count, sizeof *out->items);
  for (int i = 0; i < value->count; i++)
    if (!read_argument(in, model, node, &value->items[i], mask, &out->items[i])) return false;
  return true;
}

static bool read_keywords(kd_keras_import *in, const kd_keras_model *model, kd_keras_node *node,
                          const kd_value *given) {
  kd_value *kwargs = kd_pool_alloc(in->pool, 1, sizeof *kwargs);
  *kwargs = *given;
  kwargs->items = kd_pool_alloc(in->pool, (size_t)given->count, sizeof *kwargs->items);
  node->kwargs = kwargs;
  for (int i = 0; i < given->count; i++)
    if (!read_argument(in, model, node, &given->items[i], kd_keras_is_mask(given->keys[i]),
                       &kwargs->items[i]))
      return false;
  return true;
}

bool kd_keras_old_node(kd_keras_import *in, const kd_keras_model *model, kd_keras_node *node,
                       const kd_value *data) {
  for (int i = 0; i < data->count; i++)
    if (!kd_keras_add_tensor(in, model, node, &data->items[i], false)) return false;
  node->args = make_args(in, &model->entries[node->entry], data->count, data->origin);
  const kd_value *first = data->count > 0 ? &data->items[0] : NULL;
  bool keywords = first && first->count > 3 && kd_json_is_object(&first->items[3]);
  return !keywords || read_keywords(in, model, node, &first->items[3]);
}
