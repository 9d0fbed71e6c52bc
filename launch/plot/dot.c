#include "launch/plot/plot.h"

/* Text within quotes of DOT. A backslash begins an escape there. */
static void quoted(FILE *out, const char *text) {
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') putc('\\', out);
    putc(c < 0x20 ? '?' : c, out);
  }
}

static void draw_node(FILE *out, kd_pool *pool, const kd_outline *o, int number) {
  const kd_outline_node *n = &o->nodes[number];
  kd_plot_label label = kd_plot_label_of(pool, o, number);
  const kd_plot_colours *colours = &kd_plot_colours_of[label.family];
  fprintf(out, "  n%d [label=\"", number);
  quoted(out, label.name);
  fputs("\\n", out);
  quoted(out, label.type);
  fputs("\\n", out);
  quoted(out, label.detail);
  fputs("\", tooltip=\"", out);
  quoted(out, n->name);
  fprintf(out, "\", fillcolor=\"%s\", color=\"%s\"%s%s];\n", colours->fill, colours->stroke,
          n->is_output ? ", penwidth=2.5" : "", n->copies > 1 ? ", peripheries=2" : "");
}

/* Groups one within another, with what stands in them. */
typedef struct tree {
  FILE *out;
  kd_pool *pool;
  const kd_outline *outline;
  int *node, *next_node;   /* per group + 1: first node; per node: the next */
  int *group, *next_group; /* the same for groups */
} tree;

static void contents(const tree *t, int group) {
  for (int i = t->node[group + 1]; i >= 0; i = t->next_node[i]) draw_node(t->out, t->pool, t->outline, i);
  for (int g = t->group[group + 1]; g >= 0; g = t->next_group[g]) {
    fprintf(t->out, "  subgraph cluster_%d {\n  label=\"", g);
    quoted(t->out, kd_plot_group_label(t->pool, &t->outline->groups[g]));
    fputs("\";\n", t->out);
    contents(t, g);
    fputs("  }\n", t->out);
  }
}

static tree make_tree(FILE *out, kd_pool *pool, const kd_outline *o) {
  size_t groups = (size_t)o->n_groups + 1, nodes = (size_t)o->n_nodes + 1;
  tree t = {.out = out,
            .pool = pool,
            .outline = o,
            .node = kd_pool_alloc(pool, groups, sizeof(int)),
            .next_node = kd_pool_alloc(pool, nodes, sizeof(int)),
            .group = kd_pool_alloc(pool, groups, sizeof(int)),
            .next_group = kd_pool_alloc(pool, groups, sizeof(int))};
  for (size_t g = 0; g < groups; g++) t.node[g] = t.group[g] = -1;
  for (int i = o->n_nodes - 1; i >= 0; i--) {
    t.next_node[i] = t.node[o->nodes[i].group + 1];
    t.node[o->nodes[i].group + 1] = i;
  }
  for (int g = o->n_groups - 1; g >= 0; g--) {
    t.next_group[g] = t.group[o->groups[g].parent + 1];
    t.group[o->groups[g].parent + 1] = g;
  }
  return t;
}

/* Every edge once: an edge to the same node as one before of the same call is left out. */
static void edges(FILE *out, kd_pool *pool, const kd_outline *o) {
  int *last =
      kd_pool_alloc(pool, (size_t)o->n_nodes + 1, sizeof *last); /* per node: who took it last, from 1 */
  for (int i = 0; i < o->model->n_calls; i++) {
    const kd_call *call = o->model->calls[i];
    int to = o->node_of[i];
    for (int k = 0; k < call->n_inputs; k++) {
      int from = o->node_of[call->inputs[k].call];
      if (from == to || last[from] == to + 1) continue;
      last[from] = to + 1;
      fprintf(out, "  n%d -> n%d;\n", from, to);
    }
  }
}

void kd_plot_dot(FILE *out, const kd_outline *outline, bool across) {
  kd_pool *pool = kd_pool_create();
  fputs("digraph \"", out);
  quoted(out, outline->model->name);
  fprintf(out,
          "\" {\n  rankdir=%s;\n  graph [fontname=\"Helvetica\", fontsize=10, style=\"rounded,dashed\", "
          "color=\"#8d9aa8\"];\n"
          "  node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", fontsize=10];\n"
          "  edge [color=\"#4d5761\"];\n",
          across ? "LR" : "TB");
  tree t = make_tree(out, pool, outline);
  contents(&t, -1);
  edges(out, pool, outline);
  fputs("}\n", out);
  kd_pool_destroy(pool);
}
