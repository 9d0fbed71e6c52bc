/* Weights and models as files: Keras's .weights.h5, .keras with the model's config, ONNX and SavedModels. */
#ifndef KD_KERAS_FILE_H
#define KD_KERAS_FILE_H

#include "trainer/trainer.h"

/* Where a file's content comes from. */
typedef struct kd_keras_source {
  kd_model *model;
  const kd_optimizer *optimizer;                                        /* NULL: weights alone */
  kd_status (*get)(void *context, int part, int weight, float *values); /* as kd_replica_get */
  void *context;
  const kd_snapshot *snapshot; /* of kd_keras_from_snapshot */
  int64_t updates;             /* steps that updated weights */
  double rate;                 /* constant learning rate */
  kd_loss_scale scale;
  int opset; /* of ONNX files; 0: the default */
} kd_keras_source;

/* Writes .weights.h5, with the text of a config.json a .keras archive, or where the path ends in .onnx the
 * model for onnxruntime and others, or in a slash the folder of a SavedModel, both without the optimizer.
 * Complete or not at all; KD_ERR_RUN. One rank calls it. */
kd_status kd_keras_save(const kd_keras_source *source, const char *path, const char *config);

/* A source that reads a checkpoint of `kdist fit` or kd_save_state, which must outlive it; it must not be
 * moved. KD_ERR_USAGE when it is of another optimizer; get gives KD_ERR_USAGE for what is missing or has
 * another shape. */
kd_status kd_keras_from_snapshot(const kd_snapshot *snapshot, kd_model *model, const kd_optimizer *optimizer,
                                 kd_keras_source *source);

#endif
