#include "io/onnx/builds.h"

/* Rows of the two builds, and the sizes of variable axes. The second is about twice the first and stays so
 * through strides, so that sizes never meet; halved again and again, one is odd and the other even, so that
 * padding which follows sizes shows. */
static const int64_t batch_sizes[2] = {7, 11};
static const int64_t lengths[][2] = {{513, 1024}, {641, 1280},  {769, 1536},
                                     {897, 1792}, {1153, 2304}, {1281, 2560}};
enum { CLASSES = sizeof lengths / sizeof lengths[0] };

/* Variable axes, numbered through all inputs, and to which class of equal sizes each belongs. */
typedef struct classes {
  int n_axes;
  int *of;
} classes;

static int count_axes(const kd_model *model) {
  int n = 0;
  for (int i = 0; i < model->n_inputs; i++)
    for (int axis = 1; axis < model->inputs[i].shape.rank; axis++)
      n += model->inputs[i].shape.dim[axis] == -1;
  return n;
}

static kd_shape *feed_shapes(const kd_model *model, kd_pool *pool, int which, const int *class_of) {
  kd_shape *shapes = kd_pool_alloc(pool, (size_t)model->n_inputs, sizeof *shapes);
  int64_t fixed = kd_model_batch_size(model);
  for (int i = 0; i < model->n_inputs; i++) {
    shapes[i] = model->inputs[i].shape;
    shapes[i].dim[0] = fixed ? fixed : batch_sizes[which];
    for (int axis = 1; axis < shapes[i].rank; axis++)
      if (shapes[i].dim[axis] == -1) shapes[i].dim[axis] = lengths[*class_of++][which];
  }
  return shapes;
}

static kd_status build(kd_model *model, kd_onnx_builds *b, int which, const int *class_of) {
  kd_graph *graph = kd_graph_create();
  kd_build_spec spec = {.feed_shape = feed_shapes(model, graph->pool, which, class_of)};
  spec.batch = spec.feed_shape[0].dim[0];
  kd_status status = kd_model_build(model, graph, &spec, &b->built[which]);
  b->graph[which] = graph;
  return status;
}

/* --- which axes have one size ---------------------------------------------------------------------- */

static bool can_build(kd_model *model, const int *class_of) {
  kd_onnx_builds b = {0};
  bool good = build(model, &b, 0, class_of) == KD_OK;
  kd_graph_destroy(b.graph[0]);
  return good;
}

/* Gives the axes of a set a class of their own, if the model takes that. */
static bool set_apart(kd_model *model, classes *c, unsigned set, int class) {
  int *before = kd_calloc((size_t)c->n_axes, sizeof *before);
  for (int i = 0; i < c->n_axes; i++) {
    before[i] = c->of[i];
    if (set >> i & 1) c->of[i] = class;
  }
  bool good = can_build(model, c->of);
  for (int i = 0; !good && i < c->n_axes; i++) c->of[i] = before[i];
  kd_free(before);
  return good;
}

/* The smallest set of axes that holds this one and, of those left, others that must have its size. */
static void find_class(kd_model *model, classes *c, int axis, unsigned left, int class) {
  for (int others = 0; others < c->n_axes; others++)
    for (unsigned set = 1u << axis; set < 1u << c->n_axes; set++) {
      bool fits = (set >> axis & 1) && !(set & ~left) && __builtin_popcount(set) == others + 1;
      if (fits && set_apart(model, c, set, class)) return;
    }
}

/* Every axis apart where that works; else classes one after the other, what is left being one. With more axes
 * than classes all have one size. */
static void find_classes(kd_model *model, classes *c) {
  if (c->n_axes > CLASSES) return;
  for (int i = 0; i < c->n_axes; i++) c->of[i] = i;
  if (c->n_axes < 2 || can_build(model, c->of)) return;
  for (int i = 0; i < c->n_axes; i++) c->of[i] = 0;
  for (int i = 0, class = 1; i < c->n_axes && class < CLASSES; i++) {
    unsigned left = 0;
    for (int k = i; k < c->n_axes; k++) left |= (c->of[k] == 0) * (1u << k);
    if (c->of[i] == 0) find_class(model, c, i, left, class ++);
  }
}

/* --- both builds ----------------------------------------------------------------------------------- */

static bool same_node(const kd_node *a, const kd_node *b) {
  bool same = a->op == b->op && a->n_inputs == b->n_inputs && a->n_outputs == b->n_outputs;
  for (int i = 0; same && i < a->n_inputs; i++) same = a->input[i] == b->input[i];
  for (int i = 0; same && i < a->n_outputs; i++) same = a->output[i] == b->output[i];
  return same;
}

static kd_status check_same(const char *target, const kd_graph *a, const kd_graph *b) {
  for (int i = 0; i < a->n_nodes && i < b->n_nodes; i++)
    KD_CHECK(same_node(&a->nodes[i], &b->nodes[i]), KD_ERR_USAGE,
             "layer %s has no form in %s: what it computes depends on a variable size; give the inputs "
             "fixed sizes",
             a->nodes[i].scope, target);
  KD_CHECK(a->n_nodes == b->n_nodes && a->n_syms == b->n_syms, KD_ERR_USAGE,
           "the model has no form in %s: its layers depend on a variable size; give the inputs fixed sizes",
           target);
  return KD_OK;
}

kd_status kd_onnx_builds_make(kd_model *model, const char *target, kd_onnx_builds *builds) {
  *builds = (kd_onnx_builds){0};
  classes c = {.n_axes = count_axes(model)};
  c.of = kd_calloc((size_t)c.n_axes + 1, sizeof *c.of);
  find_classes(model, &c);
  kd_status status = build(model, builds, 0, c.of);
  if (status == KD_OK) status = build(model, builds, 1, c.of);
  if (status == KD_OK) status = check_same(target, builds->graph[0], builds->graph[1]);
  if (status != KD_OK) kd_onnx_builds_destroy(builds);
  kd_free(c.of);
  return status;
}

void kd_onnx_builds_destroy(kd_onnx_builds *builds) {
  for (int i = 0; i < 2; i++) kd_graph_destroy(builds->graph[i]);
}
