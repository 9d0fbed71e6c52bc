/* Keras's order and form of the members: metadata.json, config.json, model.weights.h5, none compressed. */
#include "io/keras_archive.h"

#include "device/base/file.h"
#include "device/base/text.h"

#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zip.h>

/* The Keras whose files these are like. Keras writes the text and never reads it. */
#define KERAS_VERSION "3.15.1"

static const char *metadata(kd_pool *pool) {
  time_t now = time(NULL);
  struct tm local;
  char date[32];
  strftime(date, sizeof date, "%Y-%m-%d@%H:%M:%S", localtime_r(&now, &local));
  return kd_pool_printf(pool, "{\"keras_version\": \"" KERAS_VERSION "\", \"date_saved\": \"%s\"}", date);
}

/* Takes the source over. */
static bool add_member(zip_t *archive, const char *name, zip_source_t *source) {
  zip_int64_t number = source ? zip_file_add(archive, name, source, ZIP_FL_ENC_UTF_8) : -1;
  if (number < 0) {
    zip_source_free(source);
    return false;
  }
  return zip_set_file_compression(archive, (zip_uint64_t)number, ZIP_CM_STORE, 0) == 0;
}

static bool add_text(zip_t *archive, const char *name, const char *text) {
  return add_member(archive, name, zip_source_buffer(archive, text, strlen(text), 0));
}

/* zip_close writes everything, to a name of its own that it renames to `temporary`. */
static kd_status write_archive(const char *temporary, kd_pool *pool, const char *config,
                               const char *weights) {
  int code = 0;
  zip_t *archive = zip_open(temporary, ZIP_CREATE | ZIP_TRUNCATE, &code);
  if (!archive) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    kd_status status = kd_fail(KD_ERR_RUN, "cannot create: %s", zip_error_strerror(&error));
    zip_error_fini(&error);
    return status;
  }
  bool good = add_text(archive, "metadata.json", metadata(pool)) &&
              add_text(archive, KD_KERAS_CONFIG, config) &&
              add_member(archive, KD_KERAS_WEIGHTS, zip_source_file(archive, weights, 0, -1));
  if (good && zip_close(archive) == 0) return KD_OK;
  kd_status status = kd_fail(KD_ERR_RUN, "cannot write: %s", zip_strerror(archive));
  zip_discard(archive);
  return status;
}

static kd_status write_parts(kd_pool *pool, const char *path, const char *config, const kd_model *model,
                             const float *const *weight, const kd_optimizer_vars *optimizer) {
  const char *temporary = kd_pool_printf(pool, "%s.tmp", path);
  const char *weights = kd_pool_printf(pool, "%s.weights.tmp", path);
  kd_status status = kd_weights_write_here(weights, model, weight, optimizer);
  if (status == KD_OK) status = write_archive(temporary, pool, config, weights);
  unlink(weights);
  if (status == KD_OK) return kd_file_commit(temporary, path);
  unlink(temporary);
  return status;
}

kd_status kd_keras_write(const char *path, const char *config, const kd_model *model,
                         const float *const *weight, const kd_optimizer_vars *optimizer) {
  kd_pool *pool = kd_pool_create();
  kd_status status = write_parts(pool, path, config, model, weight, optimizer);
  kd_pool_destroy(pool);
  return status == KD_OK ? KD_OK : kd_fail_context(status, "model %s", kd_quoted(path));
}
