/* Losses and metrics of the outputs, from [output] sections and [train]. Inside of run_config. */
#ifndef KD_RUN_OUTPUTS_H
#define KD_RUN_OUTPUTS_H

#include "launch/run_config.h"

/* Fills config->outputs, after config->train has been read. Errors go to context->diag. */
void kd_run_outputs_make(kd_interpolation *context, const kd_model_spec *spec, kd_run_config *config);

#endif
