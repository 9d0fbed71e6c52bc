/* Recomputation as a rewrite: where the backward pass begins, the results that were chosen lose their names;
 * a node that reads one later computes it again first, right before its own work. */
#include "layers/plan/recompute.h"

#include "layers/plan/internal.h"
#include "layers/plan/rewrite.h"

typedef void choose_fn(const kd_forward *forward, bool *again);

typedef struct rewriting {
  kd_rewrite rewrite;
  const kd_graph *graph;
  const kd_sym *root;
  const bool *again; /* per root */
} rewriting;

/* --- the forward pass ------------------------------------------------------------------------------- */

static int first_backward(const kd_graph *graph) {
  int n = 0;
  while (n < graph->n_nodes && !graph->nodes[n].backward) n++;
  return n;
}

static void find_roots(const kd_graph *graph, kd_sym *root) {
  for (kd_sym s = 0; s < graph->n_syms; s++) root[s] = s;
  for (int n = 0; n < graph->n_nodes; n++) {
    const kd_node *node = &graph->nodes[n];
    if (kd_node_is_view(node)) root[node->output[0]] = root[node->input[0]];
  }
}

static void find_reads(kd_forward *f, const bool *needed) {
  for (int n = 0; n < f->graph->n_nodes; n++) {
    const kd_node *node = &f->graph->nodes[n];
    if (!needed[n] || kd_node_is_view(node)) continue;
    for (int i = 0; i < node->n_inputs; i++) {
      kd_sym root = f->root[node->input[i]];
      if (n < f->n_nodes)
        f->last_read[root] = n;
      else
        f->read_back[root] = true;
    }
  }
}

/* Results that lie in the arena. Sums over ranks are made once, and small results (losses, statistics of
 * channels) are not worth a launch. */
static void find_bytes(kd_forward *f, const bool *keep) {
  enum { SMALL = 256 };
  const kd_graph *graph = f->graph;
  size_t largest = 0;
  for (int n = 0; n < f->n_nodes; n++) {
    const kd_node *node = &graph->nodes[n];
    if (kd_node_is_view(node) || node->op == KD_OP_EXCHANGE) continue;
    for (int o = 0; o < node->n_outputs; o++) {
      size_t bytes = f->bytes[node->output[o]] = kd_sym_bytes(graph, node->output[o]);
      if (bytes > largest) largest = bytes;
    }
  }
  for (kd_sym s = 0; s < graph->n_syms; s++)
    if (keep[s] || f->bytes[f->root[s]] <= largest / SMALL) f->bytes[f->root[s]] = 0;
}

static kd_forward forward_begin(const kd_graph *graph, const bool *keep, const bool *needed) {
  size_t n = (size_t)graph->n_syms + 1;
  kd_forward f = {.graph = graph,
                  .n_nodes = first_backward(graph),
                  .root = kd_calloc(n, sizeof *f.root),
                  .bytes = kd_calloc(n, sizeof *f.bytes),
                  .last_read = kd_calloc(n, sizeof *f.last_read),
                  .read_back = kd_calloc(n, sizeof *f.read_back)};
  for (size_t s = 0; s < n; s++) f.last_read[s] = -1;
  find_roots(graph, f.root);
  find_reads(&f, needed);
  find_bytes(&f, keep);
  return f;
}

static void forward_end(kd_forward *f) {
  kd_free(f->root);
  kd_free(f->bytes);
  kd_free(f->last_read);
  kd_free(f->read_back);
}

/* --- the rewrite ------------------------------------------------------------------------------------ */

/* Names of the node's other results stay what they are. */
static void copy_again(rewriting *r, const kd_node *node) {
  kd_sym before[KD_MAX_OUTPUTS];
  kd_node copy = *node;
  copy.backward = true;
  for (int o = 0; o < node->n_outputs; o++) before[o] = r->rewrite.map[node->output[o]];
  kd_rewrite_copy(&r->rewrite, &copy);
  for (int o = 0; o < node->n_outputs; o++)
    if (before[o] != KD_NO_SYM) r->rewrite.map[node->output[o]] = before[o];
}

/* Makes sure that the tensor has a name; what its node reads comes first. */
static void compute_again(rewriting *r, kd_sym sym) {
  sym = r->root[sym];
  if (!r->again[sym] || r->rewrite.map[sym] != KD_NO_SYM) return;
  const kd_node *node = &r->graph->nodes[r->graph->syms[sym].node];
  for (int i = 0; i < node->n_inputs; i++) compute_again(r, node->input[i]);
  copy_again(r, node);
}

static void forget(rewriting *r) {
  for (kd_sym s = 0; s < r->graph->n_syms; s++)
    if (r->again[r->root[s]]) r->rewrite.map[s] = KD_NO_SYM;
}

static kd_graph *rewrite(const kd_graph *graph, const bool *keep, kd_sym *map, choose_fn *choose) {
  rewriting r = {.rewrite = kd_rewrite_begin(graph, keep, map), .graph = graph};
  kd_forward forward = forward_begin(graph, keep, r.rewrite.needed);
  bool *again = kd_calloc((size_t)graph->n_syms + 1, sizeof *again);
  choose(&forward, again);
  r.root = forward.root;
  r.again = again;
  for (int n = 0; n < graph->n_nodes; n++) {
    const kd_node *node = &graph->nodes[n];
    if (n == forward.n_nodes) forget(&r);
    if (!r.rewrite.needed[n] || kd_node_is_view(node)) continue;
    for (int i = 0; n >= forward.n_nodes && i < node->n_inputs; i++) compute_again(&r, node->input[i]);
    kd_rewrite_copy(&r.rewrite, node);
  }
  kd_free(again);
  forward_end(&forward);
  return kd_rewrite_end(&r.rewrite);
}

kd_graph *kd_recompute_activations(const kd_graph *graph, const bool *keep, kd_sym *map) {
  return rewrite(graph, keep, map, kd_recompute_choose_activations);
}

kd_graph *kd_recompute_all(const kd_graph *graph, const bool *keep, kd_sym *map) {
  return rewrite(graph, keep, map, kd_recompute_choose_all);
}
