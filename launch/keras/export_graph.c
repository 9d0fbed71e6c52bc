/* The config of a Functional: layers in Keras's order with their calls. */
#include <ctype.h>
#include <string.h>

#include "device/base/tensor.h"
#include "launch/keras/export.h"
#include "launch/name_index.h"
#include "layers/kinds/kinds.h"

typedef struct graph {
  kd_exporter *e;
  const kd_model *model;
  bool *used;        /* per call: an output needs it */
  int *node;         /* per call: its number among the used calls of its layer */
  const char **name; /* per layer, in Keras */
} graph;

/* --- names --------------------------------------------------------------------------------------------- */

/* Paths of blocks have slashes and numbers of copies have dots: Keras refuses the first in names, one of its
 * backends the second. */
static const char *plain_name(kd_pool *pool, const char *path) {
  char *name = kd_pool_strdup(pool, path);
  for (char *c = name; *c; c++)
    if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-') *c = '_';
  return name;
}

/* Names that may stay go first; the others then take one that is free. */
static void find_names(graph *g) {
  kd_pool *pool = g->e->pool;
  kd_name_index taken = {0};
  for (int pass = 0; pass < 2; pass++) {
    for (int i = 0; i < g->model->n_layers; i++) {
      const char *plain = plain_name(pool, g->model->layers[i]->name), *name = plain;
      bool stays = strcmp(plain, g->model->layers[i]->name) == 0;
      if (stays != (pass == 0)) continue;
      for (int k = 1; kd_name_find(&taken, name) >= 0; k++) name = kd_pool_printf(pool, "%s_%d", plain, k);
      kd_name_add(&taken, pool, name, i);
      g->name[i] = name;
    }
  }
}

/* --- calls --------------------------------------------------------------------------------------------- */

static void find_used(graph *g) {
  const kd_model *model = g->model;
  for (int i = 0; i < model->n_outputs; i++) g->used[model->outputs[i].tap.call] = true;
  for (int i = 0; i < model->n_inputs; i++) g->used[model->inputs[i].call] = true;
  for (int i = model->n_calls - 1; i >= 0; i--)
    for (int k = 0; g->used[i] && k < model->calls[i]->n_inputs; k++)
      g->used[model->calls[i]->inputs[k].call] = true;
  int *calls = kd_pool_alloc(g->e->pool, (size_t)model->n_layers, sizeof *calls);
  for (int i = 0; i < model->n_calls; i++)
    if (g->used[i]) g->node[i] = calls[model->calls[i]->layer]++;
}

static const kd_value *export_shape(kd_exporter *e, const kd_shape *shape) {
  kd_json list = kd_json_list(e->pool);
  for (int i = 0; i < shape->rank; i++)
    kd_json_add(&list, shape->dim[i] < 0 ? kd_json_null() : kd_value_int(e->pool, shape->dim[i]));
  return list.value;
}

/* [layer, node, output] */
static const kd_value *export_place(const graph *g, kd_tap tap) {
  kd_json place = kd_json_list(g->e->pool);
  kd_json_add(&place, kd_value_text(g->e->pool, g->name[g->model->calls[tap.call]->layer]));
  kd_json_add(&place, kd_value_int(g->e->pool, g->node[tap.call]));
  kd_json_add(&place, kd_value_int(g->e->pool, tap.output));
  return place.value;
}

static const kd_value *export_tensor(const graph *g, kd_tap tap) {
  const kd_call *call = g->model->calls[tap.call];
  kd_json config = kd_json_object(g->e->pool), tensor = kd_json_object(g->e->pool);
  kd_json_put(&config, "shape", export_shape(g->e, &call->output_shape[tap.output]));
  kd_json_put_text(&config, "dtype", kd_dtype_name(call->output_dtype[tap.output]));
  kd_json_put(&config, "keras_history", export_place(g, tap));
  kd_json_put_text(&tensor, "class_name", "__keras_tensor__");
  kd_json_put(&tensor, "config", config.value);
  return tensor.value;
}

static kd_call_type type_of(const kd_layer_kind *kind, const char *name) {
  const kd_call_arg *arg;
  for (int i = 0; (arg = kd_layer_call_arg(kind, i)); i++)
    if (strcmp(arg->name, name) == 0) return arg->type;
  return KD_CALL_FLAG;
}

/* States of stacked cells are a list for each cell. */
static const kd_value *group_states(const graph *g, const kd_call *call, const kd_value *states) {
  const kd_layer *layer = g->model->layers[call->layer];
  kd_json groups = kd_json_list(g->e->pool);
  int count, next = 0;
  for (int i = 0;
       layer->kind->state_group && (count = layer->kind->state_group(layer->kind, layer->options, i)); i++) {
    kd_json group = kd_json_list(g->e->pool);
    while (count-- > 0 && next < states->count) kd_json_add(&group, &states->items[next++]);
    kd_json_add(&groups, group.value);
  }
  return groups.value->count > 0 ? groups.value : states;
}

/* Tensors of arguments are numbers of the call's inputs. */
static const kd_value *export_argument(const graph *g, const kd_call *call, kd_call_type type,
                                       const kd_value *value) {
  bool tensors = type == KD_CALL_MASK || type == KD_CALL_TENSOR || type == KD_CALL_TENSORS;
  if (!tensors || value->type != KD_V_LIST) return value;
  kd_json list = kd_json_list(g->e->pool);
  for (int i = 0; i < value->count; i++)
    kd_json_add(&list, export_tensor(g, call->inputs[value->items[i].integer]));
  return type == KD_CALL_TENSORS ? group_states(g, call, list.value) : &list.value->items[0];
}

/* Inputs in front of those that arguments name. */
static int positional(const kd_call *call) {
  int64_t count = call->n_inputs;
  for (int i = 0; i < call->n_args; i++)
    for (int k = 0; call->arg_values[i]->type == KD_V_LIST && k < call->arg_values[i]->count; k++)
      if (call->arg_values[i]->items[k].integer < count) count = call->arg_values[i]->items[k].integer;
  return (int)count;
}

static const kd_value *export_call(const graph *g, const kd_call *call) {
  kd_pool *pool = g->e->pool;
  const kd_layer_kind *kind = g->model->layers[call->layer]->kind;
  kd_json tensors = kd_json_list(pool), args = kd_json_list(pool), kwargs = kd_json_object(pool);
  for (int i = 0; i < positional(call); i++) kd_json_add(&tensors, export_tensor(g, call->inputs[i]));
  if (kind->takes_list) kd_json_add(&args, tensors.value);
  for (int i = 0; i < call->n_args; i++)
    if (call->arg_values[i]->type != KD_V_NONE)
      kd_json_put(&kwargs, call->arg_names[i],
                  export_argument(g, call, type_of(kind, call->arg_names[i]), call->arg_values[i]));
  kd_json node = kd_json_object(pool);
  kd_json_put(&node, "args", kind->takes_list ? args.value : tensors.value);
  kd_json_put(&node, "kwargs", kwargs.value);
  return node.value;
}

/* --- layers -------------------------------------------------------------------------------------------- */

static const kd_model_input *input_of(const kd_model *model, int layer) {
  for (int i = 0; i < model->n_inputs; i++)
    if (model->calls[model->inputs[i].call]->layer == layer) return &model->inputs[i];
  return NULL;
}

static const kd_value *export_layer_config(const graph *g, int number) {
  kd_exporter *e = g->e;
  const kd_layer *layer = g->model->layers[number];
  const kd_model_input *input = input_of(g->model, number);
  kd_json config = kd_json_object(e->pool);
  kd_json_put_text(&config, "name", g->name[number]);
  if (input) {
    kd_json_put(&config, "batch_shape", export_shape(e, &g->model->calls[input->call]->output_shape[0]));
    kd_json_put_text(&config, "dtype", kd_dtype_name(input->dtype));
    return config.value;
  }
  e->policy = kd_policy_name(layer->policy);
  e->frozen = !layer->trainable;
  if (e->frozen) kd_json_put(&config, "trainable", kd_value_bool(e->pool, false));
  kd_json_put_text(&config, "dtype", e->policy);
  kd_export_settings(e, &layer->kind->base, layer->options, false, &config);
  return config.value;
}

static const kd_value *export_one(const graph *g, int number, const kd_value *nodes) {
  const kd_layer *layer = g->model->layers[number];
  const kd_value *object = kd_export_layer(g->e, layer->kind, export_layer_config(g, number));
  kd_json entry = kd_json_object(g->e->pool);
  for (int i = 0; i < object->count; i++) kd_json_put(&entry, object->keys[i], &object->items[i]);
  kd_json_put_text(&entry, "name", g->name[number]);
  kd_json_put(&entry, "inbound_nodes", nodes);
  return entry.value;
}

static const kd_value *export_layers(const graph *g) {
  kd_pool *pool = g->e->pool;
  const kd_model *model = g->model;
  size_t n = (size_t)model->n_layers;
  int *order = kd_pool_alloc(pool, n, sizeof *order);
  kd_json *nodes = kd_pool_alloc(pool, n, sizeof *nodes), layers = kd_json_list(pool);
  bool *used = kd_pool_alloc(pool, n, sizeof *used);
  for (size_t i = 0; i < n; i++) nodes[i] = kd_json_list(pool);
  for (int i = 0; i < model->n_calls; i++) {
    const kd_call *call = model->calls[i];
    if (!g->used[i]) continue;
    used[call->layer] = true;
    if (!input_of(model, call->layer)) kd_json_add(&nodes[call->layer], export_call(g, call));
  }
  kd_model_keras_order(model, order);
  for (size_t i = 0; i < n; i++)
    if (used[order[i]]) kd_json_add(&layers, export_one(g, order[i], nodes[order[i]].value));
  return layers.value;
}

/* A single tensor stands alone, as in keras.Model(x, y). */
static const kd_value *alone(const kd_value *places) {
  return places->count == 1 ? &places->items[0] : places;
}

const kd_value *kd_export_graph(kd_exporter *e, const kd_model *model) {
  size_t calls = (size_t)model->n_calls, layers = (size_t)model->n_layers;
  graph g = {.e = e,
             .model = model,
             .used = kd_pool_alloc(e->pool, calls, sizeof *g.used),
             .node = kd_pool_alloc(e->pool, calls, sizeof *g.node),
             .name = kd_pool_alloc(e->pool, layers, sizeof *g.name)};
  find_names(&g);
  find_used(&g);
  kd_json config = kd_json_object(e->pool), inputs = kd_json_list(e->pool), outputs = kd_json_list(e->pool);
  for (int i = 0; i < model->n_inputs; i++)
    kd_json_add(&inputs, export_place(&g, (kd_tap){model->inputs[i].call, 0}));
  for (int i = 0; i < model->n_outputs; i++) kd_json_add(&outputs, export_place(&g, model->outputs[i].tap));
  kd_json_put_text(&config, "name", plain_name(e->pool, model->name));
  kd_json_put(&config, "layers", export_layers(&g));
  kd_json_put(&config, "input_layers", alone(inputs.value));
  kd_json_put(&config, "output_layers", alone(outputs.value));
  return config.value;
}

/* --- what Keras does differently -------------------------------------------------------------------------
 */

static bool has_argument(const kd_call *call, const char *name) {
  for (int i = 0; i < call->n_args; i++)
    if (strcmp(call->arg_names[i], name) == 0 && call->arg_values[i]->type != KD_V_NONE) return true;
  return false;
}

static const char *note_of_call(kd_pool *pool, const kd_model *model, const kd_call *call) {
  bool masked = false;
  for (int k = 0; k < call->n_inputs; k++)
    masked = masked || model->calls[call->inputs[k].call]->output_masked[call->inputs[k].output];
  if (has_argument(call, "training"))
    return kd_pool_printf(
        pool,
        "layer %s: Keras's fit, evaluate and predict put their own value in place of the call "
        "argument training; freeze layers with trainable = false",
        call->name);
  if (masked && call->masks == KD_MASKS_SEEN && has_argument(call, "initial_state") &&
      !has_argument(call, "mask"))
    return kd_pool_printf(pool,
                          "layer %s: Keras gives no mask to a layer that is called with initial_state, so it "
                          "walks over masked steps there",
                          call->name);
  if (masked && call->masks == KD_MASKS_NONE)
    return kd_pool_printf(pool, "layer %s: a function of keras.ops becomes a layer, which passes masks on",
                          call->name);
  return NULL;
}

static void find_notes(kd_pool *pool, const kd_model *model, bool hub, kd_texts *notes) {
  const char **texts = kd_pool_alloc(pool, (size_t)model->n_calls + 1, sizeof *texts);
  *notes = (kd_texts){.v = texts};
  for (int i = 0; i < model->n_calls; i++) {
    const char *text = note_of_call(pool, model, model->calls[i]);
    if (text) texts[notes->count++] = text;
  }
  if (hub) texts[notes->count++] = "layers of KerasHub: import keras_hub in Python before load_model";
}

const char *kd_export_keras(kd_pool *pool, const kd_model *model, const kd_config *config, kd_texts *notes) {
  static const char module[] = "keras.src.models.functional", class_name[] = "Functional";
  kd_exporter e = {.pool = pool, .policy = "float32"};
  model = kd_model_flat(pool, model);
  const kd_value *object = kd_export_class(&e, module, class_name, class_name, kd_export_graph(&e, model));
  kd_json whole = kd_json_object(pool);
  for (int i = 0; i < object->count; i++) kd_json_put(&whole, object->keys[i], &object->items[i]);
  kd_json_put(&whole, "compile_config", kd_export_compile(&e, model, config));
  find_notes(pool, model, e.hub, notes);
  return kd_json_write(pool, whole.value);
}
