#include "io/weights_file.h"

#include "device/base/text.h"
#include "io/hdf5_probe.h"
#include "io/weights_layout.h"
#include "io/weights_reader.h"
#include "io/weights_set.h"

#include <string.h>

/* "<layer>/<part>/vars" as this file spells it. Older Keras wrote the parts of attention layers with an
 * underscore in front. */
static const char *vars_path(const weights_reader *r, const kd_weight_place *place) {
  const char *layer =
      *r->root ? kd_pool_printf(r->pool, "%s%s", r->root, strchr(place->layer, '/')) : place->layer;
  if (!*place->part) return kd_pool_printf(r->pool, "%s/vars", layer);
  const char *path = kd_pool_printf(r->pool, "%s/%s/vars", layer, place->part);
  const char *old = kd_pool_printf(r->pool, "%s/_%s/vars", layer, place->part);
  return !kd_set_is_there(r->file, path) && kd_set_is_there(r->file, old) ? old : path;
}

static kd_status read_open(const weights_reader *r, hid_t set, const char *path, const kd_weight *weight,
                           float *values) {
  kd_shape shape;
  char have[KD_SHAPE_TEXT], want[KD_SHAPE_TEXT];
  const char *what =
      kd_pool_printf(r->pool, "weight %s: %s in %s", weight->path, kd_quoted(path), kd_quoted(r->name));
  KD_TRY(kd_set_shape(set, what, &shape));
  KD_CHECK(kd_shape_equal(&shape, &weight->shape), KD_ERR_USAGE, "%s has shape %s, but the model wants %s",
           what, kd_shape_text(&shape, have), kd_shape_text(&weight->shape, want));
  return kd_set_read(set, what, weight->count, values);
}

kd_status kd_weights_read_set(const weights_reader *r, const char *path, const kd_weight *weight,
                              float *values) {
  hid_t set = H5Dopen2(r->file, path, H5P_DEFAULT);
  if (set < 0)
    return kd_h5_fail(KD_ERR_USAGE, "weight %s: %s in %s is not a data set", weight->path, kd_quoted(path),
                      kd_quoted(r->name));
  kd_status status = read_open(r, set, path, weight, values);
  H5Dclose(set);
  return status;
}

/* A layer with more variables than the model's is another layer (a bias too many). */
static kd_status check_siblings(const weights_reader *r, const char *vars, const kd_weight *weight,
                                int siblings) {
  H5G_info_t info;
  hid_t group = H5Gopen2(r->file, vars, H5P_DEFAULT);
  bool good = group >= 0 && H5Gget_info(group, &info) >= 0;
  if (group >= 0) H5Gclose(group);
  if (!good) return kd_h5_fail(KD_ERR_USAGE, "%s: %s is not a group", kd_quoted(r->name), vars);
  KD_CHECK(info.nlinks <= (hsize_t)siblings, KD_ERR_USAGE,
           "weight %s: %s in %s holds %llu variables, but the model's layer has %d", weight->path, vars,
           kd_quoted(r->name), (unsigned long long)info.nlinks, siblings);
  return KD_OK;
}

static kd_status read_weight(const weights_reader *r, const kd_weight *weight, const kd_weight_place *place,
                             float *values) {
  const char *vars = vars_path(r, place);
  const char *path = kd_pool_printf(r->pool, "%s/%d", vars, place->index);
  KD_CHECK(kd_set_is_there(r->file, path), KD_ERR_USAGE, "weight %s: %s holds no %s", weight->path,
           kd_quoted(r->name), path);
  KD_TRY(check_siblings(r, vars, weight, place->siblings));
  return kd_weights_read_set(r, path, weight, values);
}

static kd_status read_all(weights_reader *r, const kd_model *model, float *const *weight) {
  static const char old_root[] = "_layer_checkpoint_dependencies";
  kd_weights_layout layout;
  if (kd_weights_is_legacy(r->file)) return kd_weights_read_legacy(r, model, -1, weight);
  kd_weights_layout_make(model, r->pool, &layout);
  r->root = "";
  if (!kd_set_is_there(r->file, "layers")) {
    KD_CHECK(kd_set_is_there(r->file, old_root), KD_ERR_USAGE,
             "%s: not a Keras weights file: it has no group 'layers'", kd_quoted(r->name));
    r->root = old_root;
  }
  for (int w = 0; w < model->n_weights; w++)
    KD_TRY(read_weight(r, &model->weights[w], &layout.place[w], weight[w]));
  return KD_OK;
}

/* Looks for the group below "layers" whose variables bear a layer's name (an attribute that Keras since 3.6
 * and kdist write).
 */
typedef struct name_search {
  const char *name;
  kd_pool *pool;
  const char *found; /* "layers/dense_1" */
} name_search;

static herr_t match_name(hid_t layers, const char *group, const H5L_info_t *info, void *context) {
  name_search *search = context;
  if (info->type != H5L_TYPE_HARD) return 0;
  const char *vars = kd_pool_printf(search->pool, "%s/vars", group);
  if (!kd_set_is_there(layers, vars)) return 0;
  hid_t object = H5Oopen(layers, vars, H5P_DEFAULT);
  if (object < 0) return 0;
  bool same = kd_set_has_text(object, "name", search->name);
  H5Oclose(object);
  if (same) search->found = kd_pool_printf(search->pool, "layers/%s", group);
  return same ? 1 : 0;
}

static kd_status read_layer(weights_reader *r, const kd_model *model, int number, float *const *weight) {
  const kd_layer *layer = model->layers[number];
  kd_weights_layout layout;
  if (kd_weights_is_legacy(r->file)) return kd_weights_read_legacy(r, model, number, weight);
  kd_weights_layout_make(model, r->pool, &layout);
  r->root = "";
  name_search search = {.name = layer->name, .pool = r->pool};
  hid_t layers = kd_set_is_there(r->file, "layers") ? H5Gopen2(r->file, "layers", H5P_DEFAULT) : -1;
  if (layers >= 0) {
    H5Literate(layers, H5_INDEX_NAME, H5_ITER_INC, NULL, match_name, &search);
    H5Gclose(layers);
  }
  KD_CHECK(search.found, KD_ERR_USAGE, "%s holds no layer named %s", kd_quoted(r->name), layer->name);
  for (int w = layer->first_weight; w < layer->first_weight + layer->n_weights; w++) {
    kd_weight_place place = layout.place[w];
    place.layer = search.found;
    KD_TRY(read_weight(r, &model->weights[w], &place, weight[w]));
  }
  return KD_OK;
}

/* One reading of a file, by path or, with bytes, from memory. */
typedef struct reading {
  const char *name;
  const void *bytes;
  size_t size;
  const kd_model *model;
  int layer; /* number of the only layer that is wanted; -1: all */
  float *const *weight;
} reading;

static kd_status read_file(void *context) {
  const reading *job = context;
  weights_reader r = {.name = job->name};
  if (job->bytes)
    KD_TRY(kd_h5_open_image(job->name, job->bytes, job->size, &r.file));
  else
    KD_TRY(kd_h5_open(job->name, &r.file));
  r.pool = kd_pool_create();
  kd_status status = job->layer < 0 ? read_all(&r, job->model, job->weight)
                                    : read_layer(&r, job->model, job->layer, job->weight);
  H5Fclose(r.file);
  kd_pool_destroy(r.pool);
  return status;
}

/* The child reads all weights into one block, so that the pages of the model are not copied. */
static kd_status read_probed(reading *job) {
  int64_t most = 0;
  for (int w = 0; w < job->model->n_weights; w++)
    if (job->model->weights[w].count > most) most = job->model->weights[w].count;
  void *block;
  size_t bytes = (size_t)most * sizeof(float);
  KD_TRY(kd_large_alloc(bytes, &block));
  float **same = kd_calloc((size_t)job->model->n_weights, sizeof *same);
  for (int w = 0; w < job->model->n_weights; w++) same[w] = block;
  reading trial = *job;
  trial.weight = same;
  int64_t all = kd_model_count_params(job->model, false) * (int64_t)sizeof(float);
  kd_status status = kd_h5_probe_and_read(job->name, all, read_file, &trial, job);
  kd_free(same);
  kd_large_free(block, bytes);
  return status;
}

kd_status kd_weights_read(const char *path, const kd_model *model, float *const *weight) {
  return read_probed(&(reading){.name = path, .model = model, .layer = -1, .weight = weight});
}

kd_status kd_weights_read_layer(const char *path, const kd_model *model, int layer, float *const *weight) {
  return read_probed(&(reading){.name = path, .model = model, .layer = layer, .weight = weight});
}

kd_status kd_weights_read_image(const char *name, const void *bytes, size_t size, const kd_model *model,
                                float *const *weight) {
  return read_probed(&(reading){name, bytes, size, model, -1, weight});
}
