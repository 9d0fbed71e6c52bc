/* A model as summary and plot show it: its calls, with blocks folded below a depth.
 *
 * The parts of a path, "stage2.0/mix/conv", are its levels. At depth N a call whose path has more than N
 * parts belongs to one node for the use of the block at level N, all copies of a repeat together. */
#ifndef KD_OUTLINE_H
#define KD_OUTLINE_H

#include "launch/model_spec.h"
#include "layers/model.h"

typedef struct kd_outline_group {
  const char *path, *label; /* "stage2.0/mix", "mix" */
  const char *block;
  int copy, copies; /* copies 0: used without repeat */
  int parent;       /* in groups, -1: none; always before this one */
} kd_outline_group;

typedef struct kd_outline_node {
  const char *name;  /* path of the call, or of the use of a folded block */
  const char *label; /* its last part */
  const char *type;  /* Keras class, or the name of the block */
  int copies;        /* of a folded block, at least 1; 0: one call of a layer */
  int layer;         /* in the model; -1: folded block */
  int last_call;     /* the call whose outputs are shown */
  int n_calls;
  int level;               /* parts of the path */
  int group;               /* in groups, -1: none */
  int64_t params, trained; /* each layer once */
  double flops;            /* of a forward pass for one sample; 0 without flops */
  bool is_input, is_output;
} kd_outline_node;

typedef struct kd_outline {
  const kd_model *model;
  int n_nodes;
  kd_outline_node *nodes; /* in the order of calls */
  int n_groups;
  kd_outline_group *groups; /* that hold a node or a group */
  int *node_of;             /* per call of the model */
} kd_outline;

/* depth 0: everything. spec: what the model was made of. flops: per call, or NULL. All memory is the pool's
 * or the model's. */
const kd_outline *kd_outline_make(kd_pool *pool, const kd_model *model, const kd_model_spec *spec, int depth,
                                  const double *flops);

/* A layer inside a layer: of Bidirectional, TimeDistributed, RNN. */
typedef struct kd_inner_layer {
  const char *name; /* the place of its weights: "forward_layer" */
  const char *type;
  int level; /* 1: in the layer itself */
  int64_t params;
} kd_inner_layer;
/* The layers inside one layer of the model, depth first, at most `levels` deep. Returns their number. */
int kd_inner_layers(kd_pool *pool, const kd_model *model, int layer, int levels, kd_inner_layer **inner);

int64_t kd_layer_params(const kd_model *model, int layer, bool trainable_only);
/* "(None, 8)", or of several outputs "[(None, 8), (None, 3)]". */
const char *kd_call_shapes(kd_pool *pool, const kd_call *call);

#endif
