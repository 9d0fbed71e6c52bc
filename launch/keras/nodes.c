/* Which entry of a model takes the tensors of which: inbound_nodes, input_layers and output_layers of its
 * config. */
#include <stdlib.h>
#include <string.h>

#include "device/base/text.h"
#include "io/json.h"
#include "launch/keras/import.h"

static kd_keras_node *add_node(kd_keras_import *in, kd_keras_model *model, int entry) {
  size_t used = (size_t)model->n_nodes++;
  model->nodes = kd_pool_grow(in->pool, model->nodes, used, &model->node_capacity, sizeof *model->nodes);
  model->nodes[used] = (kd_keras_node){.entry = entry};
  model->entries[entry].n_nodes++;
  return &model->nodes[used];
}

static void add_ref(kd_keras_import *in, kd_keras_node *node, kd_keras_ref ref) {
  size_t used = (size_t)node->n_refs++;
  node->refs = kd_pool_grow(in->pool, node->refs, used, &node->capacity, sizeof *node->refs);
  node->refs[used] = ref;
}

/* ["dense", 0, 0]: layer, number of its call, number of the output. */
bool kd_keras_is_triple(const kd_value *value) {
  return value->type == KD_V_LIST && value->count >= 3 && value->items[0].type == KD_V_TEXT &&
         value->items[1].type == KD_V_INT && value->items[2].type == KD_V_INT;
}

/* The calls of a nested model are counted from 1 by Keras 2, by Keras 3 those of a Functional in
 * output_layers.
 */
static bool counts_from_one(const kd_keras_model *model, const kd_keras_entry *entry, bool output) {
  if (entry->role != KD_KERAS_MODEL) return false;
  return model->old || (output && strcmp(entry->model->type, "Functional") == 0);
}

static bool read_triple(kd_keras_import *in, const kd_keras_model *model, const kd_value *triple, bool output,
                        kd_keras_ref *ref) {
  int at = kd_keras_is_triple(triple) ? kd_name_find(&model->names, triple->items[0].text) : -1;
  if (at < 0) {
    const char *text = kd_value_print(in->pool, triple);
    kd_diag_error(in->diag, triple->origin, "%s is no tensor of the model: expected [layer, call, output]",
                  kd_quoted(text));
    return false;
  }
  const kd_keras_entry *entry = &model->entries[at];
  int64_t call = triple->items[1].integer, tensor = triple->items[2].integer;
  if (counts_from_one(model, entry, output)) call--;
  if (call < 0 || call >= entry->n_nodes || tensor < 0 || tensor > 1000) {
    kd_diag_error(in->diag, triple->origin, "layer %s has no call %lld with an output %lld",
                  kd_quoted(entry->name), (long long)call, (long long)tensor);
    return false;
  }
  *ref = (kd_keras_ref){entry->first_node + (int)call, (int)tensor, false};
  return true;
}

bool kd_keras_add_tensor(kd_keras_import *in, const kd_keras_model *model, kd_keras_node *node,
                         const kd_value *triple, bool mask) {
  kd_keras_ref ref;
  if (!read_triple(in, model, triple, false, &ref)) return false;
  ref.mask = mask;
  add_ref(in, node, ref);
  return true;
}

bool kd_keras_is_tensor(const kd_value *value) {
  return kd_keras_is(value, "__keras_tensor__");
}

/* Tensors in the order in which they stand in nested lists and objects. */
static bool collect(kd_keras_import *in, const kd_keras_model *model, kd_keras_node *node,
                    const kd_value *value, bool mask) {
  if (kd_keras_is_tensor(value)) {
    const kd_value *config = kd_value_key(value, "config"), none = {.origin = value->origin};
    const kd_value *history = kd_json_is_object(config) ? kd_value_key(config, "keras_history") : NULL;
    return kd_keras_add_tensor(in, model, node, history ? history : &none, mask);
  }
  for (int i = 0; i < value->count; i++)
    if (!collect(in, model, node, &value->items[i], mask)) return false;
  return true;
}

static bool read_node(kd_keras_import *in, const kd_keras_model *model, kd_keras_node *node,
                      const kd_value *data) {
  if (data->type == KD_V_LIST) return kd_keras_old_node(in, model, node, data);
  const kd_value *args = kd_json_is_object(data) ? kd_value_key(data, "args") : NULL;
  const kd_value *kwargs = kd_json_is_object(data) ? kd_value_key(data, "kwargs") : NULL;
  if (!args || args->type != KD_V_LIST || (kwargs && !kd_json_is_object(kwargs))) {
    kd_diag_error(in->diag, data->origin, "layer %s: a call is {\"args\": [...], \"kwargs\": {...}}",
                  kd_quoted(model->entries[node->entry].name));
    return false;
  }
  node->args = args;
  node->kwargs = kwargs;
  bool good = collect(in, model, node, args, false);
  for (int i = 0; kwargs && good && i < kwargs->count; i++)
    good = collect(in, model, node, &kwargs->items[i], kd_keras_is_mask(kwargs->keys[i]));
  return good;
}

/* Nodes are made before they are read: a shared layer may take the tensors of later ones. */
static bool make_nodes(kd_keras_import *in, kd_keras_model *model) {
  const kd_value **data = NULL;
  size_t room = 0;
  for (int i = 0; i < model->n_entries; i++) {
    kd_keras_entry *entry = &model->entries[i];
    const kd_value *calls = kd_value_key(entry->object, "inbound_nodes");
    if (calls && calls->type != KD_V_LIST) calls = NULL;
    entry->first_node = model->n_nodes;
    int count = calls ? calls->count : 0;
    for (int k = 0; k < count || (k == 0 && entry->role == KD_KERAS_INPUT); k++) {
      data = kd_pool_grow(in->pool, data, (size_t)model->n_nodes, &room, sizeof *data);
      data[model->n_nodes] = k < count ? &calls->items[k] : NULL;
      model->old = model->old || (k < count && calls->items[k].type == KD_V_LIST);
      add_node(in, model, i);
    }
  }
  for (int n = 0; n < model->n_nodes; n++) {
    kd_keras_node *node = &model->nodes[n];
    if (model->entries[node->entry].role == KD_KERAS_INPUT) continue;
    if (!read_node(in, model, node, data[n])) return false;
  }
  return true;
}

static int by_key(const void *a, const void *b) {
  return strcmp(**(const char *const *const *)a, **(const char *const *const *)b);
}

/* The leaves of input_layers or output_layers: one triple, a list, or an object, whose keys Keras sorts. */
typedef struct leaves {
  int count;
  const kd_value **v;
  const char **names; /* keys; NULL */
  size_t room, name_room;
} leaves;

static void find_leaves(kd_keras_import *in, const kd_value *value, const char *name, leaves *found) {
  if (kd_keras_is_triple(value) || (value->type != KD_V_LIST && !kd_json_is_object(value))) {
    size_t used = (size_t)found->count++;
    found->v = kd_pool_grow(in->pool, found->v, used, &found->room, sizeof *found->v);
    found->names = kd_pool_grow(in->pool, found->names, used, &found->name_room, sizeof *found->names);
    found->v[used] = value;
    found->names[used] = name;
    return;
  }
  const char ***order = kd_pool_alloc(in->pool, (size_t)value->count, sizeof *order);
  for (int i = 0; value->keys && i < value->count; i++) order[i] = &value->keys[i];
  if (value->keys) qsort(order, (size_t)value->count, sizeof *order, by_key);
  for (int i = 0; i < value->count; i++) {
    ptrdiff_t at = value->keys ? order[i] - value->keys : i;
    find_leaves(in, &value->items[at], value->keys ? value->keys[at] : NULL, found);
  }
}

static bool read_inputs(kd_keras_import *in, kd_keras_model *model, const kd_value *config) {
  leaves found = {0};
  const kd_value *value = kd_value_key(config, "input_layers");
  if (value) find_leaves(in, value, NULL, &found);
  model->inputs = kd_pool_alloc(in->pool, (size_t)found.count, sizeof *model->inputs);
  model->input_names = kd_pool_alloc(in->pool, (size_t)found.count, sizeof *model->input_names);
  for (int i = 0; i < found.count; i++) {
    kd_keras_ref ref;
    if (!read_triple(in, model, found.v[i], false, &ref)) return false;
    const kd_keras_entry *entry = &model->entries[model->nodes[ref.node].entry];
    if (entry->role != KD_KERAS_INPUT) {
      kd_diag_error(in->diag, found.v[i]->origin,
                    "the model begins at layer %s, which is no Input: save one that begins at Input tensors",
                    kd_quoted(entry->name));
      return false;
    }
    model->inputs[i] = model->nodes[ref.node].entry;
    model->input_names[i] = found.names[i] ? found.names[i] : entry->name;
  }
  model->n_inputs = found.count;
  return true;
}

/* Outputs bear the names of their layers; a second one of a layer gets a number. */
static const char *output_name(kd_keras_import *in, const kd_keras_model *model, int index, const char *key) {
  const char *name = key ? key : model->entries[model->nodes[model->outputs[index].node].entry].name,
             *free = name;
  for (int number = 1;; number++) {
    bool taken = false;
    for (int i = 0; i < index; i++) taken = taken || strcmp(model->output_names[i], free) == 0;
    if (!taken) return free;
    free = kd_pool_printf(in->pool, "%s_%d", name, number);
  }
}

static bool read_outputs(kd_keras_import *in, kd_keras_model *model, const kd_value *config) {
  leaves found = {0};
  const kd_value *value = kd_value_key(config, "output_layers");
  if (value) find_leaves(in, value, NULL, &found);
  model->outputs = kd_pool_alloc(in->pool, (size_t)found.count, sizeof *model->outputs);
  model->output_names = kd_pool_alloc(in->pool, (size_t)found.count, sizeof *model->output_names);
  for (int i = 0; i < found.count; i++) {
    if (!read_triple(in, model, found.v[i], true, &model->outputs[i])) return false;
    model->output_names[i] = output_name(in, model, i, found.names[i]);
  }
  model->n_outputs = found.count;
  return true;
}

/* Every node behind those that it takes tensors of. A stack of its own: models may be deep. */
static bool sort(kd_keras_import *in, kd_keras_model *model) {
  size_t n = (size_t)model->n_nodes;
  int *stack = kd_calloc(n + 1, sizeof *stack), *next = kd_calloc(n + 1, sizeof *next), placed = 0,
      circle = -1;
  char *state = kd_calloc(n + 1, 1); /* 0 new, 1 on the stack, 2 placed */
  model->order = kd_pool_alloc(in->pool, n, sizeof *model->order);
  for (int start = 0; start < model->n_nodes && circle < 0; start++) {
    int depth = 0;
    if (state[start] == 0) stack[depth++] = start, state[start] = 1;
    while (depth > 0 && circle < 0) {
      int at = stack[depth - 1];
      const kd_keras_node *node = &model->nodes[at];
      if (next[at] == node->n_refs) {
        model->order[placed++] = at;
        state[at] = 2;
        depth--;
        continue;
      }
      int from = node->refs[next[at]++].node;
      if (state[from] == 1) circle = from;
      if (state[from] == 0) stack[depth++] = from, state[from] = 1;
    }
  }
  kd_free(stack);
  kd_free(next);
  kd_free(state);
  if (circle < 0) return true;
  const kd_keras_entry *entry = &model->entries[model->nodes[circle].entry];
  kd_diag_error(in->diag, entry->object->origin, "layer %s: takes its input from itself",
                kd_quoted(entry->name));
  return false;
}

static bool check_ends(kd_keras_import *in, const kd_keras_model *model, const kd_value *config) {
  if (model->n_inputs > 0 && model->n_outputs > 0) return true;
  kd_diag_error(in->diag, config->origin, "the model has no %s_layers", model->n_inputs ? "output" : "input");
  return false;
}

bool kd_keras_nodes(kd_keras_import *in, kd_keras_model *model, const kd_value *config) {
  return make_nodes(in, model) && read_inputs(in, model, config) && read_outputs(in, model, config) &&
         check_ends(in, model, config) && sort(in, model) && kd_keras_find_masks(in, model);
}

bool kd_keras_chain(kd_keras_import *in, kd_keras_model *model, const kd_value *config) {
  if (model->entries[0].role != KD_KERAS_INPUT) {
    kd_diag_error(
        in->diag, config->origin,
        "the Sequential model has no input shape: build it in Keras (an Input in front) and save it again");
    return false;
  }
  for (int i = 0; i < model->n_entries; i++) {
    kd_keras_node *node = add_node(in, model, i);
    model->entries[i].first_node = i;
    if (i == 0) continue;
    add_ref(in, node, (kd_keras_ref){i - 1, 0, false});
    node->args = kd_keras_tensors(in, 1, config->origin);
  }
  model->inputs = kd_pool_alloc(in->pool, 1, sizeof *model->inputs);
  model->input_names = kd_pool_alloc(in->pool, 1, sizeof *model->input_names);
  model->outputs = kd_pool_alloc(in->pool, 1, sizeof *model->outputs);
  model->output_names = kd_pool_alloc(in->pool, 1, sizeof *model->output_names);
  model->n_inputs = model->n_outputs = 1;
  model->input_names[0] = model->entries[0].name;
  model->outputs[0] = (kd_keras_ref){model->n_entries - 1, 0, false};
  model->output_names[0] = model->entries[model->n_entries - 1].name;
  return sort(in, model) && kd_keras_find_masks(in, model);
}
