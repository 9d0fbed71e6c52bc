/* Masks that travel with tensors are tensors of Keras's graph too: an Embedding compares its input with 0,
 * and the layer that takes the mask takes the result as a keyword. So they decide how deep a layer stands,
 * and with that the groups of weights files (Layer.__call__ and compute_mask of keras/src/layers). */
#include "layers/model_nodes.h"

#include <string.h>

#include "layers/kinds/kinds.h"

typedef struct builder {
  kd_pool *pool;
  const kd_model *model;
  kd_order_node *nodes;
  int count;
  size_t capacity;
  int **mask; /* per call and output: the node that gives its mask, or -1 */
} builder;

static int add_node(builder *b, int layer, int n_inputs, const int *inputs) {
  kd_order_node node = {layer, n_inputs, kd_pool_alloc(b->pool, (size_t)n_inputs, sizeof(int))};
  if (n_inputs > 0) memcpy(node.inputs, inputs, (size_t)n_inputs * sizeof(int));
  b->nodes = kd_pool_grow(b->pool, b->nodes, (size_t)b->count, &b->capacity, sizeof *b->nodes);
  b->nodes[b->count] = node;
  return b->count++;
}

/* An operation of one or two tensors. */
static int operation(builder *b, int x, int y) {
  return add_node(b, -1, y < 0 ? 1 : 2, (int[]){x, y});
}

/* --- a call ------------------------------------------------------------------------------------------ */

/* What a call knows: its inputs by position, and the masks that come with them. */
typedef struct present {
  const kd_call *call;
  const kd_layer_kind *kind;
  int n;           /* inputs by position */
  const int *mask; /* of each, or -1 */
  int given;       /* the call argument mask, or -1 */
} present;

typedef struct keyword {
  const char *name;
  int node;
} keyword;

static const kd_value *argument(const kd_call *call, const char *name) {
  for (int i = 0; i < call->n_args; i++)
    if (strcmp(call->arg_names[i], name) == 0) return call->arg_values[i];
  return NULL;
}

static bool takes(const kd_layer_kind *kind, const char *name) {
  const kd_call_arg *arg;
  for (int i = 0; (arg = kd_layer_call_arg(kind, i)); i++)
    if (strcmp(arg->name, name) == 0) return true;
  return false;
}

/* Keeps the order of the names; equal ones stand in the order in which they come. */
static void add_keyword(keyword *words, int *n, const char *name, int node) {
  int at = (*n)++;
  for (; at > 0 && strcmp(words[at - 1].name, name) > 0; at--) words[at] = words[at - 1];
  words[at] = (keyword){name, node};
}

/* Masks that Keras puts into the call, where all tensors are one argument; those of layers with several find
 * their way when the model runs. */
static void add_masks(const present *p, keyword *words, int *n) {
  bool one = p->kind->takes_list || p->call->n_inputs == 1;
  if (!one || !takes(p->kind, "mask") || argument(p->call, "mask")) return;
  for (int i = 0; i < p->n; i++)
    if (p->mask[i] >= 0) add_keyword(words, n, "mask", p->mask[i]);
}

static void add_call(builder *b, const present *p, int number) {
  const kd_call *call = p->call;
  keyword *words = kd_pool_alloc(b->pool, (size_t)(2 * call->n_inputs) + 1, sizeof *words);
  int *inputs = kd_pool_alloc(b->pool, (size_t)(2 * call->n_inputs) + 1, sizeof *inputs), n = 0, n_words = 0;
  for (int i = 0; i < p->n; i++) inputs[n++] = call->inputs[i].call;
  for (int i = 0; i < call->n_args; i++) {
    const kd_value *value = call->arg_values[i];
    for (int k = 0; value->type == KD_V_LIST && k < value->count; k++)
      add_keyword(words, &n_words, call->arg_names[i], call->inputs[value->items[k].integer].call);
  }
  if (call->masks == KD_MASKS_SEEN) add_masks(p, words, &n_words);
  for (int i = 0; i < n_words; i++) inputs[n++] = words[i].node;
  b->nodes[number] = (kd_order_node){call->layer, n, inputs};
}

/* --- the mask of its output ----------------------------------------------------------------------------- */

static int any_of(builder *b, const present *p) {
  int mask = p->mask[0];
  for (int i = 1; i < p->n; i++) mask = operation(b, mask, p->mask[i]);
  return mask;
}

/* Masks become as long as the inputs, are joined, and any of the last axis counts. */
static int joined(builder *b, const present *p) {
  int *parts = kd_pool_alloc(b->pool, (size_t)p->n, sizeof *parts);
  for (int i = 0; i < p->n; i++) {
    kd_tap tap = p->call->inputs[i];
    int x = tap.call, mask = p->mask[i];
    bool wide = b->model->calls[x]->output_shape[tap.output].rank > 2;
    if (mask < 0)
      parts[i] = operation(b, x, -1);
    else
      parts[i] = wide ? operation(b, operation(b, mask, -1), operation(b, x, -1)) : mask;
  }
  return operation(b, add_node(b, -1, p->n, parts), -1);
}

static int output_mask(builder *b, const present *p) {
  const kd_layer_kind *kind = p->kind;
  int x = p->call->inputs[0].call;
  if (kind == &kd_layer_masking) return operation(b, operation(b, x, -1), -1);
  if (kind == &kd_layer_embedding || kind == &kd_layer_reversible_embedding) return operation(b, x, -1);
  if (p->given >= 0) return p->given;
  if (kind == &kd_layer_concatenate) return joined(b, p);
  if (!kind->takes_list) return p->mask[0];
  /* Attention gives the query's, converted. */
  return takes(kind, "mask") ? (p->mask[0] < 0 ? -1 : operation(b, p->mask[0], -1)) : any_of(b, p);
}

static void visit(builder *b, int number) {
  const kd_call *call = b->model->calls[number];
  int64_t n = call->n_inputs;
  for (int i = 0; i < call->n_args; i++)
    for (int k = 0; call->arg_values[i]->type == KD_V_LIST && k < call->arg_values[i]->count; k++)
      if (call->arg_values[i]->items[k].integer < n) n = call->arg_values[i]->items[k].integer;
  int *masks = kd_pool_alloc(b->pool, (size_t)n + 1, sizeof *masks);
  for (int i = 0; i < n; i++) masks[i] = b->mask[call->inputs[i].call][call->inputs[i].output];
  const kd_value *given = argument(call, "mask");
  bool one = given && given->type == KD_V_LIST && given->count == 1;
  present p = {.call = call,
               .kind = b->model->layers[call->layer]->kind,
               .n = (int)n,
               .mask = masks,
               .given = one ? call->inputs[given->items[0].integer].call : -1};
  add_call(b, &p, number);
  b->mask[number] = kd_pool_alloc(b->pool, (size_t)call->n_outputs, sizeof **b->mask);
  bool masked = false;
  for (int o = 0; o < call->n_outputs; o++) masked = masked || call->output_masked[o];
  int mask = masked && n > 0 ? output_mask(b, &p) : -1;
  for (int o = 0; o < call->n_outputs; o++) b->mask[number][o] = call->output_masked[o] ? mask : -1;
}

kd_order_node *kd_order_nodes(kd_pool *pool, const kd_model *model, int *count) {
  builder b = {
      .pool = pool, .model = model, .mask = kd_pool_alloc(pool, (size_t)model->n_calls + 1, sizeof *b.mask)};
  for (int i = 0; i < model->n_calls; i++) add_node(&b, model->calls[i]->layer, 0, NULL);
  for (int i = 0; i < model->n_calls; i++) visit(&b, i);
  *count = b.count;
  return b.nodes;
}
