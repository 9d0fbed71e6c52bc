/* Inside of the readers of weights: one open HDF5 file. Inside kd_h5_enter/leave. */
#ifndef KD_IO_WEIGHTS_READER_H
#define KD_IO_WEIGHTS_READER_H

#include "io/hdf5_base.h"
#include "layers/model.h"

typedef struct weights_reader {
  const char *name; /* of the file, for messages */
  hid_t file;
  kd_pool *pool;
  const char
      *root; /* "" or "_layer_checkpoint_dependencies": in place of "layers" in files of TF-Keras 2.13 */
} weights_reader;

/* The data set at the path, which is there, as the weight's values. */
kd_status kd_weights_read_set(const weights_reader *r, const char *path, const kd_weight *weight,
                              float *values);

/* --- weights_legacy.c: what Keras's save("m.h5") and save_weights("w.h5") of Keras 2 wrote (keras.md 6.7)
 * --- */

/* Whether the file has that layout: a list of layers' names at its root or in the group model_weights. */
bool kd_weights_is_legacy(hid_t file);
/* All weights of the model, or those of its layer number `layer` (-1: all). Layers are found by name where
 * the file has the names of all, else, as in Keras, one after the other; a single layer by name. */
kd_status kd_weights_read_legacy(const weights_reader *r, const kd_model *model, int layer,
                                 float *const *weight);

#endif
