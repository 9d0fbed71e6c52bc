/* The order in which keras.Model numbers its layers (map_graph of keras/src/ops/function.py):
 * a depth-first walk from the outputs gives calls in post-order and layers an index in pre-order; depths
 * are found by walking the post-order backwards; layers are sorted by falling depth, then by index. */
#include <stdlib.h>

#include "layers/model.h"

typedef struct walk {
  const kd_model *model;
  int *post_order; /* calls */
  int n_post;
  int *layer_index, next_index; /* by layer; -1: not met */
} walk;

/* Position in the depth-first walk: the call and the input to look at next. The walk keeps its own stack,
 * since models may be thousands of calls deep. */
typedef struct frame {
  int call, next_input;
} frame;

static void enter(walk *w, int call, frame *stack, int *depth, bool *seen) {
  if (seen[call]) return;
  seen[call] = true;
  int layer = w->model->calls[call]->layer;
  if (w->layer_index[layer] < 0) w->layer_index[layer] = w->next_index++;
  stack[(*depth)++] = (frame){call, 0};
}

static void walk_from(walk *w, int call, frame *stack, bool *seen) {
  int depth = 0;
  enter(w, call, stack, &depth, seen);
  while (depth > 0) {
    frame *top = &stack[depth - 1];
    const kd_call *current = w->model->calls[top->call];
    if (top->next_input < current->n_inputs) {
      enter(w, current->inputs[top->next_input++].call, stack, &depth, seen);
    } else {
      w->post_order[w->n_post++] = top->call;
      depth--;
    }
  }
}

static void find_depths(const walk *w, int *call_depth, int *layer_depth) {
  for (int i = w->n_post - 1; i >= 0; i--) {
    const kd_call *call = w->model->calls[w->post_order[i]];
    int depth = call_depth[w->post_order[i]];
    if (depth < layer_depth[call->layer]) depth = layer_depth[call->layer];
    layer_depth[call->layer] = call_depth[w->post_order[i]] = depth;
    for (int k = 0; k < call->n_inputs; k++) {
      int *before = &call_depth[call->inputs[k].call];
      if (*before < depth + 1) *before = depth + 1;
    }
  }
}

typedef struct rank {
  int layer, depth, index;
} rank;

static int compare_ranks(const void *a, const void *b) {
  const rank *x = a, *y = b;
  if (x->depth != y->depth) return x->depth > y->depth ? -1 : 1;
  if (x->index != y->index) return x->index < y->index ? -1 : 1;
  return x->layer - y->layer;
}

/* Inputs that reach no output have depth 0 and index -1; other layers that no output needs are not part of
 * Keras's model and come last. */
static void sort_layers(const walk *w, const int *layer_depth, rank *ranks, int *order) {
  for (int i = 0; i < w->model->n_layers; i++) {
    bool met = w->layer_index[i] >= 0;
    ranks[i] = (rank){i, met ? layer_depth[i] : -1, w->layer_index[i]};
  }
  for (int i = 0; i < w->model->n_inputs; i++) {
    int layer = w->model->calls[w->model->inputs[i].call]->layer;
    if (w->layer_index[layer] < 0) ranks[layer].depth = 0;
  }
  qsort(ranks, (size_t)w->model->n_layers, sizeof *ranks, compare_ranks);
  for (int i = 0; i < w->model->n_layers; i++) order[i] = ranks[i].layer;
}

/* A model from a file knows its order; places that hold no layer of it are passed over. */
static bool order_by_rank(const kd_model *model, int *order) {
  rank *ranks = kd_calloc((size_t)model->n_layers + 1, sizeof *ranks);
  bool ranked = model->n_layers > 0;
  for (int i = 0; i < model->n_layers; i++) {
    ranks[i] = (rank){i, 0, model->layers[i]->rank};
    ranked = ranked && model->layers[i]->rank > 0;
  }
  if (ranked) qsort(ranks, (size_t)model->n_layers, sizeof *ranks, compare_ranks);
  for (int i = 0; ranked && i < model->n_layers; i++) order[i] = ranks[i].layer;
  kd_free(ranks);
  return ranked;
}

void kd_model_keras_order(const kd_model *model, int *order) {
  if (order_by_rank(model, order)) return;
  size_t calls = (size_t)model->n_calls, layers = (size_t)model->n_layers;
  walk w = {.model = model,
            .post_order = kd_calloc(calls, sizeof(int)),
            .layer_index = kd_calloc(layers, sizeof(int))};
  for (size_t i = 0; i < layers; i++) w.layer_index[i] = -1;
  frame *stack = kd_calloc(calls, sizeof *stack);
  bool *seen = kd_calloc(calls, sizeof *seen);
  for (int i = 0; i < model->n_outputs; i++) walk_from(&w, model->outputs[i].tap.call, stack, seen);
  int *call_depth = kd_calloc(calls, sizeof(int)), *layer_depth = kd_calloc(layers, sizeof(int));
  find_depths(&w, call_depth, layer_depth);
  rank *ranks = kd_calloc(layers, sizeof *ranks);
  sort_layers(&w, layer_depth, ranks, order);
  void *blocks[] = {w.post_order, w.layer_index, stack, seen, call_depth, layer_depth, ranks};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) kd_free(blocks[i]);
}

const kd_model *kd_model_flat(kd_pool *pool, const kd_model *model) {
  kd_model *flat = kd_pool_alloc(pool, 1, sizeof *flat);
  *flat = *model;
  flat->layers = kd_pool_alloc(pool, (size_t)model->n_layers, sizeof *flat->layers);
  for (int i = 0; i < model->n_layers; i++) {
    flat->layers[i] = kd_pool_alloc(pool, 1, sizeof *flat->layers[i]);
    *flat->layers[i] = *model->layers[i];
    flat->layers[i]->rank = 0;
    flat->layers[i]->stored = NULL;
  }
  return flat;
}
