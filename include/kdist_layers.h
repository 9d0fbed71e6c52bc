/* Layers with typed options: kd_conv2d(x, 32, {3, 3}, .activation = "relu").
 *
 * Made by api/generate.sh from the option tables, which `kdist layers CLASS` and docs/layers.md show with
 * types, ranges, defaults and meanings. Every field is Keras's argument of that name; what is left out, zero
 * or NULL is Keras's default. What is on by default is switched off: no_bias = true is use_bias=false.
 * Arguments that Keras requires stand behind x without a name. A list of integers ends at its first zero; a
 * single one, {3}, stands for all axes. Activations, initializers, regularizers and layers are texts: "relu",
 * "HeNormal(seed=1)", "L2(1e-4)", "LSTM(32)"; so are numbers that may be 0: "(0, 2)". Every macro also takes
 * .name, the layer's name, and .more, further arguments as text: "epsilon=0, trainable=false".
 *
 * Call arguments are fields too, behind .more: .use_causal_mask = true, .mask = steps, .initial_state = {h,
 * c}; tensors that are left out are none. .training = "true" or "false". return_attention_scores:
 * kd_net_result(y, 1).
 *
 * All return the layer's first output and record errors in the net (kd_net_status). Shapes are those of
 * Keras, channels last. Local. Included by kdist.h, which has macros for merging: kd_add, kd_concatenate ...
 */
#ifndef KDIST_LAYERS_H
#define KDIST_LAYERS_H

#include "kdist_layers_activations.h"
#include "kdist_layers_attention.h"
#include "kdist_layers_convolution.h"
#include "kdist_layers_dense.h"
#include "kdist_layers_normalisation.h"
#include "kdist_layers_pooling.h"
#include "kdist_layers_recurrence.h"
#include "kdist_layers_regularisation.h"
#include "kdist_layers_resizing.h"
#include "kdist_layers_shapes.h"

#endif
