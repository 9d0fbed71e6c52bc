/* The arguments of one layer, from everything that can give them. */
#ifndef KD_LAYER_ARGS_H
#define KD_LAYER_ARGS_H

#include "launch/model_spec.h"
#include "layers/layer.h"

/* Errors for [defaults TYPE] sections: unknown types and keys. */
void kd_defaults_check(kd_diag *diag, const kd_model_spec *spec);

/* Fills the options of a layer: its own arguments, overrides over them, [defaults TYPE] for the rest, also in
 * layers that are values of arguments (Bidirectional(LSTM(4))). False after errors. */
bool kd_layer_args_fill(kd_pool *pool, kd_diag *diag, const kd_model_spec *spec, const kd_layer_spec *layer,
                        const kd_kind *kind, void *options);

#endif
