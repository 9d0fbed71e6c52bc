#include "launch/outline.h"

#include <string.h>

#include "launch/name_index.h"

typedef struct maker {
  kd_pool *pool;
  kd_outline *outline;
  const kd_model_spec *spec;
  int depth;
  kd_name_index specs, groups, nodes; /* path -> number */
  int *counted_in;                    /* per layer: the node that counted its weights last, or -1 */
  size_t node_capacity, group_capacity;
} maker;

int64_t kd_layer_params(const kd_model *model, int layer, bool trainable_only) {
  const kd_layer *l = model->layers[layer];
  int64_t count = 0;
  for (int w = l->first_weight; w < l->first_weight + l->n_weights; w++)
    if (!trainable_only || model->weights[w].trainable) count += model->weights[w].count;
  return count;
}

const char *kd_call_shapes(kd_pool *pool, const kd_call *call) {
  char buffer[KD_SHAPE_TEXT];
  if (call->n_outputs == 1) return kd_pool_strdup(pool, kd_shape_text(&call->output_shape[0], buffer));
  const char *text = "[";
  for (int i = 0; i < call->n_outputs; i++)
    text = kd_pool_printf(pool, "%s%s%s", text, i ? ", " : "", kd_shape_text(&call->output_shape[i], buffer));
  return kd_pool_printf(pool, "%s]", text);
}

static int levels_of(const char *path) {
  int levels = 1;
  for (; *path; path++) levels += *path == '/';
  return levels;
}

static const char *last_part(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* The first `levels` parts of a path. */
static const char *head(kd_pool *pool, const char *path, int levels) {
  const char *end = path;
  for (; *end; end++)
    if (*end == '/' && --levels == 0) break;
  return kd_pool_strndup(pool, path, (size_t)(end - path));
}

/* The group of a path, made with all groups around it. */
static int group_of(maker *m, const char *path) {
  int found = kd_name_find(&m->groups, path);
  if (found >= 0) return found;
  int levels = levels_of(path), parent = levels > 1 ? group_of(m, head(m->pool, path, levels - 1)) : -1;
  int at = kd_name_find(&m->specs, path);
  size_t used = (size_t)m->outline->n_groups++;
  m->outline->groups =
      kd_pool_grow(m->pool, m->outline->groups, used, &m->group_capacity, sizeof *m->outline->groups);
  kd_outline_group *group = &m->outline->groups[used];
  *group = (kd_outline_group){.path = path, .label = last_part(path), .block = "", .parent = parent};
  if (at >= 0) {
    group->block = m->spec->groups[at].block;
    group->copy = m->spec->groups[at].copy;
    group->copies = m->spec->groups[at].copies;
  }
  kd_name_add(&m->groups, m->pool, path, (int)used);
  return (int)used;
}

static int new_node(maker *m, kd_outline_node node) {
  size_t used = (size_t)m->outline->n_nodes++;
  m->outline->nodes =
      kd_pool_grow(m->pool, m->outline->nodes, used, &m->node_capacity, sizeof *m->outline->nodes);
  node.label = last_part(node.name);
  node.level = levels_of(node.name);
  node.group = node.level > 1 ? group_of(m, head(m->pool, node.name, node.level - 1)) : -1;
  m->outline->nodes[used] = node;
  kd_name_add(&m->nodes, m->pool, node.name, (int)used);
  return (int)used;
}

/* The node that shows a call. */
static int node_of(maker *m, const kd_call *call) {
  const kd_layer *layer = m->outline->model->layers[call->layer];
  if (m->depth == 0 || levels_of(call->name) <= m->depth)
    return new_node(
        m, (kd_outline_node){.name = call->name, .type = layer->kind->base.name, .layer = call->layer});
  const char *path = head(m->pool, call->name, m->depth);
  int at = kd_name_find(&m->specs, path);
  const kd_group_spec *group = at < 0 ? NULL : &m->spec->groups[at];
  const char *use = group ? group->use : path;
  int node = kd_name_find(&m->nodes, use);
  if (node >= 0) return node;
  return new_node(m, (kd_outline_node){.name = use,
                                       .type = group ? group->block : "",
                                       .layer = -1,
                                       .copies = group && group->copies ? group->copies : 1});
}

static void add_call(maker *m, int index, const double *flops) {
  const kd_model *model = m->outline->model;
  const kd_call *call = model->calls[index];
  int at = m->outline->node_of[index] = node_of(m, call);
  kd_outline_node *node = &m->outline->nodes[at];
  node->last_call = index;
  node->n_calls++;
  node->is_input = node->is_input || call->n_inputs == 0;
  if (flops) node->flops += flops[index];
  if (m->counted_in[call->layer] == at) return;
  m->counted_in[call->layer] = at;
  node->params += kd_layer_params(model, call->layer, false);
  node->trained += kd_layer_params(model, call->layer, true);
}

const kd_outline *kd_outline_make(kd_pool *pool, const kd_model *model, const kd_model_spec *spec, int depth,
                                  const double *flops) {
  kd_outline *outline = kd_pool_alloc(pool, 1, sizeof *outline);
  outline->model = model;
  outline->node_of = kd_pool_alloc(pool, (size_t)model->n_calls, sizeof *outline->node_of);
  maker m = {.pool = pool, .outline = outline, .spec = spec, .depth = depth};
  m.counted_in = kd_pool_alloc(pool, (size_t)model->n_layers, sizeof *m.counted_in);
  for (int i = 0; i < model->n_layers; i++) m.counted_in[i] = -1;
  for (int i = 0; i < spec->n_groups; i++) kd_name_add(&m.specs, pool, spec->groups[i].path, i);
  for (int i = 0; i < model->n_calls; i++) add_call(&m, i, flops);
  for (int i = 0; i < model->n_outputs; i++)
    outline->nodes[outline->node_of[model->outputs[i].tap.call]].is_output = true;
  return outline;
}
