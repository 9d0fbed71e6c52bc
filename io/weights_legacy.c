/* Weights in the layout of Keras 2: a group for each layer of the model, by its name, with the list of the
 * paths of its variables. The variables of a model in the model are one such list. */
#include "io/weights_reader.h"

#include "device/base/text.h"
#include "io/hdf5_text.h"
#include "io/weights_layout.h"
#include "io/weights_set.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_LAYERS = 1 << 16, MOST_WEIGHTS = 1 << 18 };

/* A layer of the file that has variables. */
typedef struct stored_layer {
  const char *name;
  kd_h5_texts weights; /* paths in the layer's group */
} stored_layer;

typedef struct stored_model {
  const char *root; /* "model_weights/" or "" */
  int count;
  stored_layer *layers;
  const stored_layer **by_name;
} stored_model;

/* A layer of the model that has weights, or a model in the model: what one stored layer is for. */
typedef struct unit {
  const char *name, *stored;
  int count;
  int *weights; /* of the model, in the file's order */
} unit;

static const char *root_of(hid_t file) {
  return kd_set_is_there(file, "model_weights") ? "model_weights/" : "";
}

/* The group below the root; "" is the root itself. */
static kd_status open_group(const weights_reader *r, const char *path, hid_t *group) {
  KD_CHECK(!*path || kd_set_is_there(r->file, path), KD_ERR_USAGE, "%s: there is no group %s",
           kd_quoted(r->name), kd_quoted(path));
  *group = H5Gopen2(r->file, *path ? path : "/", H5P_DEFAULT);
  if (*group >= 0) return KD_OK;
  return kd_h5_fail(KD_ERR_USAGE, "%s: %s is no group", kd_quoted(r->name), kd_quoted(path));
}

static kd_status read_names(const weights_reader *r, const char *path, const char *name, int most,
                            kd_h5_texts *names) {
  hid_t group;
  KD_TRY(open_group(r, path, &group));
  const char *what =
      kd_pool_printf(r->pool, "%s: %s of group /%s", kd_quoted(r->name), name, kd_quoted(path));
  kd_status status = kd_h5_names(r->pool, group, name, what, most, names);
  H5Gclose(group);
  return status;
}

bool kd_weights_is_legacy(hid_t file) {
  return kd_set_is_there(file, "model_weights") || kd_h5_has(file, "layer_names") ||
         kd_h5_has(file, "layer_names0");
}

/* Keras 1 had other layouts of kernels; so has a Keras 2 over Theano, which convolves the other way round. */
static kd_status check_writer(const weights_reader *r, const char *path) {
  static const char *const keys[] = {"keras_version", "backend"};
  hid_t group;
  KD_TRY(open_group(r, path, &group));
  kd_status status = KD_OK;
  for (int i = 0; i < 2 && status == KD_OK; i++) {
    const char *text = "", *what = kd_pool_printf(r->pool, "%s: %s", kd_quoted(r->name), keys[i]);
    if (kd_h5_has(group, keys[i])) status = kd_h5_text(r->pool, group, keys[i], what, 1024, &text);
    if (strncmp(text, "1.", 2) == 0 || strcmp(text, "theano") == 0)
      status = kd_fail(KD_ERR_USAGE,
                       "%s is %s: kernels have another layout there; load it in Keras 2 and save it again",
                       what, kd_quoted(text));
  }
  H5Gclose(group);
  return status;
}

static kd_status read_list(const weights_reader *r, stored_model *stored) {
  kd_h5_texts names;
  stored->root = root_of(r->file);
  const char *group = kd_pool_strndup(r->pool, stored->root, strcspn(stored->root, "/"));
  KD_TRY(check_writer(r, group));
  KD_TRY(read_names(r, group, "layer_names", MOST_LAYERS, &names));
  stored->layers = kd_pool_alloc(r->pool, (size_t)names.count, sizeof *stored->layers);
  int left = MOST_WEIGHTS;
  for (int i = 0; i < names.count; i++) {
    stored_layer *layer = &stored->layers[stored->count];
    layer->name = names.v[i];
    const char *path = kd_pool_printf(r->pool, "%s%s", stored->root, layer->name);
    KD_TRY(read_names(r, path, "weight_names", left, &layer->weights));
    left -= layer->weights.count;
    stored->count += layer->weights.count > 0;
  }
  return KD_OK;
}

/* --- what the model wants --- */

/* The length of "layers/functional" in the group "layers/functional/layers/dense" of a layer in a model in
 * the model. */
static size_t top_length(const char *stored) {
  const char *slash = strchr(stored, '/'), *end = slash ? strchr(slash + 1, '/') : NULL;
  return end ? (size_t)(end - stored) : strlen(stored);
}

/* Whether both stand in the same model in the model. */
static bool same_top(const char *a, const char *b) {
  return a && b && *a && top_length(a) == top_length(b) && strncmp(a, b, top_length(a)) == 0;
}

static void add_layer(kd_pool *pool, const kd_layer *layer, unit *u) {
  int *more = kd_pool_alloc(pool, (size_t)(u->count + layer->n_weights), sizeof *more);
  for (int i = 0; i < u->count; i++) more[i] = u->weights[i];
  for (int i = 0; i < layer->n_weights; i++) more[u->count++] = layer->first_weight + i;
  u->weights = more;
}

/* Weights that were trained stand in front of the others. */
static void sort_weights(kd_pool *pool, const kd_model *model, unit *u) {
  int *sorted = kd_pool_alloc(pool, (size_t)u->count, sizeof *sorted), used = 0;
  for (int last = 0; last < 2; last++) {
    for (int i = 0; i < u->count; i++) {
      const kd_weight *weight = &model->weights[u->weights[i]];
      bool behind = weight->statistic || model->layers[weight->layer]->stored_frozen;
      if (behind == (last == 1)) sorted[used++] = u->weights[i];
    }
  }
  u->weights = sorted;
}

static unit *make_units(kd_pool *pool, const kd_model *model, int *count) {
  unit *units = kd_pool_alloc(pool, (size_t)model->n_layers, sizeof *units);
  int *order = kd_pool_alloc(pool, (size_t)model->n_layers, sizeof *order);
  kd_model_keras_order(model, order);
  *count = 0;
  for (int i = 0; i < model->n_layers; i++) {
    const kd_layer *layer = model->layers[order[i]];
    if (layer->n_weights == 0) continue;
    if (*count == 0 || !same_top(units[*count - 1].stored, layer->stored)) {
      bool inner = layer->stored && layer->stored[top_length(layer->stored)];
      units[*count].name =
          inner ? kd_pool_strndup(pool, layer->name, strcspn(layer->name, "/")) : layer->name;
      units[(*count)++].stored = layer->stored;
    }
    add_layer(pool, layer, &units[*count - 1]);
  }
  for (int i = 0; i < *count; i++) sort_weights(pool, model, &units[i]);
  return units;
}

/* --- one for the other --- */

static int by_name(const void *a, const void *b) {
  return strcmp((*(const stored_layer *const *)a)->name, (*(const stored_layer *const *)b)->name);
}

/* The layers of the file by name: there may be thousands. */
static void sort_layers(kd_pool *pool, stored_model *stored) {
  stored->by_name = kd_pool_alloc(pool, (size_t)stored->count, sizeof *stored->by_name);
  for (int i = 0; i < stored->count; i++) stored->by_name[i] = &stored->layers[i];
  qsort(stored->by_name, (size_t)stored->count, sizeof *stored->by_name, by_name);
}

static const stored_layer *find_layer(const stored_model *stored, const char *name) {
  stored_layer wanted = {.name = name};
  const stored_layer *key = &wanted;
  const stored_layer *const *found =
      bsearch(&key, stored->by_name, (size_t)stored->count, sizeof *stored->by_name, by_name);
  return found ? *found : NULL;
}

static kd_status read_unit(const weights_reader *r, const kd_model *model, const stored_model *stored,
                           const stored_layer *from, const unit *u, int layer, float *const *weight) {
  KD_CHECK(from->weights.count == u->count, KD_ERR_USAGE,
           "layer %s: layer %s in %s holds %d variables, but the model's has %d", u->name,
           kd_quoted(from->name), kd_quoted(r->name), from->weights.count, u->count);
  for (int i = 0; i < u->count; i++) {
    const kd_weight *to = &model->weights[u->weights[i]];
    if (layer >= 0 && to->layer != layer) continue;
    const char *path = kd_pool_printf(r->pool, "%s%s/%s", stored->root, from->name, from->weights.v[i]);
    KD_CHECK(kd_set_is_there(r->file, path), KD_ERR_USAGE, "weight %s: %s holds no %s", to->path,
             kd_quoted(r->name), kd_quoted(path));
    KD_TRY(kd_weights_read_set(r, path, to, weight[u->weights[i]]));
  }
  return KD_OK;
}

static bool holds(const kd_model *model, const unit *u, int layer) {
  for (int i = 0; i < u->count; i++)
    if (model->weights[u->weights[i]].layer == layer) return true;
  return false;
}

static kd_status read_all(const weights_reader *r, const kd_model *model, const stored_model *stored,
                          int n_units, const unit *units, float *const *weight) {
  bool named = true;
  for (int i = 0; i < n_units; i++) named = named && find_layer(stored, units[i].name);
  KD_CHECK(named || stored->count == n_units, KD_ERR_USAGE,
           "%s holds %d layers with variables, but the model has %d, and the names of layers differ",
           kd_quoted(r->name), stored->count, n_units);
  for (int i = 0; i < n_units; i++) {
    const stored_layer *from = named ? find_layer(stored, units[i].name) : &stored->layers[i];
    KD_TRY(read_unit(r, model, stored, from, &units[i], -1, weight));
  }
  return KD_OK;
}

kd_status kd_weights_read_legacy(const weights_reader *r, const kd_model *model, int layer,
                                 float *const *weight) {
  stored_model stored = {0};
  KD_TRY(read_list(r, &stored));
  int n_units;
  const unit *units = make_units(r->pool, model, &n_units);
  sort_layers(r->pool, &stored);
  if (layer < 0) return read_all(r, model, &stored, n_units, units, weight);
  for (int i = 0; i < n_units; i++) {
    if (!holds(model, &units[i], layer)) continue;
    const stored_layer *from = find_layer(&stored, units[i].name);
    KD_CHECK(from, KD_ERR_USAGE, "%s holds no layer named %s", kd_quoted(r->name), units[i].name);
    return read_unit(r, model, &stored, from, &units[i], layer, weight);
  }
  return KD_OK;
}
