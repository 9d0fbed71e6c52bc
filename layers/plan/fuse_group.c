/* Which pointwise nodes become one program.
 *
 * Nodes are visited in the order of the graph. Each tries to join the groups of its producers; a group runs
 * at the place of its last member. That is right when all readers of the group's results stand behind that
 * place or are members themselves. The inputs of members stand before it in any case.
 *
 * No value changes by this: steps are the same, results between members stay float32 (where they were stored
 * in a half type a step rounds them), and a kernel computes a step bit for bit alike wherever it stands. So
 * bits do not depend on the grouping, which may differ between batch sizes (at batch 1 a broadcast shape can
 * equal a full one). For the same reason products and sums are not contracted to FMA here: that would change
 * bits with the grouping. */
#include <limits.h>
#include <string.h>

#include "layers/plan/fuse.h"
#include "layers/plan/program.h"
#include "layers/plan/rewrite.h"

enum { MAX_MEMBERS = KD_MAX_STEPS };

typedef struct search {
  const kd_graph *graph;
  const bool *keep;
  kd_groups groups;
  kd_readers readers;
  bool *kept_root; /* per tensor: it or a view of it is kept */
  int *last_use;   /* per tensor: the last node that reads it, through views */
  int *heavy;      /* per node: how many nodes before it are neither pointwise nor views */
  int *operand;
  const bool *repeat;
  bool *member; /* per node: in the set that is tried */
} search;

typedef struct members {
  int n;
  int node[MAX_MEMBERS];
} members;

static const kd_pointwise_attr *program_of(const search *s, int node) {
  return s->graph->nodes[node].attr;
}

static void add_group(const search *s, members *set, int leader) {
  for (int m = s->groups.head[leader]; m >= 0; m = s->groups.next[m]) {
    if (set->n == MAX_MEMBERS) {
      set->n++; /* too many: the set will be refused */
      return;
    }
    /* Kept in the order of nodes. */
    int at = set->n++;
    for (; at > 0 && set->node[at - 1] > m; at--) set->node[at] = set->node[at - 1];
    set->node[at] = m;
  }
}

/* Members may read float32 as it is and half types rounded; integers would be cut. */
static bool passes_inside(kd_dtype dtype) {
  return dtype == KD_F32 || kd_dtype_is_half(dtype);
}

/* All readers of a tensor, through views, are members or stand behind `place`. Members read it directly.
 * *outside: somebody else reads it. */
static bool readers_fit(const search *s, kd_sym sym, int place, bool through_view, bool *outside) {
  for (int r = s->readers.start[sym]; r < s->readers.start[sym + 1]; r++) {
    int reader = s->readers.node[r];
    const kd_node *node = &s->graph->nodes[reader];
    if (kd_node_is_view(node)) {
      *outside = true;
      if (!readers_fit(s, node->output[0], place, true, outside)) return false;
    } else if (s->member[reader]) {
      if (through_view || !passes_inside(s->graph->syms[sym].dtype)) return false;
    } else {
      *outside = true;
      if (reader <= place) return false;
    }
  }
  return true;
}

/* Moving work behind other kernels must neither delay results that somebody waits for nor keep more memory
 * alive than the results would have. */
static bool may_sink(const search *s, int leader, int place) {
  if (s->heavy[place] == s->heavy[leader]) return true;
  size_t saved = 0, held = 0;
  for (int m = s->groups.head[leader]; m >= 0; m = s->groups.next[m]) {
    const kd_node *node = &s->graph->nodes[m];
    for (int o = 0; o < node->n_outputs; o++) {
      const kd_sym_info *info = &s->graph->syms[node->output[o]];
      if (s->kept_root[node->output[o]]) return false;
      if (s->last_use[node->output[o]] >= place) saved += kd_dtype_size(info->dtype);
    }
    for (int i = 0; i < node->n_inputs; i++) {
      const kd_sym_info *info = &s->graph->syms[node->input[i]];
      bool inside = info->node >= 0 && s->groups.leader[info->node] == leader;
      bool full = kd_shape_equal(&info->shape, &program_of(s, m)->shape);
      bool stored = info->role == KD_ROLE_NODE && !s->repeat[info->node];
      if (stored && full && !inside && s->last_use[node->input[i]] < place)
        held += kd_dtype_size(info->dtype);
    }
  }
  return held <= saved;
}

/* The joined program stays within the limits. */
static bool program_fits(search *s, const members *set, const bool *outside) {
  kd_program program;
  kd_program_begin(&program, s->graph, &program_of(s, set->node[0])->shape, s->operand, s->repeat);
  int result = 0;
  for (int n = 0; n < set->n && !program.full; n++) kd_program_join(&program, &s->graph->nodes[set->node[n]]);
  for (int n = 0; n < set->n && !program.full; n++) {
    const kd_node *node = &s->graph->nodes[set->node[n]];
    for (int o = 0; o < node->n_outputs; o++)
      if (outside[result++]) kd_program_output(&program, node->output[o]);
  }
  bool fits = kd_program_finish(&program);
  kd_program_clear(&program, set->n, set->node);
  return fits;
}

static bool set_fits(search *s, const members *set) {
  if (set->n > MAX_MEMBERS) return false;
  int place = set->node[set->n - 1];
  bool outside[MAX_MEMBERS * KD_MAX_OUTPUTS] = {false};
  bool fits = true;
  int result = 0;
  for (int n = 0; n < set->n; n++) s->member[set->node[n]] = true;
  for (int n = 0; n < set->n && fits; n++) {
    const kd_node *node = &s->graph->nodes[set->node[n]];
    for (int o = 0; o < node->n_outputs && fits; o++, result++) {
      outside[result] = s->keep[node->output[o]];
      fits = readers_fit(s, node->output[o], place, false, &outside[result]);
    }
  }
  for (int n = 0; n < set->n; n++) s->member[set->node[n]] = false;
  return fits && program_fits(s, set, outside);
}

static void form_group(search *s, const members *set) {
  int leader = set->node[set->n - 1];
  s->groups.head[leader] = set->node[0];
  for (int n = 0; n < set->n; n++) {
    s->groups.leader[set->node[n]] = leader;
    s->groups.next[set->node[n]] = n + 1 < set->n ? set->node[n + 1] : -1;
  }
}

/* Groups that compute inputs of the node over the same shape. */
static int find_candidates(const search *s, int place, int *candidate) {
  const kd_node *node = &s->graph->nodes[place];
  int n = 0;
  for (int i = 0; i < node->n_inputs; i++) {
    int producer = s->graph->syms[node->input[i]].node;
    int leader = producer < 0 ? -1 : s->groups.leader[producer];
    if (leader < 0 || s->repeat[leader] ||
        !kd_shape_equal(&program_of(s, leader)->shape, &program_of(s, place)->shape))
      continue;
    bool known = false;
    for (int c = 0; c < n; c++) known |= candidate[c] == leader;
    if (!known && may_sink(s, leader, place)) candidate[n++] = leader;
  }
  return n;
}

static void visit(search *s, int place) {
  int candidate[KD_MAX_INPUTS];
  /* Such a node stays alone: whoever reads it computes it again. */
  int n = s->repeat[place] ? 0 : find_candidates(s, place, candidate);
  members best = {.n = 1, .node = {place}};
  members all = best;
  for (int c = 0; c < n && all.n <= MAX_MEMBERS; c++) add_group(s, &all, candidate[c]);
  if (n && set_fits(s, &all)) {
    best = all;
    n = 0;
  }
  /* Not all together: one after the other, again while one fits that did not before. */
  for (bool changed = n > 1; changed;) {
    changed = false;
    for (int c = 0; c < n; c++) {
      members more = best;
      add_group(s, &more, candidate[c]);
      if (!set_fits(s, &more)) continue;
      best = more;
      candidate[c--] = candidate[--n];
      changed = true;
    }
  }
  form_group(s, &best);
}

static void find_uses(search *s, const bool *needed) {
  const kd_graph *graph = s->graph;
  for (kd_sym t = 0; t < graph->n_syms; t++) {
    s->last_use[t] = -1;
    s->kept_root[t] = s->keep[t];
  }
  int heavy = 0;
  for (int n = 0; n < graph->n_nodes; n++) {
    const kd_node *node = &graph->nodes[n];
    s->heavy[n] = heavy;
    heavy += needed[n] && node->op != KD_OP_POINTWISE && !kd_node_is_view(node);
  }
  for (int n = graph->n_nodes - 1; n >= 0; n--) {
    const kd_node *node = &graph->nodes[n];
    if (!needed[n]) continue;
    bool view = kd_node_is_view(node);
    for (int i = 0; i < node->n_inputs; i++) {
      int use = view ? s->last_use[node->output[0]] : n;
      if (use > s->last_use[node->input[i]]) s->last_use[node->input[i]] = use;
      if (view && s->kept_root[node->output[0]]) s->kept_root[node->input[i]] = true;
    }
  }
}

kd_groups kd_groups_find(const kd_graph *graph, const bool *keep, const bool *needed, const bool *repeat,
                         int *operand) {
  size_t n_nodes = (size_t)graph->n_nodes, n_syms = (size_t)graph->n_syms;
  search s = {.graph = graph,
              .keep = keep,
              .operand = operand,
              .repeat = repeat,
              .readers = kd_readers_find(graph, needed)};
  s.groups.leader = kd_calloc(n_nodes, sizeof(int));
  s.groups.next = kd_calloc(n_nodes, sizeof(int));
  s.groups.head = kd_calloc(n_nodes, sizeof(int));
  s.kept_root = kd_calloc(n_syms, sizeof(bool));
  s.last_use = kd_calloc(n_syms, sizeof(int));
  s.heavy = kd_calloc(n_nodes, sizeof(int));
  s.member = kd_calloc(n_nodes, sizeof(bool));
  find_uses(&s, needed);
  for (int n = 0; n < graph->n_nodes; n++) {
    s.groups.leader[n] = -1;
    if (needed[n] && graph->nodes[n].op == KD_OP_POINTWISE) visit(&s, n);
  }
  kd_free(s.member);
  kd_free(s.heavy);
  kd_free(s.last_use);
  kd_free(s.kept_root);
  kd_readers_free(&s.readers);
  return s.groups;
}

void kd_groups_free(kd_groups *groups) {
  kd_free(groups->leader);
  kd_free(groups->next);
  kd_free(groups->head);
}
