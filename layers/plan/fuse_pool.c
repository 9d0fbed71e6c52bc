/* relu, then maxima over windows: the cell that won its window has the value of the result, so relu's mask
 * may be laid on the gradient of the results instead of on that of the images, and sums of the images'
 * gradient over all pixels (the bias of a convolution) are sums of the results' gradient. Both are a fourth
 * in size for windows of 2x2. */
#include "layers/plan/fuse.h"
#include "layers/plan/rewrite.h"

/* What becomes of a node. */
typedef struct change {
  bool absorbed;
  const kd_node *mask; /* POOL_GRAD: relu's mask, which goes before it */
  kd_sym summed;       /* REDUCE: the smaller tensor that has the same sum, or KD_NO_SYM */
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

static bool sums_all_pixels(const kd_reduce_attr *attr, int rank) {
  if (attr->kind != KD_REDUCE_SUM) return false;
  for (int axis = 1; axis < rank - 1; axis++)
    if (!attr->axis[axis]) return false;
  return true;
}

static void match_sums(pass *p, kd_sym masked, kd_sym smaller) {
  int rank = p->graph->syms[masked].shape.rank;
  for (int i = p->readers.start[masked]; i < p->readers.start[masked + 1]; i++) {
    const kd_node *node = &p->graph->nodes[p->readers.node[i]];
    if (node->op == KD_OP_REDUCE && sums_all_pixels(node->attr, rank))
      p->change[index_of(p, node)].summed = smaller;
  }
}

/* mask(y, POOL_GRAD(y, p, dp)) = POOL_GRAD(y, p, mask(p, dp)) for a maximum p of y. From here on the name of
 * the unmasked gradient of the images means the masked gradient of the results. */
static void match_mask(pass *p, const kd_node *pool_grad) {
  const kd_pool_attr *attr = pool_grad->attr;
  kd_sym y, dy, dx = pool_grad->output[0];
  if (attr->average || p->rewrite.keep[dx] || kd_readers_count(&p->readers, dx) != 1) return;
  const kd_node *mask = &p->graph->nodes[p->readers.node[p->readers.start[dx]]];
  if (!kd_match_relu_mask(mask, &y, &dy) || y != pool_grad->input[0] || dy != dx) return;
  const kd_node *pool = kd_producer(p->graph, pool_grad->input[1], false);
  if (!pool || pool->op != KD_OP_POOL || pool->input[0] != y) return;
  const kd_sym_info *info = p->graph->syms;
  if (info[pool_grad->input[2]].dtype != info[dx].dtype || info[mask->output[0]].dtype != info[dx].dtype)
    return;
  if (!kd_shape_equal(&info[mask->output[0]].shape, &info[dx].shape)) return;
  p->change[index_of(p, pool_grad)].mask = mask;
  p->change[index_of(p, mask)].absorbed = true;
  match_sums(p, mask->output[0], dx);
}

static void emit_masked(pass *p, const kd_node *pool_grad, const kd_node *mask) {
  kd_sym y = pool_grad->input[0], results = pool_grad->input[1], dresults = pool_grad->input[2];
  kd_sym masked = pool_grad->output[0];
  kd_pointwise_attr attr = *(const kd_pointwise_attr *)mask->attr;
  attr.shape = p->graph->syms[results].shape;
  kd_sym operands[2] = {mask->input[0] == y ? results : dresults, mask->input[1] == y ? results : dresults};
  kd_rewrite_add(&p->rewrite, mask, KD_OP_POINTWISE, &attr, 2, operands, 1, &masked);
  kd_rewrite_add(&p->rewrite, pool_grad, KD_OP_POOL_GRAD, pool_grad->attr, 3, (kd_sym[]){y, results, masked},
                 1, mask->output);
}

kd_graph *kd_fuse_pool_masks(const kd_graph *graph, const bool *keep, kd_sym *map) {
  pass p = {.rewrite = kd_rewrite_begin(graph, keep, map), .graph = graph};
  p.readers = kd_readers_find(graph, p.rewrite.needed);
  p.change = kd_calloc((size_t)graph->n_nodes, sizeof *p.change);
  for (int n = 0; n < graph->n_nodes; n++) p.change[n].summed = KD_NO_SYM;
  for (int n = 0; n < graph->n_nodes; n++)
    if (p.rewrite.needed[n] && graph->nodes[n].op == KD_OP_POOL_GRAD) match_mask(&p, &graph->nodes[n]);
  for (int n = 0; n < graph->n_nodes; n++) {
    const kd_node *node = &graph->nodes[n];
    const change *c = &p.change[n];
    if (!p.rewrite.needed[n] || c->absorbed || kd_node_is_view(node)) continue;
    if (c->mask)
      emit_masked(&p, node, c->mask);
    else if (c->summed != KD_NO_SYM)
      kd_rewrite_add(&p.rewrite, node, node->op, node->attr, 1, &c->summed, 1, node->output);
    else
      kd_rewrite_copy(&p.rewrite, node);
  }
  kd_free(p.change);
  kd_readers_free(&p.readers);
  return kd_rewrite_end(&p.rewrite);
}
