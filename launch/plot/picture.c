#include "launch/plot/picture.h"

#include <math.h>
#include <stdlib.h>

/* Distances. */
static const double BOX_GAP = 22, RANK_GAP = 24, SIDE = 12;
/* Edges go straight for so long behind the upper border, beside the name. */
static const double PORT_HEIGHT = 14;

/* A piece of an edge of the model inside one group (or outside of all, -1): between members of the group, or
 * from or to its border. */
typedef struct piece {
  int group;
  int source;   /* the node that the tensor comes from */
  int from, to; /* members, or BORDER */
} piece;

enum { BORDER = -1 };

/* Members are nodes, then groups. */
typedef struct member {
  int parent, next;        /* next of the same parent */
  int box;                 /* in the parent's layout */
  double width, height;    /* as laid out: turned when the picture runs across */
  double inner_x, inner_y; /* of a group: where its layout begins */
  double label_x;          /* of a group: where its name begins */
} member;

typedef struct port {
  int source;
  double x; /* in the group's box */
} port;

typedef struct maker {
  kd_pool *pool;
  const kd_outline *outline;
  bool across;
  int n_members;
  member *members;
  int *first; /* per group + 1: first member */
  int n_pieces;
  piece *pieces; /* sorted */
  size_t piece_capacity;
  int *piece_start;      /* per group + 1 */
  kd_lay_graph *layouts; /* per group + 1 */
  int *n_in, *n_out;     /* ports per group */
  port **in, **out;      /* by source */
  const double *label_width;
} maker;

static int parent_of(const maker *m, int what) {
  return m->members[what].parent;
}

static void add_piece(maker *m, piece p) {
  size_t used = (size_t)m->n_pieces++;
  m->pieces = kd_pool_grow(m->pool, m->pieces, used, &m->piece_capacity, sizeof *m->pieces);
  m->pieces[used] = p;
}

static int depth_of(const maker *m, int what) {
  int depth = 0;
  for (int g = parent_of(m, what); g >= 0; g = parent_of(m, m->outline->n_nodes + g)) depth++;
  return depth;
}

static int member_of_group(const maker *m, int group) {
  return m->outline->n_nodes + group;
}

/* Cuts the edge between two nodes where it passes borders of groups. */
static void add_edge(maker *m, int from, int to) {
  int a = from, b = to, depth_a = depth_of(m, a), depth_b = depth_of(m, b);
  while (parent_of(m, a) != parent_of(m, b)) {
    if (depth_a >= depth_b) {
      add_piece(m, (piece){parent_of(m, a), from, a, BORDER});
      a = member_of_group(m, parent_of(m, a));
      depth_a--;
    } else {
      add_piece(m, (piece){parent_of(m, b), from, BORDER, b});
      b = member_of_group(m, parent_of(m, b));
      depth_b--;
    }
  }
  add_piece(m, (piece){parent_of(m, a), from, a, b});
}

static int compare(const void *a, const void *b) {
  const piece *x = a, *y = b;
  if (x->group != y->group) return x->group - y->group;
  if (x->source != y->source) return x->source - y->source;
  if (x->from != y->from) return x->from - y->from;
  return x->to - y->to;
}

static void make_pieces(maker *m) {
  const kd_model *model = m->outline->model;
  for (int i = 0; i < model->n_calls; i++)
    for (int k = 0; k < model->calls[i]->n_inputs; k++) {
      int from = m->outline->node_of[model->calls[i]->inputs[k].call], to = m->outline->node_of[i];
      if (from != to) add_edge(m, from, to);
    }
  qsort(m->pieces, (size_t)m->n_pieces, sizeof *m->pieces, compare);
  int n = 0;
  for (int i = 0; i < m->n_pieces; i++)
    if (n == 0 || compare(&m->pieces[n - 1], &m->pieces[i]) != 0) m->pieces[n++] = m->pieces[i];
  m->n_pieces = n;
  m->piece_start = kd_pool_alloc(m->pool, (size_t)m->outline->n_groups + 2, sizeof(int));
  for (int i = 0; i < n; i++) m->piece_start[m->pieces[i].group + 2]++;
  for (int g = 0; g <= m->outline->n_groups; g++) m->piece_start[g + 1] += m->piece_start[g];
}

static void make_members(maker *m, const kd_picture_box *size) {
  const kd_outline *o = m->outline;
  m->n_members = o->n_nodes + o->n_groups;
  m->members = kd_pool_alloc(m->pool, (size_t)m->n_members + 1, sizeof *m->members);
  m->first = kd_pool_alloc(m->pool, (size_t)o->n_groups + 1, sizeof(int));
  for (int g = 0; g <= o->n_groups; g++) m->first[g] = -1;
  for (int i = m->n_members - 1; i >= 0; i--) {
    bool node = i < o->n_nodes;
    int parent = node ? o->nodes[i].group : o->groups[i - o->n_nodes].parent;
    m->members[i] = (member){.parent = parent, .next = m->first[parent + 1]};
    m->first[parent + 1] = i;
    if (!node) continue;
    m->members[i].width = m->across ? size[i].height : size[i].width;
    m->members[i].height = m->across ? size[i].width : size[i].height;
  }
}

/* The port of a source, which is there. */
static int find_port(const port *ports, int n, int source) {
  int low = 0;
  for (int high = n; high - low > 1;) {
    int middle = (low + high) / 2;
    if (ports[middle].source <= source)
      low = middle;
    else
      high = middle;
  }
  return low;
}

/* The place of a tensor's port, right of the middle of a member; nodes have one in the middle. */
static double port_dx(const maker *m, int what, int source, bool enters) {
  int group = what - m->outline->n_nodes;
  if (group < 0) return 0;
  const port *ports = enters ? m->in[group] : m->out[group];
  int at = find_port(ports, enters ? m->n_in[group] : m->n_out[group], source);
  return ports[at].x - m->members[what].width / 2;
}

/* Ports of a group in the order of sources: boxes of no size in the first and the last rank. */
static int add_ports(maker *m, int group, bool enters, kd_lay_graph *graph) {
  port *ports = kd_pool_alloc(m->pool, (size_t)(m->piece_start[group + 2] - m->piece_start[group + 1]) + 1,
                              sizeof *ports);
  int n = 0;
  for (int i = m->piece_start[group + 1]; i < m->piece_start[group + 2]; i++) {
    const piece *p = &m->pieces[i];
    if ((enters ? p->from : p->to) != BORDER || (n && ports[n - 1].source == p->source)) continue;
    ports[n++].source = p->source;
    graph->boxes[graph->n_boxes++] = (kd_lay_box){.height = enters && !m->across ? PORT_HEIGHT : 0,
                                                  .pin = enters ? KD_PIN_FIRST : KD_PIN_LAST};
  }
  *(enters ? &m->in[group] : &m->out[group]) = ports;
  *(enters ? &m->n_in[group] : &m->n_out[group]) = n;
  return graph->n_boxes - n;
}

static void add_lines(maker *m, int group, kd_lay_graph *graph, int first_in, int first_out) {
  for (int i = m->piece_start[group + 1]; i < m->piece_start[group + 2]; i++) {
    const piece *p = &m->pieces[i];
    kd_lay_edge edge = {0};
    if (p->from == BORDER) {
      edge.from = first_in + find_port(m->in[group], m->n_in[group], p->source);
    } else {
      edge.from = m->members[p->from].box;
      edge.from_dx = port_dx(m, p->from, p->source, false);
    }
    if (p->to == BORDER) {
      edge.to = first_out + find_port(m->out[group], m->n_out[group], p->source);
    } else {
      edge.to = m->members[p->to].box;
      edge.to_dx = port_dx(m, p->to, p->source, true);
    }
    graph->edges[graph->n_edges++] = edge;
  }
}

/* The name of a group stands left of all edges that enter, else right of them, where room is made for it. */
static void place_label(maker *m, int group) {
  member *self = &m->members[member_of_group(m, group)];
  double width = m->label_width[group], least = width, most = 0;
  for (int i = 0; i < m->n_in[group]; i++) {
    least = fmin(least, m->in[group][i].x);
    most = fmax(most, m->in[group][i].x);
  }
  if (least >= width) return;
  self->label_x = most;
  self->width = fmax(self->width, most + width);
}

/* Lays one group out (-1: the whole picture), whose inner groups have their sizes, and gives it its own. */
static void lay_out(maker *m, int group) {
  kd_lay_graph *graph = &m->layouts[group + 1];
  int pieces = m->piece_start[group + 2] - m->piece_start[group + 1], count = 0;
  for (int i = m->first[group + 1]; i >= 0; i = m->members[i].next) count++;
  *graph = (kd_lay_graph){.box_gap = BOX_GAP, .rank_gap = RANK_GAP};
  graph->boxes = kd_pool_alloc(m->pool, (size_t)(count + 2 * pieces) + 1, sizeof *graph->boxes);
  graph->edges = kd_pool_alloc(m->pool, (size_t)pieces + 1, sizeof *graph->edges);
  for (int i = m->first[group + 1]; i >= 0; i = m->members[i].next) {
    m->members[i].box = graph->n_boxes;
    graph->boxes[graph->n_boxes++] =
        (kd_lay_box){.width = m->members[i].width, .height = m->members[i].height};
  }
  int first_in = group < 0 ? 0 : add_ports(m, group, true, graph);
  int first_out = group < 0 ? 0 : add_ports(m, group, false, graph);
  add_lines(m, group, graph, first_in, first_out);
  kd_lay_out(m->pool, graph);
  if (group < 0) return;
  member *self = &m->members[member_of_group(m, group)];
  double label = m->label_width[group];
  bool in = m->n_in[group] > 0, out = m->n_out[group] > 0;
  self->inner_x = m->across ? KD_PICTURE_LABEL + SIDE / 2 : SIDE;
  self->inner_y = in ? 0 : KD_PICTURE_LABEL + SIDE / 2;
  self->width = graph->width + self->inner_x + SIDE;
  self->height = graph->height + self->inner_y + (out ? 0 : SIDE);
  if (!m->across && self->width < label) {
    self->inner_x += (label - self->width) / 2;
    self->width = label;
  }
  if (m->across && self->height < label) self->height = label;
  for (int i = 0; i < m->n_in[group]; i++) m->in[group][i].x = self->inner_x + graph->boxes[first_in + i].x;
  for (int i = 0; i < m->n_out[group]; i++)
    m->out[group][i].x = self->inner_x + graph->boxes[first_out + i].x;
  if (!m->across) place_label(m, group);
}

static kd_picture_box turned(const maker *m, double x, double y, double width, double height) {
  return m->across ? (kd_picture_box){y, x, height, width} : (kd_picture_box){x, y, width, height};
}

/* A line of a layout that begins at (x, y). One that enters a group begins at its border, above the port. */
static kd_picture_line take_line(maker *m, const piece *p, const kd_lay_edge *edge, double x, double y) {
  bool enters = p->from == BORDER && !m->across;
  kd_picture_line line = {.arrow = p->to != BORDER && p->to < m->outline->n_nodes};
  line.points = kd_pool_alloc(m->pool, (size_t)edge->n_points + 1, sizeof *line.points);
  if (enters)
    line.points[line.n_points++] = (kd_lay_point){edge->points[0].x + x, edge->points[0].y + y - PORT_HEIGHT};
  for (int i = 0; i < edge->n_points; i++) {
    kd_lay_point at = {edge->points[i].x + x, edge->points[i].y + y};
    line.points[line.n_points++] = m->across ? (kd_lay_point){at.y, at.x} : at;
  }
  return line;
}

static void take_lines(maker *m, int group, double x, double y, kd_picture *picture) {
  const kd_lay_graph *graph = &m->layouts[group + 1];
  for (int e = 0; e < graph->n_edges; e++)
    picture->lines[picture->n_lines++] =
        take_line(m, &m->pieces[m->piece_start[group + 1] + e], &graph->edges[e], x, y);
}

/* Places the members of a group, from the outermost on. */
static void place(maker *m, int group, double x, double y, kd_picture *picture) {
  for (int i = m->first[group + 1]; i >= 0; i = m->members[i].next) {
    const member *it = &m->members[i];
    const kd_lay_box *box = &m->layouts[group + 1].boxes[it->box];
    kd_picture_box at = turned(m, x + box->x, y + box->y, it->width, it->height);
    int inner = i - m->outline->n_nodes;
    if (inner < 0) {
      picture->nodes[i] = at;
      continue;
    }
    picture->groups[inner] = at;
    picture->label_x[inner] = it->label_x;
    place(m, inner, x + box->x + it->inner_x, y + box->y + it->inner_y, picture);
  }
  take_lines(m, group, x, y, picture);
}

kd_picture kd_picture_make(kd_pool *pool, const kd_outline *outline, const kd_picture_box *size,
                           const double *label_width, bool across) {
  size_t groups = (size_t)outline->n_groups + 1;
  maker m = {.pool = pool,
             .outline = outline,
             .across = across,
             .layouts = kd_pool_alloc(pool, groups, sizeof(kd_lay_graph)),
             .n_in = kd_pool_alloc(pool, groups, sizeof(int)),
             .n_out = kd_pool_alloc(pool, groups, sizeof(int)),
             .in = kd_pool_alloc(pool, groups, sizeof(port *)),
             .out = kd_pool_alloc(pool, groups, sizeof(port *)),
             .label_width = label_width};
  make_members(&m, size);
  make_pieces(&m);
  for (int g = outline->n_groups - 1; g >= -1; g--) lay_out(&m, g);
  kd_picture picture = {.across = across,
                        .nodes = kd_pool_alloc(pool, (size_t)outline->n_nodes + 1, sizeof(kd_picture_box)),
                        .groups = kd_pool_alloc(pool, groups, sizeof(kd_picture_box)),
                        .label_x = kd_pool_alloc(pool, groups, sizeof(double)),
                        .lines = kd_pool_alloc(pool, (size_t)m.n_pieces + 1, sizeof(kd_picture_line))};
  kd_picture_box whole = turned(&m, 0, 0, m.layouts[0].width, m.layouts[0].height);
  picture.width = whole.width;
  picture.height = whole.height;
  place(&m, -1, 0, 0, &picture);
  return picture;
}
