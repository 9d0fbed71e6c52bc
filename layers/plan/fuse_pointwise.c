/* Pointwise fusion: groups become programs. Programs are made from the last to the first, so that each knows
 * which of its results are still read: an operand that became a constant step or skipped a cast reads
 * nothing. */
#include <string.h>

#include "layers/plan/fuse.h"
#include "layers/plan/program.h"
#include "layers/plan/rewrite.h"

typedef struct pass {
  kd_rewrite rewrite;
  const kd_graph *graph;
  kd_pool *pool;
  kd_groups groups;
  int *operand;
  bool *repeat;
  bool *live;           /* per tensor: something in the new graph reads it, or it is kept */
  kd_program **program; /* per leader: its finished program; NULL: dropped */
} pass;

/* Marks a tensor and what it is a view of. */
static void mark(pass *p, kd_sym sym) {
  while (!p->live[sym]) {
    p->live[sym] = true;
    const kd_node *node = kd_producer(p->graph, sym, false);
    if (!node || !kd_node_is_view(node)) return;
    sym = node->input[0];
  }
}

static void make_program(pass *p, int leader) {
  const kd_graph *graph = p->graph;
  const kd_pointwise_attr *attr = graph->nodes[leader].attr;
  kd_program *program = kd_pool_alloc(p->pool, 1, sizeof *program);
  int nodes[KD_MAX_STEPS], n = 0;
  kd_program_begin(program, graph, &attr->shape, p->operand, p->repeat);
  for (int m = p->groups.head[leader]; m >= 0; m = p->groups.next[m]) {
    nodes[n++] = m;
    kd_program_join(program, &graph->nodes[m]);
  }
  for (int i = 0; i < n; i++) {
    const kd_node *node = &graph->nodes[nodes[i]];
    for (int o = 0; o < node->n_outputs; o++)
      if (p->live[node->output[o]]) kd_program_output(program, node->output[o]);
  }
  if (program->attr.n_outputs && kd_program_finish(program)) {
    p->program[leader] = program;
    for (int i = 0; i < program->attr.n_inputs; i++) mark(p, program->input[i]);
  }
  kd_program_clear(program, n, nodes);
}

static void make_programs(pass *p) {
  const kd_graph *graph = p->graph;
  for (kd_sym s = 0; s < graph->n_syms; s++)
    if (p->rewrite.keep[s]) mark(p, s);
  for (int n = graph->n_nodes - 1; n >= 0; n--) {
    const kd_node *node = &graph->nodes[n];
    if (p->groups.leader[n] == n) {
      make_program(p, n);
    } else if (p->rewrite.needed[n] && node->op != KD_OP_POINTWISE && !kd_node_is_view(node)) {
      for (int i = 0; i < node->n_inputs; i++) mark(p, node->input[i]);
    }
  }
}

static void emit(pass *p) {
  for (int n = 0; n < p->graph->n_nodes; n++) {
    const kd_node *node = &p->graph->nodes[n];
    const kd_program *program = p->program[n];
    if (program)
      kd_rewrite_add(&p->rewrite, node, KD_OP_POINTWISE, &program->attr, program->attr.n_inputs,
                     program->input, program->attr.n_outputs, program->output);
    else if (p->rewrite.needed[n] && node->op != KD_OP_POINTWISE && !kd_node_is_view(node))
      kd_rewrite_copy(&p->rewrite, node);
  }
}

kd_graph *kd_fuse_pointwise(const kd_graph *graph, const bool *keep, kd_sym *map) {
  size_t n_syms = (size_t)graph->n_syms;
  pass p = {.rewrite = kd_rewrite_begin(graph, keep, map), .graph = graph, .pool = kd_pool_create()};
  p.operand = kd_pool_alloc(p.pool, n_syms, sizeof *p.operand);
  p.live = kd_pool_alloc(p.pool, n_syms, sizeof *p.live);
  p.program = kd_pool_alloc(p.pool, (size_t)graph->n_nodes, sizeof(kd_program *));
  for (size_t s = 0; s < n_syms; s++) p.operand[s] = -1;
  p.repeat = kd_repeats_find(graph, keep, p.rewrite.needed);
  p.groups = kd_groups_find(graph, keep, p.rewrite.needed, p.repeat, p.operand);
  make_programs(&p);
  emit(&p);
  kd_groups_free(&p.groups);
  kd_free(p.repeat);
  kd_pool_destroy(p.pool);
  return kd_rewrite_end(&p.rewrite);
}
