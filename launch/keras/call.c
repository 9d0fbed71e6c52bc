#include <string.h>

#include "device/base/text.h"
#include "io/json.h"
#include "launch/expand.h"
#include "launch/keras/import.h"

typedef struct caller {
  kd_keras_import *in;
  const kd_keras_model *model;
  const kd_keras_node *node;
  const kd_layer_kind *kind; /* NULL: unknown class */
  kd_layer_spec *layer;
  const char *subject;
  int next_ref; /* of the node: tensors are met in the order of its refs */
} caller;

int kd_keras_add_input(kd_keras_import *in, kd_layer_spec *layer, kd_spec_tap tap) {
  kd_spec_tap *more = kd_pool_alloc(in->pool, (size_t)layer->n_inputs + 1, sizeof *more);
  if (layer->n_inputs) memcpy(more, layer->inputs, (size_t)layer->n_inputs * sizeof *more);
  more[layer->n_inputs] = tap;
  layer->inputs = more;
  return layer->n_inputs++;
}

static const kd_call_arg *find_arg(const caller *c, const char *name) {
  const kd_call_arg *arg = NULL;
  for (int i = 0; c->kind && (arg = kd_layer_call_arg(c->kind, i)) && strcmp(arg->name, name) != 0;) i++;
  return arg;
}

static int count_tensors(const kd_value *value) {
  if (kd_keras_is_tensor(value)) return 1;
  int count = 0;
  for (int i = 0; i < value->count; i++) count += count_tensors(&value->items[i]);
  return count;
}

static int take_input(caller *c) {
  kd_keras_ref ref = c->node->refs[c->next_ref++];
  return kd_keras_add_input(c->in, c->layer, kd_keras_tap(c->in, c->model, ref));
}

/* The tensors of a value become inputs; the argument holds their positions. */
static void add_tensor_arg(caller *c, const char *key, const kd_value *value) {
  int count = count_tensors(value);
  kd_value *positions = kd_pool_alloc(c->in->pool, 1, sizeof *positions);
  *positions = (kd_value){.type = KD_V_LIST, .count = count, .origin = value->origin};
  positions->items = kd_pool_alloc(c->in->pool, (size_t)count, sizeof *positions->items);
  for (int i = 0; i < count; i++) positions->items[i] = *kd_value_int(c->in->pool, take_input(c));
  kd_args_set(c->in->pool, &c->layer->call_args, key, positions, false);
}

/* Where in Keras's order of masks an argument begins: query_mask is that of the first input. */
static int first_masked(const caller *c, const char *key) {
  int inputs = 0;
  for (int i = 0; i < c->node->n_refs; i++) inputs += !c->node->refs[i].mask;
  int at = strcmp(key, "value_mask") == 0 ? 1 : strcmp(key, "key_mask") == 0 ? 2 : 0;
  return at < inputs ? at : inputs - 1;
}

/* A mask that comes with its input anyway needs no argument. */
static void add_mask(caller *c, const char *key, const kd_value *value) {
  int count = count_tensors(value), first = first_masked(c, key);
  bool implied = true, computed = false;
  for (int i = 0; i < count; i++) {
    kd_keras_ref mask = c->node->refs[c->next_ref + i];
    int x = first + i < c->node->n_refs ? first + i : first;
    implied = implied && x >= 0 && kd_keras_mask_implied(c->model, c->node->refs[x], mask);
    computed = computed || c->model->nodes[mask.node].only_mask;
  }
  if (implied) {
    c->next_ref += count;
  } else if (computed) {
    const kd_keras_node *maker = &c->model->nodes[c->node->refs[c->next_ref].node];
    kd_diag_error(
        c->in->diag, value->origin,
        "%s: its %s is computed by keras.ops.%s, which is not available; let Embedding(mask_zero=True) or "
        "Masking make it, or feed it as an input",
        c->subject, key, c->model->entries[maker->entry].type);
    c->next_ref += count;
  } else {
    add_tensor_arg(c, key, value);
  }
}

static bool is_input_key(const char *key) {
  static const char *const keys[] = {"inputs", "sequences", "query", "value", "x"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (strcmp(key, keys[i]) == 0) return true;
  return false;
}

/* `training` is not read: a Functional model of Keras hands its own to every layer, whatever the call said.
 */
static void add_keyword(caller *c, const char *key, const kd_value *value) {
  bool nothing = value->type == KD_V_NONE || (value->type == KD_V_BOOL && !value->boolean);
  int count = count_tensors(value);
  if (count > 0 && kd_keras_is_mask(key))
    add_mask(c, key, value);
  else if (count > 0 && is_input_key(key))
    for (int i = 0; i < count; i++) take_input(c);
  else if (count > 0)
    add_tensor_arg(c, key, value);
  else if (value->type != KD_V_NONE && strcmp(key, "training") != 0 && (!nothing || find_arg(c, key)))
    kd_args_set(c->in->pool, &c->layer->call_args, key, value, false);
}

/* Recurrent layers are called (sequences, initial_state, mask, training). */
static void add_positional(caller *c, int index, const kd_value *value) {
  static const char *const recurrent[] = {NULL, "initial_state", "mask", "training"};
  if (index > 0 && index < 4 && find_arg(c, "initial_state")) {
    add_keyword(c, recurrent[index], value);
    return;
  }
  int count = count_tensors(value);
  for (int i = 0; i < count; i++) take_input(c);
  if (count == 0 && value->type != KD_V_NONE)
    kd_diag_error(c->in->diag, value->origin, "%s: argument %d of its call is %s, not a tensor", c->subject,
                  index + 1, kd_quoted(kd_value_print(c->in->pool, value)));
}

/* Keras gives a layer the mask of its input only when one argument alone holds tensors. */
static bool mask_passes_by(const caller *c) {
  const kd_call_arg *mask = find_arg(c, "mask");
  int with_tensors = 0;
  for (int i = 0; c->node->args && i < c->node->args->count; i++)
    with_tensors += count_tensors(&c->node->args->items[i]) > 0;
  for (int i = 0; c->node->kwargs && i < c->node->kwargs->count; i++) {
    bool tensors = count_tensors(&c->node->kwargs->items[i]) > 0;
    if (tensors && strcmp(c->node->kwargs->keys[i], "mask") == 0) return false;
    with_tensors += tensors;
  }
  return mask && mask->type == KD_CALL_MASK && with_tensors > 1;
}

void kd_keras_call(kd_keras_import *in, const kd_keras_model *model, const kd_keras_node *node,
                   kd_layer_spec *layer) {
  const kd_keras_entry *entry = &model->entries[node->entry];
  caller c = {.in = in,
              .model = model,
              .node = node,
              .kind = (const kd_layer_kind *)kd_family_find(&kd_layer_family, entry->type),
              .layer = layer,
              .subject = kd_pool_printf(in->pool, "layer %s (%s)", layer->name, entry->type)};
  for (int i = 0; node->args && i < node->args->count; i++) add_positional(&c, i, &node->args->items[i]);
  for (int i = 0; node->kwargs && i < node->kwargs->count; i++)
    add_keyword(&c, node->kwargs->keys[i], &node->kwargs->items[i]);
  if (mask_passes_by(&c)) layer->masks = KD_MASKS_PASSED;
}
