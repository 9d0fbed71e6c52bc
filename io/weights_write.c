#include "io/weights_file.h"

#include "device/base/file.h"
#include "device/base/half.h"
#include "device/base/text.h"
#include "io/hdf5_sink.h"
#include "io/weights_layout.h"

#include <string.h>
#include <unistd.h>

/* A group "<path>/vars" with the object's name: Keras writes one for every object, also without variables. */
static kd_status write_group(hid_t file, kd_pool *pool, const char *path, const char *name) {
  const char *vars = *path ? kd_pool_printf(pool, "%s/vars", path) : "vars";
  hid_t links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  hid_t group = H5Gcreate2(file, vars, links, H5P_DEFAULT, H5P_DEFAULT);
  H5Pclose(links);
  if (group < 0) return kd_h5_fail(KD_ERR_RUN, "group %s: cannot create", kd_quoted(vars));
  kd_status status = kd_h5_write_text(group, "name", name);
  H5Gclose(group);
  return status;
}

static const char *part_path(kd_pool *pool, const kd_weight_place *place) {
  return *place->part ? kd_pool_printf(pool, "%s/%s", place->layer, place->part) : place->layer;
}

/* A layer's own vars are written before those of its parts, so their group is there. */
static const char *again_path(kd_pool *pool, const kd_weight_place *place) {
  const char *slash = *place->again ? "/" : "";
  return kd_pool_printf(pool, "%s%s%s/vars/0", place->layer, slash, place->again);
}

static const char *last_part(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* As h5py writes NumPy's float16, and the two raw bytes that ml_dtypes has for bfloat16. */
static hid_t half_type(kd_dtype dtype) {
  if (dtype == KD_BF16) return H5Tcreate(H5T_OPAQUE, sizeof(uint16_t));
  hid_t type = H5Tcopy(H5T_IEEE_F32LE);
  H5Tset_fields(type, 15, 10, 5, 0, 10); /* sign, exponent and its bits, mantissa and its bits */
  H5Tset_size(type, sizeof(uint16_t));
  H5Tset_ebias(type, 15);
  return type;
}

static kd_status write_half(hid_t file, const char *path, kd_dtype dtype, const kd_shape *shape,
                            const void *values) {
  hsize_t size[KD_MAX_RANK];
  for (int i = 0; i < shape->rank; i++) size[i] = (hsize_t)shape->dim[i];
  hid_t type = half_type(dtype);
  hid_t space = shape->rank ? H5Screate_simple(shape->rank, size, NULL) : H5Screate(H5S_SCALAR);
  hid_t set = kd_h5_create_set(file, path, type, space);
  bool good = set >= 0 && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0;
  kd_status status = good ? KD_OK : kd_h5_fail(KD_ERR_RUN, "%s: cannot write", kd_quoted(path));
  if (status == KD_OK && dtype == KD_BF16) status = kd_h5_write_text(set, "dtype", kd_dtype_name(dtype));
  if (set >= 0) H5Dclose(set);
  H5Sclose(space);
  H5Tclose(type);
  return status;
}

static kd_status write_floats(hid_t file, const char *path, kd_dtype dtype, const kd_shape *shape,
                              const float *values) {
  if (dtype == KD_F32) return kd_h5_write(file, path, KD_F32, shape->rank, shape->dim, values);
  int64_t count = kd_shape_count(shape);
  void *half = kd_calloc((size_t)count + 1, sizeof(uint16_t));
  kd_floats_write(dtype, values, half, count);
  kd_status status = write_half(file, path, dtype, shape, half);
  kd_free(half);
  return status;
}

static kd_status write_weights(hid_t file, kd_pool *pool, const kd_model *model, const float *const *weight) {
  kd_weights_layout layout;
  kd_weights_layout_make(model, pool, &layout);
  KD_TRY(write_group(file, pool, "", model->name ? model->name : "functional"));
  for (int i = 0; i < layout.n_layers; i++) {
    const kd_layer *layer = model->layers[layout.order[i]];
    if (!*layout.group[i]) continue;
    KD_TRY(write_group(file, pool, layout.group[i], layer->stored ? last_part(layer->name) : layer->name));
    for (int w = layer->first_weight; w < layer->first_weight + layer->n_weights; w++) {
      const kd_weight_place *place = &layout.place[w];
      const kd_shape *shape = &model->weights[w].shape;
      kd_dtype dtype = model->weights[w].dtype;
      const char *path = part_path(pool, place);
      if (*place->part && place->index == 0) KD_TRY(write_group(file, pool, path, last_part(place->part)));
      path = kd_pool_printf(pool, "%s/vars/%d", path, place->index);
      KD_TRY(write_floats(file, path, dtype, shape, weight[w]));
      if (place->again) KD_TRY(write_floats(file, again_path(pool, place), dtype, shape, weight[w]));
    }
  }
  return KD_OK;
}

static kd_status write_variables(hid_t file, kd_pool *pool, const char *group, const char *name, int count,
                                 const kd_optimizer_var *vars) {
  KD_TRY(write_group(file, pool, group, name ? name : "optimizer"));
  for (int i = 0; i < count; i++) {
    const kd_optimizer_var *var = &vars[i];
    const char *path = kd_pool_printf(pool, "%s/vars/%d", group, i);
    if (var->data)
      KD_TRY(write_floats(file, path, var->dtype, &var->shape, var->data));
    else
      KD_TRY(kd_h5_write(file, path, KD_I64, 0, NULL, &var->integer));
  }
  return KD_OK;
}

static kd_status write_optimizer(hid_t file, kd_pool *pool, const kd_optimizer_vars *o) {
  KD_TRY(write_variables(file, pool, "optimizer", o->name, o->count, o->var));
  if (o->n_outer == 0) return KD_OK;
  return write_variables(file, pool, "optimizer/inner_optimizer", o->inner_name, o->count - o->n_outer,
                         o->var + o->n_outer);
}

kd_status kd_weights_write_here(const char *path, const kd_model *model, const float *const *weight,
                                const kd_optimizer_vars *optimizer) {
  kd_h5_sink *sink;
  hid_t file;
  kd_pool *pool = kd_pool_create();
  kd_h5_enter();
  kd_status status = kd_h5_create(path, 0, &sink, &file);
  if (status == KD_OK) {
    status = write_weights(file, pool, model, weight);
    if (status == KD_OK && optimizer) status = write_optimizer(file, pool, optimizer);
    kd_status closed = kd_h5_finish(sink, file);
    if (status == KD_OK) status = closed;
  }
  kd_h5_leave();
  kd_pool_destroy(pool);
  return status;
}

kd_status kd_weights_write(const char *path, const kd_model *model, const float *const *weight,
                           const kd_optimizer_vars *optimizer) {
  kd_pool *pool = kd_pool_create();
  const char *temporary = kd_pool_printf(pool, "%s.tmp", path);
  kd_status status = kd_weights_write_here(temporary, model, weight, optimizer);
  if (status == KD_OK)
    status = kd_file_commit(temporary, path);
  else
    unlink(temporary);
  kd_pool_destroy(pool);
  return status == KD_OK ? KD_OK : kd_fail_context(status, "weights %s", kd_quoted(path));
}
