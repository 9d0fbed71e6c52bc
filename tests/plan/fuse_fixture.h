/* What tests of fusion share: a graph, its fused form, and questions about it. */
#ifndef KD_TEST_FUSE_FIXTURE_H
#define KD_TEST_FUSE_FIXTURE_H

#include "layers/plan/plan.h"
#include "support/check.h"

typedef struct fused {
  kd_graph *g, *result;
  bool keep[256];
  kd_sym map[256];
  kd_recompute recompute;
} fused;

static inline fused *begin(void) {
  fused *f = kd_calloc(1, sizeof *f);
  f->g = kd_graph_create();
  return f;
}

static inline void fuse(fused *f) {
  assert_ok(kd_graph_status(f->g));
  assert_in_range(f->g->n_syms, 0, 256);
  f->result = kd_fuse(f->g, f->keep, f->recompute, f->map);
  assert_ok(kd_graph_status(f->result));
}

static inline void end(fused *f) {
  kd_graph_destroy(f->result);
  kd_graph_destroy(f->g);
  kd_free(f);
}

static inline int count(const fused *f, kd_op op) {
  int n = 0;
  for (int i = 0; i < f->result->n_nodes; i++) n += f->result->nodes[i].op == op;
  return n;
}

/* The node that computes an old tensor now. */
static inline const kd_node *node_of(const fused *f, kd_sym old) {
  assert_int_not_equal(f->map[old], KD_NO_SYM);
  return kd_producer(f->result, f->map[old], false);
}

static inline const kd_pointwise_attr *program_of(const fused *f, kd_sym old) {
  const kd_node *node = node_of(f, old);
  assert_int_equal(node->op, KD_OP_POINTWISE);
  return node->attr;
}

static inline kd_sym input(fused *f, kd_shape shape) {
  return kd_input(f->g, KD_F32, shape, f->g->n_syms, "x");
}

#endif
