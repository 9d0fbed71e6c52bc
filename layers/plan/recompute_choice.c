#include "layers/plan/recompute.h"
#include "layers/plan/rewrite.h"

/* --- what is cheap ---------------------------------------------------------------------------------- */

typedef struct cheap {
  const kd_forward *forward;
  double *cost; /* per root: bytes that are written to compute it again; below 0: too many, or a product */
  bool *again;
} cheap;

/* The backward pass has the tensor anyway: it is fed, bound or small, or kept for a reader. */
static bool there(const cheap *c, kd_sym root) {
  const kd_forward *f = c->forward;
  return f->bytes[root] == 0 || (f->read_back[root] && !c->again[root]);
}

/* Bytes written by the node and by those before it whose results are not there. */
static double cost_of(const cheap *c, const kd_node *node) {
  double cost = 0;
  if (kd_node_flops(c->forward->graph, node) > 0) return -1;
  for (int o = 0; o < node->n_outputs; o++) cost += (double)c->forward->bytes[node->output[o]];
  for (int i = 0; i < node->n_inputs; i++) {
    kd_sym root = c->forward->root[node->input[i]];
    if (there(c, root)) continue;
    if (c->cost[root] < 0) return -1;
    cost += c->cost[root];
  }
  return cost;
}

/* With the tensor all that it is computed from and that would not be there. */
static void choose(cheap *c, kd_sym root) {
  const kd_graph *graph = c->forward->graph;
  const kd_node *node = &graph->nodes[graph->syms[root].node];
  c->again[root] = true;
  for (int i = 0; i < node->n_inputs; i++) {
    kd_sym input = c->forward->root[node->input[i]];
    if (!there(c, input) && !c->again[input]) choose(c, input);
  }
}

void kd_recompute_choose_activations(const kd_forward *f, bool *again) {
  enum { MOST_PASSES = 4 }; /* over memory of the tensor's own size */
  cheap c = {.forward = f, .again = again};
  c.cost = kd_calloc((size_t)f->graph->n_syms + 1, sizeof *c.cost);
  for (int n = 0; n < f->n_nodes; n++) {
    const kd_node *node = &f->graph->nodes[n];
    if (kd_node_is_view(node)) continue;
    double cost = cost_of(&c, node);
    for (int o = 0; o < node->n_outputs; o++) {
      kd_sym result = node->output[o];
      c.cost[result] = cost;
      bool worth = f->bytes[result] > 0 && cost >= 0 && cost <= MOST_PASSES * (double)f->bytes[result];
      if (worth && f->read_back[result]) choose(&c, result);
    }
  }
  kd_free(c.cost);
}

/* --- pieces of the forward pass --------------------------------------------------------------------- */

typedef struct pieces {
  const kd_forward *forward;
  double *passing; /* per node: bytes that later nodes read, when a cut follows the node */
  double *inner;   /* per node: bytes that the backward pass reads of all results before the node */
  double *best;    /* per node: fewest bytes that pass through cuts, when one precedes the node */
  int *before;     /* per node: the cut before that one */
  bool *cut;       /* per node: a piece begins with it */
} pieces;

static void measure(pieces *p) {
  const kd_forward *f = p->forward;
  for (int n = 0; n < f->n_nodes; n++) {
    const kd_node *node = &f->graph->nodes[n];
    p->inner[n + 1] = p->inner[n];
    for (int o = 0; o < node->n_outputs; o++) {
      kd_sym result = node->output[o];
      if (f->root[result] != result) continue;
      double bytes = (double)f->bytes[result];
      if (f->read_back[result]) p->inner[n + 1] += bytes;
      if (f->last_read[result] < 0) continue;
      p->passing[n + 1] += bytes;
      p->passing[f->last_read[result] + 1] -= bytes;
    }
  }
  /* What was noted are the changes: a cut that precedes node n is passed by what is made before n and read
   * from n on. */
  for (int n = 1; n <= f->n_nodes; n++) p->passing[n] += p->passing[n - 1];
}

/* The cheapest cuts with at most `limit` bytes in a piece; a node alone may have more. */
static void place_cuts(pieces *p, double limit) {
  int n = p->forward->n_nodes;
  for (int end = 1; end <= n; end++) {
    p->best[end] = -1;
    for (int start = end - 1; start >= 0; start--) {
      if (start < end - 1 && p->inner[end] - p->inner[start] > limit) break;
      double sum = p->best[start] + (end < n ? p->passing[end] : 0);
      if (p->best[end] >= 0 && p->best[end] <= sum) continue;
      p->best[end] = sum;
      p->before[end] = start;
    }
  }
  for (int i = 0; i <= n; i++) p->cut[i] = false;
  for (int at = n; at > 0; at = p->before[at]) p->cut[p->before[at]] = true;
}

/* Marks what stays within a piece that is not the last; returns the bytes that are kept together with the
 * largest piece. */
static double mark_pieces(const pieces *p, bool *again) {
  const kd_forward *f = p->forward;
  int n = f->n_nodes, last = 0;
  double kept = 0, largest = 0;
  int *piece = kd_calloc((size_t)n + 1, sizeof *piece);
  for (int i = 1; i < n; i++) piece[i] = last += p->cut[i];
  for (int i = 0, start = 0; i <= n; i++) {
    if (i < n && !p->cut[i]) continue;
    if (p->inner[i] - p->inner[start] > largest) largest = p->inner[i] - p->inner[start];
    start = i;
  }
  for (kd_sym s = 0; s < f->graph->n_syms; s++) {
    if (f->root[s] != s || f->bytes[s] == 0) continue;
    int made = piece[f->graph->syms[s].node], read = f->last_read[s] < 0 ? made : piece[f->last_read[s]];
    again[s] = made == read && made != last;
    if (made != read) kept += (double)f->bytes[s];
  }
  kd_free(piece);
  return kept + largest;
}

void kd_recompute_choose_all(const kd_forward *f, bool *again) {
  enum { TRIALS = 24 };
  size_t n = (size_t)f->n_nodes + 2;
  pieces p = {.forward = f,
              .passing = kd_calloc(n, sizeof *p.passing),
              .inner = kd_calloc(n, sizeof *p.inner),
              .best = kd_calloc(n, sizeof *p.best),
              .before = kd_calloc(n, sizeof *p.before),
              .cut = kd_calloc(n, sizeof *p.cut)};
  measure(&p);
  double limit = p.inner[f->n_nodes], best_limit = limit, fewest = -1;
  for (int trial = 0; trial < TRIALS; trial++, limit *= 0.75) {
    place_cuts(&p, limit);
    double bytes = mark_pieces(&p, again);
    if (fewest >= 0 && bytes >= fewest) continue;
    fewest = bytes;
    best_limit = limit;
  }
  place_cuts(&p, best_limit);
  (void)mark_pieces(&p, again);
  kd_free(p.passing);
  kd_free(p.inner);
  kd_free(p.best);
  kd_free(p.before);
  kd_free(p.cut);
}
