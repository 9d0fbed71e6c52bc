/* The fields of the data that a model is fed. */
#ifndef KD_SESSION_FIELDS_H
#define KD_SESSION_FIELDS_H

#include "launch/session.h"

/* The fields that a purpose wants, in the order in which formats count files: inputs, outputs with labels,
 * then weights of samples. */
typedef struct kd_wanted {
  int n, n_inputs, n_weights;
  const char **names, **mapped;
  kd_shape *shape;
  kd_dtype *dtype;
  int64_t *classes;
  int n_feeds; /* of a step: inputs, labels of all outputs, weights of all outputs */
  int *feed;   /* per feed: its field; -1: nothing reads it */
} kd_wanted;

/* Memory is the session's pool. */
kd_wanted kd_wanted_fields(const kd_session *session, bool labels);
/* Notes the stored weights of an output in its goal: one number for each sample, or one for each step of a
 * prediction of several; an error to the session's diag otherwise. */
void kd_session_note_weights(kd_session *session, const kd_dataset *set, int output, kd_output_goal *goal);
/* An error when [train] class_weight has more weights than the output has classes. */
void kd_session_check_class_weights(kd_session *session, int output);

#endif
