/* The layers inside wrappers, found by the options that hold them and the places of their weights: the option
 * `layer` of Bidirectional has weights under "forward_layer" and "backward_layer", a list of cells under
 * "cell/cells/lstm_cell", "cell/cells/lstm_cell_1" ... */
#include <string.h>

#include "launch/outline.h"

typedef struct finder {
  kd_pool *pool;
  const kd_model *model;
  const kd_layer *layer;
  int levels;
  kd_inner_layer *found;
  int n;
  size_t capacity;
} finder;

static void look_into(finder *f, const kd_kind *kind, const void *options, const char *prefix, int level);

static void add(finder *f, const kd_kind *kind, const void *options, const char *prefix, const char *part,
                int level) {
  const char *place = kd_pool_printf(f->pool, "%s%s/", prefix, part);
  kd_inner_layer row = {.name = part, .type = kind->name, .level = level};
  for (int w = f->layer->first_weight; w < f->layer->first_weight + f->layer->n_weights; w++)
    if (strncmp(f->model->weights[w].name, place, strlen(place)) == 0)
      row.params += f->model->weights[w].count;
  size_t used = (size_t)f->n++;
  f->found = kd_pool_grow(f->pool, f->found, used, &f->capacity, sizeof *f->found);
  f->found[used] = row;
  look_into(f, kind, options, place, level + 1);
}

/* The next place behind `prefix` that weights of this layer have, from weight *at on; NULL: no more. */
static const char *next_place(finder *f, const char *prefix, int *at) {
  size_t length = strlen(prefix);
  const char *last = NULL;
  for (; *at < f->layer->n_weights; ++*at) {
    const char *name = f->model->weights[f->layer->first_weight + *at].name;
    const char *slash = strncmp(name, prefix, length) == 0 ? strchr(name + length, '/') : NULL;
    if (!slash) continue;
    size_t part = (size_t)(slash - name) - length;
    if (!last) {
      last = kd_pool_strndup(f->pool, name + length, part);
    } else if (strlen(last) != part || strncmp(last, name + length, part) != 0) {
      break;
    }
  }
  return last;
}

static const kd_object *object_of(const kd_option *option, const void *options) {
  const kd_object *object = (const kd_object *)(const void *)((const char *)options + option->offset);
  return object->kind ? object : NULL;
}

static bool holds_layers(const kd_option *option) {
  return option->family == &kd_layer_family || option->family == &kd_cell_family;
}

/* Whether the place "backward_layer" is this option's: it has that name or ends with it, and no other object
 * has it for a name. */
static bool owns(const kd_option *table, const kd_option *option, const void *options, const char *part) {
  if (strcmp(part, option->name) == 0) return true;
  for (const kd_option *o = table; o->name; o++)
    if (o->type == KD_OPT_OBJECT && holds_layers(o) && strcmp(o->name, part) == 0 && object_of(o, options))
      return false;
  size_t whole = strlen(part), length = strlen(option->name);
  return whole > length + 1 && part[whole - length - 1] == '_' &&
         strcmp(part + whole - length, option->name) == 0;
}

static void add_object(finder *f, const kd_option *table, const kd_option *option, const void *options,
                       const char *prefix, int level) {
  const kd_object *object = object_of(option, options);
  if (!object) return;
  bool any = false;
  int at = 0;
  for (const char *part = next_place(f, prefix, &at); part; part = next_place(f, prefix, &at)) {
    if (!owns(table, option, options, part)) continue;
    any = true;
    add(f, object->kind, object->options, prefix, part, level);
  }
  if (!any) add(f, object->kind, object->options, prefix, option->name, level);
}

static void add_objects(finder *f, const kd_option *option, const void *options, const char *prefix,
                        int level) {
  const kd_objects *objects = (const kd_objects *)(const void *)((const char *)options + option->offset);
  bool list = objects->count > 1 || strcmp(option->name, "cells") == 0;
  if (!list && objects->count == 1)
    add(f, objects->v[0].kind, objects->v[0].options, prefix, option->name, level);
  if (!list) return;
  const char *deeper = strcmp(option->name, "cells") == 0 ? "" : "cell/";
  const char *place = kd_pool_printf(f->pool, "%s%scells/", prefix, deeper);
  int at = 0;
  for (int i = 0; i < objects->count; i++) {
    const char *part = next_place(f, place, &at);
    if (part) add(f, objects->v[i].kind, objects->v[i].options, place, part, level);
  }
}

static void look_into(finder *f, const kd_kind *kind, const void *options, const char *prefix, int level) {
  if (level > f->levels) return;
  for (const kd_option *option = kind->options; option && option->name; option++) {
    if (!holds_layers(option)) continue;
    if (option->type == KD_OPT_OBJECT) add_object(f, kind->options, option, options, prefix, level);
    if (option->type == KD_OPT_OBJECTS) add_objects(f, option, options, prefix, level);
  }
}

int kd_inner_layers(kd_pool *pool, const kd_model *model, int layer, int levels, kd_inner_layer **inner) {
  finder f = {.pool = pool, .model = model, .layer = model->layers[layer], .levels = levels};
  look_into(&f, &f.layer->kind->base, f.layer->options, "", 1);
  *inner = f.found;
  return f.n;
}
