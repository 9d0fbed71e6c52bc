/* What Keras saves a model as (keras.md 6.1): a zip archive, or with zipped=False a folder, that holds
 * config.json and model.weights.h5; or one HDF5 file (6.7). One rank calls these. */
#ifndef KD_IO_KERAS_ARCHIVE_H
#define KD_IO_KERAS_ARCHIVE_H

#include "io/weights_file.h"

#define KD_KERAS_CONFIG  "config.json"
#define KD_KERAS_WEIGHTS "model.weights.h5"

/* Whether a path is to be read as a saved model: it ends in .keras, .h5 or .hdf5, or is a folder with a
 * config.json. */
bool kd_keras_is_model(const char *path);
/* The text of config.json with a '\0' behind it, at most `limit` bytes. KD_ERR_USAGE naming the file when it
 * is missing, no archive, damaged, or larger. Of an HDF5 file that of an object
 * {"model_config": ..., "training_config": ...}. */
kd_status kd_keras_read_config(kd_pool *pool, const char *path, size_t limit, char **text, size_t *bytes);
/* keras_h5.c: the same for an HDF5 file, which a child process reads first. */
kd_status kd_keras_read_h5_config(kd_pool *pool, const char *path, size_t limit, char **text, size_t *bytes);
/* As kd_weights_read, from model.weights.h5 or the HDF5 file. */
kd_status kd_keras_read_weights(const char *path, const kd_model *model, float *const *weight);
/* As kd_optimizer_read, from model.weights.h5. */
kd_status kd_keras_read_optimizer(const char *path, kd_pool *pool, kd_optimizer_vars *vars,
                                  const char **unfit);

/* keras_write.c: writes an archive of config.json (its text) and the weights as kd_weights_write has them.
 * Under a temporary name, synced, renamed: a file of that name is replaced by a whole one or stays.
 * KD_ERR_RUN with path and reason when it cannot be written. */
kd_status kd_keras_write(const char *path, const char *config, const kd_model *model,
                         const float *const *weight, const kd_optimizer_vars *optimizer);

#endif
