/* Models from files that Keras saved: `[model] file = m.keras`. */
#ifndef KD_KERAS_H
#define KD_KERAS_H

#include "launch/model_spec.h"

/* The path of [model] file, or NULL: the sections of the configuration describe the model. */
const char *kd_keras_file(kd_interpolation *context);

/* The model of the file as a spec, with Keras's names; `[layer NAME]` sections change its layers. Adds to
 * ini what the file says and the configuration does not: [input NAME], and the keys of [train] that Keras's
 * compile gave (`ini` is context->ini). All errors go to context->diag, with the file and the path inside of
 * config.json. Never NULL. */
kd_model_spec *kd_keras_spec_make(kd_interpolation *context, kd_ini *ini, const char *path);

#endif
