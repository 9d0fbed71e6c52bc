/* A graph of TensorFlow as the folder of a SavedModel. */
#ifndef KD_SAVED_MODEL_FOLDER_H
#define KD_SAVED_MODEL_FOLDER_H

#include "io/saved_model/tf.h"

/* See kd_saved_model_write. */
kd_status kd_saved_model_folder_write(const char *folder, kd_tf *t);

#endif
