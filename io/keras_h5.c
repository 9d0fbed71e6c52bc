/* Whole models as Keras 2 saved them, and Keras 3 does under such a name: one HDF5 file, whose attributes
 * model_config and training_config are JSON texts (keras.md 6.7). */
#include "io/keras_archive.h"

#include "device/base/text.h"
#include "io/hdf5_probe.h"
#include "io/hdf5_text.h"
#include "io/json.h"

#include <string.h>

typedef struct reading {
  const char *path;
  size_t limit;
  kd_pool *pool; /* NULL: a trial */
  const char *text;
} reading;

/* A JSON text of the file. It is looked at before it becomes part of another one. */
static kd_status read_text(hid_t file, kd_pool *pool, const reading *job, const char *name,
                           const char **text) {
  const kd_value *value;
  const char *what = kd_pool_printf(pool, "%s: attribute %s", kd_quoted(job->path), name);
  KD_TRY(kd_h5_text(pool, file, name, what, job->limit / 2 - 64, text));
  return kd_json_read(pool, kd_pool_printf(pool, "%s (%s)", job->path, name), *text, strlen(*text), &value);
}

static kd_status read_open(hid_t file, kd_pool *pool, reading *job) {
  const char *model, *training = "null";
  KD_CHECK(kd_h5_has(file, "model_config"), KD_ERR_USAGE,
           "%s: holds no model (attribute model_config): weights alone are for init_from and --weights",
           kd_quoted(job->path));
  KD_TRY(read_text(file, pool, job, "model_config", &model));
  if (kd_h5_has(file, "training_config")) KD_TRY(read_text(file, pool, job, "training_config", &training));
  if (job->pool)
    job->text = kd_pool_printf(job->pool, "{\"model_config\": %s, \"training_config\": %s}", model, training);
  return KD_OK;
}

static kd_status read_file(void *context) {
  reading *job = context;
  hid_t file;
  KD_TRY(kd_h5_open(job->path, &file));
  kd_pool *pool = kd_pool_create();
  kd_status status = read_open(file, pool, job);
  kd_pool_destroy(pool);
  H5Fclose(file);
  return status;
}

kd_status kd_keras_read_h5_config(kd_pool *pool, const char *path, size_t limit, char **text, size_t *bytes) {
  reading job = {.path = path, .limit = limit};
  kd_h5_enter();
  kd_status status = kd_h5_probe(path, (int64_t)limit, read_file, &job);
  job.pool = pool;
  if (status == KD_OK) status = read_file(&job);
  kd_h5_leave();
  if (status != KD_OK) return status;
  *bytes = strlen(job.text);
  *text = kd_pool_strndup(pool, job.text, *bytes);
  return KD_OK;
}
