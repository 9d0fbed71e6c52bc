/* x[:, 0], x[:, 1:4], x[:, :, 2:]: Cropping, and Reshape where an axis goes. */
#include <string.h>

#include "launch/expand.h"
#include "launch/keras/import.h"

typedef struct cut {
  int rank;
  int64_t size[KD_MAX_RANK];                     /* -1: not known */
  int64_t first[KD_MAX_RANK], last[KD_MAX_RANK]; /* what is cut off at both ends */
  int gone;                                      /* the axis that an index takes away; 0: none */
} cut;

/* A bound of a slice; false when it is no integer or its axis has no known size that it needs. */
static bool read_bound(const kd_value *slice, const char *name, int64_t size, int64_t otherwise,
                       int64_t *bound) {
  const kd_value *value = kd_value_key(kd_value_key(slice, "config"), name);
  *bound = otherwise;
  if (!value || value->type == KD_V_NONE) return true;
  if (value->type != KD_V_INT) return false;
  *bound = value->integer < 0 ? value->integer + size : value->integer;
  return (value->integer >= 0 || size >= 0) && *bound >= 0;
}

static bool read_slice(const kd_value *slice, int axis, cut *c) {
  int64_t size = c->size[axis], start, stop, step;
  if (!read_bound(slice, "start", size, 0, &start) || !read_bound(slice, "stop", size, -1, &stop) ||
      !read_bound(slice, "step", -1, 1, &step) || step != 1)
    return false;
  c->first[axis] = start;
  if (stop >= 0) c->last[axis] = size - stop;
  return (stop < 0 || (size >= 0 && stop > start)) && c->last[axis] >= 0 && (size < 0 || start < size);
}

static bool read_index(const kd_value *index, int axis, cut *c) {
  int64_t size = c->size[axis], at = index->integer < 0 ? index->integer + size : index->integer;
  c->first[axis] = at;
  c->last[axis] = size - 1 - at;
  bool only = c->gone == 0;
  c->gone = axis;
  return only && size > 0 && at >= 0 && at < size;
}

static bool read_shape(const kd_value *shape, cut *c) {
  if (!shape || shape->count < 3 || shape->count > 5) return false;
  c->rank = shape->count;
  for (int i = 0; i < c->rank; i++)
    c->size[i] = shape->items[i].type == KD_V_INT ? shape->items[i].integer : -1;
  return true;
}

/* The batch and the channels stay whole. */
static bool read_key(const kd_value *key, cut *c) {
  bool list = key->type == KD_V_LIST;
  int count = list ? key->count : 1;
  if (count > c->rank) return false;
  for (int axis = 0; axis < count; axis++) {
    const kd_value *item = list ? &key->items[axis] : key;
    bool slice = kd_keras_is(item, "__slice__");
    if (slice ? !read_slice(item, axis, c) : item->type != KD_V_INT || !read_index(item, axis, c))
      return false;
    bool whole = slice && c->first[axis] == 0 && c->last[axis] == 0;
    if (!whole && (axis == 0 || axis == c->rank - 1)) return false;
  }
  return true;
}

static kd_value *new_list(kd_pool *pool, int count) {
  kd_value *list = kd_pool_alloc(pool, 1, sizeof *list);
  *list = (kd_value){.type = KD_V_LIST, .count = count};
  list->items = kd_pool_alloc(pool, (size_t)count, sizeof *list->items);
  return list;
}

/* (1, 2) of one axis, ((1, 2), (0, 3)) of several. */
static const kd_value *cropping(kd_pool *pool, const cut *c) {
  kd_value *all = new_list(pool, c->rank - 2);
  for (int i = 0; i < all->count; i++) {
    kd_value *pair = new_list(pool, 2);
    pair->items[0] = *kd_value_int(pool, c->first[i + 1]);
    pair->items[1] = *kd_value_int(pool, c->last[i + 1]);
    all->items[i] = *pair;
  }
  return all->count == 1 ? &all->items[0] : all;
}

/* The axis of size 1 that is left goes. */
static bool drop_axis(kd_keras_import *in, const cut *c, const kd_keras_node *node, int cropped) {
  const kd_layer_spec before = in->spec->layers[cropped];
  kd_value *target = new_list(in->pool, c->rank - 2);
  for (int axis = 1, at = 0; axis < c->rank; axis++) {
    if (axis == c->gone) continue;
    int64_t size = c->size[axis] - c->first[axis] - c->last[axis];
    if (c->size[axis] < 0 || size < 1) return false;
    target->items[at++] = *kd_value_int(in->pool, size);
  }
  const char *name = kd_pool_printf(in->pool, "%s (axis %d)", before.name, c->gone);
  kd_layer_spec *reshape = kd_keras_add_layer(in, name, before.origin);
  if (!reshape) return true;
  reshape->type = "Reshape";
  reshape->stored = before.stored;
  reshape->rank = before.rank;
  reshape->dtype = before.dtype;
  reshape->masks = before.masks;
  kd_args_set(in->pool, &reshape->args, "target_shape", target, false);
  kd_keras_add_input(in, reshape, (kd_spec_tap){-1, cropped, 0, before.origin});
  node->outputs[0].layer = in->spec->n_layers - 1;
  return true;
}

bool kd_keras_slice(kd_keras_import *in, const kd_keras_node *node, const kd_value *shape,
                    kd_layer_spec *layer) {
  cut c = {0};
  if (node->args->count != 2 || !read_shape(shape, &c) || !read_key(&node->args->items[1], &c)) return false;
  layer->type = kd_pool_printf(in->pool, "Cropping%dD", c.rank - 2);
  kd_args_set(in->pool, &layer->args, "cropping", cropping(in->pool, &c), false);
  return c.gone == 0 || drop_axis(in, &c, node, (int)(layer - in->spec->layers));
}
