#include "io/keras_archive.h"

#include "device/base/file.h"
#include "device/base/text.h"
#include "io/gzip_file.h"
#include "io/weights_file.h"
#include "io/zip_file.h"

#include <string.h>
#include <sys/stat.h>

/* As Keras: large members that expand a hundredfold are no model. Small ones may. */
enum { SMALL_MEMBER = 64 << 20, MOST_EXPANSION = 100 };

static bool is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Nothing else that a model or a configuration is read from has such a name. */
static bool is_h5(const char *path) {
  return kd_ends_with(path, ".h5") || kd_ends_with(path, ".hdf5");
}

bool kd_keras_is_model(const char *path) {
  if (kd_ends_with(path, ".keras") || is_h5(path)) return true;
  if (!is_folder(path)) return false;
  kd_pool *pool = kd_pool_create();
  bool model = kd_path_exists(kd_path_join(pool, path, KD_KERAS_CONFIG));
  kd_pool_destroy(pool);
  return model;
}

/* Finds a member and its size, which is checked before anybody allocates so much. */
static kd_status find_member(zip_t *archive, const char *path, const char *name, size_t limit,
                             zip_stat_t *info) {
  zip_int64_t number = zip_name_locate(archive, name, 0);
  KD_CHECK(number >= 0, KD_ERR_USAGE, "%s: no Keras model: there is no %s in it", kd_quoted(path), name);
  bool known = zip_stat_index(archive, (zip_uint64_t)number, 0, info) == 0 && (info->valid & ZIP_STAT_SIZE) &&
               (info->valid & ZIP_STAT_COMP_SIZE);
  KD_CHECK(known, KD_ERR_USAGE, "%s (%s): the archive does not tell its size", kd_quoted(path), name);
  KD_CHECK(info->size <= limit, KD_ERR_USAGE, "%s (%s): has %llu bytes, more than %zu", kd_quoted(path), name,
           (unsigned long long)info->size, limit);
  bool possible =
      info->size <= INT64_MAX && (int64_t)info->comp_size >= kd_gzip_least_size((int64_t)info->size);
  KD_CHECK(possible && (info->size <= SMALL_MEMBER || info->size / MOST_EXPANSION <= info->comp_size),
           KD_ERR_USAGE, "%s (%s): %llu bytes are said to expand to %llu; that is no model", kd_quoted(path),
           name, (unsigned long long)info->comp_size, (unsigned long long)info->size);
  return KD_OK;
}

static kd_status read_member(zip_t *archive, const char *path, const zip_stat_t *info, void *out) {
  zip_file_t *member = zip_fopen_index(archive, info->index, 0);
  KD_CHECK(member, KD_ERR_USAGE, "%s: cannot read %s: %s", kd_quoted(path), kd_quoted(info->name),
           zip_strerror(archive));
  kd_status status = kd_zip_read(member, path, (size_t)info->size, out);
  if (status == KD_OK) status = kd_zip_end(member, path, info->name);
  zip_fclose(member);
  return status;
}

static kd_status read_config(zip_t *archive, kd_pool *pool, const char *path, size_t limit, char **text,
                             size_t *bytes) {
  zip_stat_t info;
  KD_TRY(find_member(archive, path, KD_KERAS_CONFIG, limit, &info));
  *bytes = (size_t)info.size;
  *text = kd_pool_alloc(pool, *bytes + 1, 1);
  return read_member(archive, path, &info, *text);
}

kd_status kd_keras_read_config(kd_pool *pool, const char *path, size_t limit, char **text, size_t *bytes) {
  if (is_folder(path))
    return kd_file_read(pool, kd_path_join(pool, path, KD_KERAS_CONFIG), limit, text, bytes);
  if (is_h5(path)) return kd_keras_read_h5_config(pool, path, limit, text, bytes);
  zip_t *archive;
  KD_TRY(kd_zip_open(path, "a .keras archive", &archive));
  kd_status status = read_config(archive, pool, path, limit, text, bytes);
  zip_discard(archive);
  return status;
}

/* What is read out of model.weights.h5: weights, or where model is NULL the optimizer's variables. */
typedef struct wanted {
  const kd_model *model;
  float *const *weight;
  kd_pool *pool;
  kd_optimizer_vars *vars;
  const char **unfit;
} wanted;

static kd_status read_path(const wanted *w, const char *path) {
  return w->model ? kd_weights_read(path, w->model, w->weight)
                  : kd_optimizer_read(path, w->pool, w->vars, w->unfit);
}

static kd_status read_image(const wanted *w, const char *name, const void *image, size_t bytes) {
  return w->model ? kd_weights_read_image(name, image, bytes, w->model, w->weight)
                  : kd_optimizer_read_image(name, image, bytes, w->pool, w->vars, w->unfit);
}

/* The member goes through memory, not through a temporary file: rank 0 has room for a model's weights, which
 * it is about to hold anyway, while disks of jobs may be full or slow, and a killed job would leave a file
 * behind. */
static kd_status read_weights(zip_t *archive, const char *path, kd_pool *pool, const wanted *w) {
  zip_stat_t info;
  KD_TRY(find_member(archive, path, KD_KERAS_WEIGHTS, SIZE_MAX, &info));
  size_t bytes = (size_t)info.size;
  void *image;
  KD_TRY(kd_large_alloc(bytes, &image));
  const char *name = kd_pool_printf(pool, "%s (%s)", path, KD_KERAS_WEIGHTS);
  kd_status status = read_member(archive, path, &info, image);
  if (status == KD_OK) status = read_image(w, name, image, bytes);
  kd_large_free(image, bytes);
  return status;
}

static kd_status read_wanted(const char *path, const wanted *w) {
  kd_status status;
  kd_pool *pool = kd_pool_create();
  zip_t *archive;
  if (is_h5(path)) {
    status = read_path(w, path);
  } else if (is_folder(path)) {
    status = read_path(w, kd_path_join(pool, path, KD_KERAS_WEIGHTS));
  } else if ((status = kd_zip_open(path, "a .keras archive", &archive)) == KD_OK) {
    status = read_weights(archive, path, pool, w);
    zip_discard(archive);
  }
  kd_pool_destroy(pool);
  return status;
}

kd_status kd_keras_read_weights(const char *path, const kd_model *model, float *const *weight) {
  return read_wanted(path, &(wanted){.model = model, .weight = weight});
}

kd_status kd_keras_read_optimizer(const char *path, kd_pool *pool, kd_optimizer_vars *vars,
                                  const char **unfit) {
  return read_wanted(path, &(wanted){.pool = pool, .vars = vars, .unfit = unfit});
}
