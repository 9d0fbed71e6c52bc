/* The order in which keras.Model numbers its layers (map_graph of keras/src/ops/function.py):
 * a depth-first walk from the outputs gives calls, and what makes masks, in post-order and layers an index in
 * pre-order; depths are found by walking the post-order backwards; layers are sorted by falling depth, then
 * by index. */
#include <stdlib.h>

#include "layers/model_nodes.h"

typedef struct walk {
  const kd_model *model;
  const kd_order_node *nodes;
  int *post_order; /* nodes */
  int n_post;
  int *layer_index, next_index; /* by layer; -1: not met */
} walk;

/* Position in the depth-first walk: the node and the input to look at next. The walk keeps its own stack,
 * since models may be thousands of calls deep. */
typedef struct frame {
  int node, next_input;
} frame;

static void enter(walk *w, int node, frame *stack, int *depth, bool *seen) {
  if (seen[node]) return;
  seen[node] = true;
  int layer = w->nodes[node].layer;
  if (layer >= 0 && w->layer_index[layer] < 0) w->layer_index[layer] = w->next_index++;
  stack[(*depth)++] = (frame){node, 0};
}

static void walk_from(walk *w, int node, frame *stack, bool *seen) {
  int depth = 0;
  enter(w, node, stack, &depth, seen);
  while (depth > 0) {
    frame *top = &stack[depth - 1];
    const kd_order_node *current = &w->nodes[top->node];
    if (top->next_input < current->n_inputs) {
      enter(w, current->inputs[top->next_input++], stack, &depth, seen);
    } else {
      w->post_order[w->n_post++] = top->node;
      depth--;
    }
  }
}

static void find_depths(const walk *w, int *node_depth, int *layer_depth) {
  for (int i = w->n_post - 1; i >= 0; i--) {
    const kd_order_node *node = &w->nodes[w->post_order[i]];
    int depth = node_depth[w->post_order[i]];
    if (node->layer >= 0 && depth < layer_depth[node->layer]) depth = layer_depth[node->layer];
    if (node->layer >= 0) layer_depth[node->layer] = depth;
    for (int k = 0; k < node->n_inputs; k++) {
      int *before = &node_depth[node->inputs[k]];
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
  kd_pool *pool = kd_pool_create();
  int count;
  walk w = {.model = model, .nodes = kd_order_nodes(pool, model, &count)};
  size_t nodes = (size_t)count, layers = (size_t)model->n_layers;
  w.post_order = kd_pool_alloc(pool, nodes, sizeof *w.post_order);
  w.layer_index = kd_pool_alloc(pool, layers, sizeof *w.layer_index);
  for (size_t i = 0; i < layers; i++) w.layer_index[i] = -1;
  frame *stack = kd_pool_alloc(pool, nodes, sizeof *stack);
  bool *seen = kd_pool_alloc(pool, nodes, sizeof *seen);
  for (int i = 0; i < model->n_outputs; i++) walk_from(&w, model->outputs[i].tap.call, stack, seen);
  int *node_depth = kd_pool_alloc(pool, nodes, sizeof(int)),
      *layer_depth = kd_pool_alloc(pool, layers, sizeof(int));
  find_depths(&w, node_depth, layer_depth);
  sort_layers(&w, layer_depth, kd_pool_alloc(pool, layers, sizeof(rank)), order);
  kd_pool_destroy(pool);
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
