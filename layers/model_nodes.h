/* The graph that Keras walks when it numbers layers: calls, and the operations that make masks. */
#ifndef KD_MODEL_NODES_H
#define KD_MODEL_NODES_H

#include "layers/model.h"

typedef struct kd_order_node {
  int layer; /* -1: an operation on masks */
  int n_inputs;
  int *inputs; /* numbers of nodes, as Keras orders a call's tensors: by position, then keywords by name */
} kd_order_node;

/* The first model->n_calls nodes are the calls. Memory is the pool's. */
kd_order_node *kd_order_nodes(kd_pool *pool, const kd_model *model, int *count);

#endif
