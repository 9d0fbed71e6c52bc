/* From a model's description to a model with layers. */
#ifndef KD_BUILD_MODEL_H
#define KD_BUILD_MODEL_H

#include "launch/model_spec.h"
#include "layers/model.h"

/* Makes and finishes the model (shapes, weights) that the spec describes, with `policy` for layers that name
 * no dtype. Every wrong type, key, value and
 * shape goes to context->diag with layer and line; NULL when there was any error in diag. The caller destroys
 * the model. `context` is the one that made the spec; its pool must outlive the model. */
kd_model *kd_model_from_spec(kd_interpolation *context, const char *name, const kd_model_spec *spec,
                             kd_policy policy);

/* Fills the options of a kind from the keys of a section, except those that start with `skip` (may be NULL).
 * A missing section (NULL) gives the defaults. False after errors. */
bool kd_section_fill(kd_interpolation *context, kd_ini_section *section, const char *subject,
                     const kd_kind *kind, const char *skip, void *options);

#endif
