/* Binding of tensors to addresses of the caller.
 *
 * A result is written straight to its address when nothing needs the old content any more. Otherwise it is
 * computed in the arena and copied when the last reader is done: an optimizer may so write new weights over
 * the weights that it and others read. */
#include <stdlib.h>
#include <string.h>

#include "layers/plan/internal.h"

typedef struct copy {
  int after; /* step after which it runs; -1: first of all */
  int binding;
} copy;

static bool overlap(const char *a, size_t a_bytes, const char *b, size_t b_bytes) {
  return a && b && a < b + b_bytes && b < a + a_bytes;
}

static bool is_fed(const kd_layout *layout, kd_sym sym) {
  return layout->graph->syms[sym].role != KD_ROLE_NODE;
}

static bool same_place(const kd_layout *layout, const kd_binding *binding) {
  kd_sym root = layout->root[binding->sym];
  return layout->bound[root] && layout->address[root] == binding->address;
}

static kd_status bind_fed(kd_layout *layout, int n, const kd_binding *bindings) {
  for (int b = 0; b < n; b++) {
    kd_sym sym = bindings[b].sym;
    if (!is_fed(layout, sym)) continue;
    KD_CHECK(!layout->bound[sym] || same_place(layout, &bindings[b]), KD_ERR_INTERNAL,
             "plan: '%s' is bound to two addresses", layout->graph->syms[sym].name);
    layout->bound[sym] = true;
    layout->address[sym] = bindings[b].address;
  }
  return KD_OK;
}

/* Two results in one place would overwrite each other. */
static kd_status check_results_apart(const kd_layout *layout, int n, const kd_binding *bindings) {
  const kd_graph *graph = layout->graph;
  for (int a = 0; a < n; a++) {
    if (is_fed(layout, bindings[a].sym)) continue;
    size_t a_bytes = kd_sym_bytes(graph, bindings[a].sym);
    for (int b = 0; b < a; b++) {
      if (is_fed(layout, bindings[b].sym)) continue;
      bool same_data = layout->root[bindings[a].sym] == layout->root[bindings[b].sym] &&
                       bindings[a].address == bindings[b].address;
      if (same_data) continue;
      KD_CHECK(
          !overlap(bindings[a].address, a_bytes, bindings[b].address, kd_sym_bytes(graph, bindings[b].sym)),
          KD_ERR_INTERNAL, "plan: results '%s' and '%s' are bound to overlapping memory",
          graph->syms[bindings[b].sym].name, graph->syms[bindings[a].sym].name);
    }
  }
  return KD_OK;
}

/* The last step that reads fed memory which the binding overwrites; -1: none. A step that may write in place
 * does not count as its own reader: *writer_reads tells whether one reads in another way. */
static int last_reader(const kd_layout *layout, const kd_binding *binding, int n, const kd_binding *bindings,
                       bool *writer_reads) {
  const kd_graph *graph = layout->graph;
  kd_sym root = layout->root[binding->sym];
  size_t bytes = kd_sym_bytes(graph, binding->sym);
  int writer = layout->written[root], last = -1;
  *writer_reads = false;
  for (int b = 0; b < n; b++) {
    kd_sym fed = bindings[b].sym;
    if (!is_fed(layout, fed) || fed == root) continue;
    if (!overlap(binding->address, bytes, bindings[b].address, kd_sym_bytes(graph, fed))) continue;
    int read = layout->last_read[fed];
    if (read > last) last = read;
    if (read >= 0 && read == writer) {
      const kd_node *node = &graph->nodes[layout->steps[writer].node];
      bool in_place = bindings[b].address == binding->address && kd_layout_in_place(layout, node, fed, root);
      if (!in_place) *writer_reads = true;
    }
  }
  return last;
}

static int by_time(const void *a, const void *b) {
  const copy *x = a, *y = b;
  if (x->after != y->after) return x->after < y->after ? -1 : 1;
  return x->binding < y->binding ? -1 : 1;
}

static void insert_copies(kd_layout *layout, const kd_binding *bindings, copy *copies, int n_copies) {
  qsort(copies, (size_t)n_copies, sizeof *copies, by_time);
  kd_step *steps = kd_pool_alloc(layout->pool, (size_t)(layout->n_steps + n_copies), sizeof *steps);
  int n = 0, c = 0;
  for (int t = -1; t < layout->n_steps; t++) {
    if (t >= 0) steps[n++] = layout->steps[t];
    for (; c < n_copies && copies[c].after == t; c++) {
      const kd_binding *binding = &bindings[copies[c].binding];
      steps[n++] = (kd_step){.node = -1, .from = binding->sym, .to = binding->address};
    }
  }
  layout->steps = steps;
  layout->n_steps = n;
}

kd_status kd_layout_bind(kd_layout *layout, int n, const kd_binding *bindings) {
  KD_TRY(bind_fed(layout, n, bindings));
  KD_TRY(check_results_apart(layout, n, bindings));
  copy *copies = kd_calloc((size_t)n, sizeof *copies);
  int n_copies = 0;
  for (int b = 0; b < n; b++) {
    const kd_binding *binding = &bindings[b];
    kd_sym root = layout->root[binding->sym];
    if (is_fed(layout, binding->sym) || same_place(layout, binding)) continue;
    bool writer_reads;
    int writer = layout->written[root], last = last_reader(layout, binding, n, bindings, &writer_reads);
    if (!layout->bound[root] && last <= writer && !writer_reads) {
      layout->bound[root] = true;
      layout->address[root] = binding->address;
    } else {
      copies[n_copies++] = (copy){.after = last > writer ? last : writer, .binding = b};
    }
  }
  insert_copies(layout, bindings, copies, n_copies);
  kd_free(copies);
  return KD_OK;
}

/* The text says which layer would read garbage. */
static kd_status check_write(const kd_layout *layout, int step, const char *address, size_t bytes, int n,
                             const kd_binding *bindings) {
  const kd_graph *graph = layout->graph;
  for (int b = 0; b < n; b++) {
    kd_sym fed = bindings[b].sym;
    if (!is_fed(layout, fed) || layout->last_read[fed] <= step) continue;
    if (!overlap(address, bytes, bindings[b].address, kd_sym_bytes(graph, fed))) continue;
    const kd_step *reader = &layout->steps[layout->last_read[fed]];
    return kd_fail(
        KD_ERR_INTERNAL,
        "plan: %s '%s' reads '%s' after its memory is overwritten; bind the result to other memory",
        reader->node < 0 ? "a copy of" : "layer",
        reader->node < 0 ? graph->syms[reader->from].name : graph->nodes[reader->node].scope,
        graph->syms[fed].name);
  }
  return KD_OK;
}

kd_status kd_layout_check(kd_layout *layout, int n, const kd_binding *bindings) {
  const kd_graph *graph = layout->graph;
  for (kd_sym s = 0; s < graph->n_syms; s++) layout->ready[s] = layout->written[layout->root[s]];
  for (int t = 0; t < layout->n_steps; t++) {
    const kd_step *step = &layout->steps[t];
    if (step->node < 0) {
      layout->ready[step->from] = t;
      KD_TRY(check_write(layout, t, step->to, kd_sym_bytes(graph, step->from), n, bindings));
      continue;
    }
    const kd_node *node = &graph->nodes[step->node];
    for (int o = 0; o < node->n_outputs; o++) {
      kd_sym root = node->output[o];
      if (!layout->bound[root]) continue;
      KD_TRY(check_write(layout, t, layout->address[root], kd_sym_bytes(graph, root), n, bindings));
    }
  }
  return KD_OK;
}
