/* Models as SavedModels of TensorFlow, for TensorFlow Serving and others: a folder with saved_model.pb, whose
 * graph has the weights as constants and the signature serving_default under the tag serve. */
#ifndef KD_SAVED_MODEL_EXPORT_H
#define KD_SAVED_MODEL_EXPORT_H

#include "layers/model.h"

/* Bytes of weights that fit: messages of protobuf end at 2 GiB. */
#define KD_SAVED_MODEL_LIMIT ((int64_t)2000 << 20)

/* How a path ends that names the folder of a SavedModel, where names say what is written. */
#define KD_SAVED_MODEL_END "/"

/* Writes the folder with the model's weights: weight[i] points to the values of model->weights[i], float32 in
 * host memory. Names of the signature are those of Keras; open sizes and types as in ONNX files. A new folder
 * has its name when it is complete; one that holds a saved_model.pb of this form, or nothing, gets the new
 * file in one step. limit: KD_SAVED_MODEL_LIMIT, or less. One rank calls it. KD_ERR_USAGE: more weights than
 * the limit, or a layer that has no form there, with its name and primitive; KD_ERR_RUN: the folder holds
 * something else, or cannot be written. */
kd_status kd_saved_model_write(const char *folder, kd_model *model, const float *const *weight,
                               int64_t limit);

/* KD_ERR_RUN if there is a folder of that name that holds something else. */
kd_status kd_saved_model_check_folder(const char *folder);

/* Removes what that has written, and the folder if nothing else is in it. */
void kd_saved_model_remove(const char *folder);

/* Whether that would be possible, before there are weights: the same errors, nothing is written. */
kd_status kd_saved_model_check(kd_model *model, int64_t limit);

#endif
