/* Batch normalisation with relu whose only use is a maximum over windows that do not overlap becomes one
 * primitive, and so do the two gradients: the normalised images are neither written nor read again (half of
 * the memory traffic of convolution, normalisation, relu, pooling). */
#include <string.h>

#include "layers/plan/fuse.h"
#include "layers/plan/rewrite.h"

/* What becomes of a node. */
typedef struct change {
  bool absorbed;
  const kd_node *pool; /* of a BATCH_NORM or its gradient: the POOL that is taken in */
  kd_sym dy;           /* BATCH_NORM_GRAD: the gradient of the pool's result */
} change;

typedef struct pass {
  kd_rewrite rewrite;
  const kd_graph *graph;
  kd_readers readers;
  change *change; /* per node */
} pass;

static int index_of(const pass *p, const kd_node *node) {
  return (int)(node - p->graph->nodes);
}

static bool has_relu(const kd_node *norm) {
  return ((const kd_norm_attr *)norm->attr)->relu;
}

/* Fewer channels fill no vector, and rows of several pixels, as BATCH_NORM reads them, are faster. */
static bool fits(const pass *p, const kd_node *pool) {
  enum { FEWEST_CHANNELS = 16 };
  const kd_pool_attr *attr = pool->attr;
  const kd_shape *x = &p->graph->syms[pool->input[0]].shape;
  if (attr->average || attr->spatial != 2 || x->dim[3] < FEWEST_CHANNELS) return false;
  for (int i = 0; i < 2; i++)
    if (attr->stride[i] != attr->window[i] || attr->pad_before[i] || attr->pad_after[i] ||
        attr->window[i] > 16)
      return false;
  return true;
}

/* The only reader of sym that is `op`, or NULL when there is none, another one, or one too many. `others`
 * counts the readers of other primitives. */
static const kd_node *reader(const pass *p, kd_sym sym, kd_op op, int *others) {
  const kd_node *found = NULL;
  *others = 0;
  for (int i = p->readers.start[sym]; i < p->readers.start[sym + 1]; i++) {
    const kd_node *node = &p->graph->nodes[p->readers.node[i]];
    if (node->op != op)
      (*others)++;
    else if (found)
      return NULL;
    else
      found = node;
  }
  return found;
}

/* The gradient of normalisation that alone takes the result of this gradient of pooling, or NULL. */
static const kd_node *norm_grad_behind(const pass *p, const kd_node *norm, const kd_node *pool_grad) {
  int others;
  kd_sym dx = pool_grad->output[0];
  const kd_node *grad = reader(p, dx, KD_OP_BATCH_NORM_GRAD, &others);
  if (!grad || others || p->rewrite.keep[dx] || grad->input[5] != dx || !has_relu(grad)) return NULL;
  bool same = memcmp(norm->input, grad->input, 3 * sizeof(kd_sym)) == 0 &&
              norm->output[1] == grad->input[3] && norm->output[2] == grad->input[4];
  return same ? grad : NULL;
}

static void take_pool(pass *p, const kd_node *norm, const kd_node *pool) {
  p->change[index_of(p, norm)].pool = pool;
  p->change[index_of(p, pool)].absorbed = true;
}

static void match(pass *p, const kd_node *norm) {
  kd_sym y = norm->output[0];
  int other_than_pool, other_than_grad;
  if (!has_relu(norm) || p->rewrite.keep[y]) return;
  const kd_node *pool = reader(p, y, KD_OP_POOL, &other_than_pool);
  const kd_node *pool_grad = reader(p, y, KD_OP_POOL_GRAD, &other_than_grad);
  if (!pool || !fits(p, pool) || other_than_pool != (pool_grad ? 1 : 0)) return;
  if (pool_grad) {
    bool own = pool_grad->input[0] == y && pool_grad->input[1] == pool->output[0];
    const kd_node *grad = own ? norm_grad_behind(p, norm, pool_grad) : NULL;
    if (!grad) return;
    take_pool(p, grad, pool);
    p->change[index_of(p, grad)].dy = pool_grad->input[2];
    p->change[index_of(p, pool_grad)].absorbed = true;
  }
  take_pool(p, norm, pool);
}

static void emit(pass *p, const kd_node *node, const change *c) {
  const kd_pool_attr *pool = c->pool->attr;
  kd_norm_pool_attr attr = {.epsilon = ((const kd_norm_attr *)node->attr)->epsilon,
                            .window = {(int)pool->window[0], (int)pool->window[1]}};
  kd_sym inputs[6], outputs[3];
  bool grad = node->op == KD_OP_BATCH_NORM_GRAD;
  memcpy(inputs, node->input, (size_t)node->n_inputs * sizeof *inputs);
  memcpy(outputs, node->output, sizeof outputs);
  if (grad)
    inputs[5] = c->dy;
  else
    outputs[0] = c->pool->output[0];
  kd_rewrite_add(&p->rewrite, node, grad ? KD_OP_NORM_POOL_GRAD : KD_OP_NORM_POOL, &attr, node->n_inputs,
                 inputs, 3, outputs);
}

kd_graph *kd_fuse_norm_pools(const kd_graph *graph, const bool *keep, kd_sym *map) {
  pass p = {.rewrite = kd_rewrite_begin(graph, keep, map), .graph = graph};
  p.readers = kd_readers_find(graph, p.rewrite.needed);
  p.change = kd_calloc((size_t)graph->n_nodes, sizeof *p.change);
  for (int n = 0; n < graph->n_nodes; n++)
    if (p.rewrite.needed[n] && graph->nodes[n].op == KD_OP_BATCH_NORM) match(&p, &graph->nodes[n]);
  for (int n = 0; n < graph->n_nodes; n++) {
    const kd_node *node = &graph->nodes[n];
    const change *c = &p.change[n];
    if (!p.rewrite.needed[n] || c->absorbed || kd_node_is_view(node)) continue;
    if (c->pool)
      emit(&p, node, c);
    else
      kd_rewrite_copy(&p.rewrite, node);
  }
  kd_free(p.change);
  kd_readers_free(&p.readers);
  return kd_rewrite_end(&p.rewrite);
}
